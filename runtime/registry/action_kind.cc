// Actions as documents: their body, their row.
#include "core/http_url.h"
#include "core/json_reader.h"
#include "runtime/registry/action.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/executor_body.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::string_view, 1> kActionReplacedWhole = {"executor.body"};
constexpr std::string_view kActionMethods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
// What sdk.NAME is already.
constexpr std::string_view kTaken[] = {"actions", "cache", "crypto", "db",      "events", "http",
                                       "json",    "kv",    "log",    "secrets", "sleep",  "time"};

bool is_word(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
}

// sms.send: words with dots between them.
std::string wrong_name(std::string_view id) {
    const std::string_view first = id.substr(0, id.find('.'));
    if (std::find(std::begin(kTaken), std::end(kTaken), first) != std::end(kTaken))
        return "begins with \"" + std::string(first) + "\", which scripts know as something else";
    for (std::string_view rest = id;;) {
        const std::size_t dot = rest.find('.');
        if (!is_word(rest.substr(0, dot)))
            return "must be words of letters, digits, _ and - with dots between them, as sms.send";
        if (dot == std::string_view::npos) return {};
        rest.remove_prefix(dot + 1);
    }
}

// Where the templates of a text are filled from. What comes from outside the document does not
// choose whom is called.
std::string wrong_url(std::string_view url) {
    std::string looked;
    const std::size_t scheme = url.find("://");
    const std::size_t path = scheme == std::string_view::npos
                                 ? url.size()
                                 : std::min(url.find_first_of("/?#", scheme + 3), url.size());
    for (std::string_view rest = url;;) {
        const std::size_t begin = rest.find("{{");
        looked += rest.substr(0, begin);
        if (begin == std::string_view::npos) break;
        const std::size_t end = rest.find("}}", begin);
        if (end == std::string_view::npos) return "holds a template without an end";
        std::string_view name = rest.substr(begin + 2, end - begin - 2);
        while (name.starts_with(' ')) name.remove_prefix(1);
        const auto at = static_cast<std::size_t>(rest.data() - url.data()) + begin;
        if (at < path && !name.starts_with("secrets."))
            return "has a template before its path that is no {{secrets.NAME}}: the input does not "
                   "say whom to call";
        looked += 'x';
        rest.remove_prefix(end + 2);
    }
    const auto parsed = core::HttpUrl::parse(looked);
    return parsed ? std::string() : parsed.error().message;
}

void read_headers(JsonObject& in, NamedTexts& out) {
    const auto element = in.any("headers");
    if (!element || element->is_null()) return;
    core::JsonMembers members;
    if (!element->get(members)) return in.refuse("headers", "must be an object of texts");
    for (const core::JsonMember member : members) {
        const std::string full = "headers." + std::string(member.key);
        std::string_view value;
        if (!member.value.get(value)) return in.refuse(full, "must be a text");
        if (const std::string wrong = wrong_header_name(member.key); !wrong.empty())
            return in.refuse(full, wrong);
        if (value.size() > kWebhookHeaderBytesMax ||
            value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
            return in.refuse(full, "is no header's value (line breaks, or over 4096 bytes)");
        if (out.size() == kWebhookHeadersMax)
            return in.refuse("headers", "has more than 50 members");
        out.emplace_back(member.key, value);
    }
}

void read_http(JsonObject& in, Action& out) {
    auto spec = std::make_shared<ActionHttp>();
    if (out.http) spec->secret = out.http->secret;
    in.text("url", spec->url,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kWebhookUrlBytesMax});
    if (!spec->url.empty()) {
        if (const std::string wrong = wrong_url(spec->url); !wrong.empty()) in.refuse("url", wrong);
    }
    if (in.text("method", spec->method)) {
        if (std::find(std::begin(kActionMethods), std::end(kActionMethods), spec->method) ==
            std::end(kActionMethods))
            in.refuse("method", "is none of GET, POST, PUT, PATCH, DELETE");
    }
    read_headers(in, spec->headers);
    spec->body_json = member_text(in, "body");
    if (spec->body_json.size() > kActionBodyBytesMax)
        in.refuse("body", "is longer than 65536 bytes");
    if (in.text("secret", spec->secret, {.bytes_min = 1, .bytes_max = 256})) {
        if (auto key = read_webhook_secret(spec->secret, WebhookSigning::kHmac); !key)
            in.refuse("secret", key.error().message);
    }
    in.integer("timeoutMs", spec->timeout_ms, kOutsideTimeoutMsMin, kWebhookTimeoutMsMax);
    in.number("ratePerSecond", spec->per_second_max, 0.001, kWebhookPerSecondMax);
    in.integer_as("concurrency", spec->concurrency_max, 1, kWebhookConcurrencyMax);
    out.command = nullptr;
    out.http = std::move(spec);
}

std::string shown_http(const ActionHttp& spec) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("type", "webhook").field("method", spec.method);
    json.field("url", spec.url).key("headers").begin_object();
    for (const auto& [name, value] : spec.headers) json.field(name, value);
    json.end_object();
    if (!spec.body_json.empty()) json.raw_field("body", spec.body_json);
    if (!spec.secret.empty()) json.field("signed", true);
    json.field("timeoutMs", spec.timeout_ms);
    if (spec.per_second_max > 0) json.field("ratePerSecond", spec.per_second_max);
    json.field("concurrency", spec.concurrency_max).end_object();
    return out;
}

void read_executor_of(JsonObject& in, Action& out) {
    const auto given = in.any("executor");
    if (!given) {
        if (out.executor.empty()) in.refuse("executor", "is required");
        return;
    }
    auto inner = in.object("executor", Presence::kRequired);
    if (!inner) return;
    std::string type;
    inner->text("type", type, {.presence = Presence::kRequired});
    if (type == "command") {
        ExecutorSpec spec;
        std::optional<Ordering> order;
        read_executor(in, spec, order);
        seal_executor(spec, Ordering::kNone);
        out.command = spec.command;
        out.http = nullptr;
        out.executor = spec.document;
        return;
    }
    if (type == "webhook") {
        (void)inner->any("signed");
        read_http(*inner, out);
        (void)inner->finish();
        out.executor = shown_http(*out.http);
    } else if (!type.empty()) {
        inner->refuse("type",
                      "is \"" + type.substr(0, 64) + "\"; expected one of: webhook, command");
    }
    in.join(*inner);
}

core::Status read(std::string_view body, Action& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    const std::string& called = out.id.empty() ? out.name : out.id;
    if (called.empty()) in->refuse("name", "is required: what the action is called by");
    if (const std::string wrong = wrong_name(called); !called.empty() && !wrong.empty())
        in->refuse(out.id.empty() ? "name" : "id", wrong);
    read_executor_of(*in, out);
    read_over_server_members(*in);
    return in->finish();
}

std::string show(const Action& action) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", action.id).field("name", action.name);
    json.raw_field("executor", action.executor);
    append_document_times(json, action.version, action.created_at_us, action.updated_at_us);
    json.end_object();
    return out;
}

void write_row(core::JsonWriter& json, const Action& action) {
    if (action.http && !action.http->secret.empty()) json.field("secretHeld", action.http->secret);
}

void read_row(JsonObject& row, Action& out) {
    std::string secret;
    if (!row.text("secretHeld", secret, {.bytes_max = 256}) || !out.http) return;
    auto spec = std::make_shared<ActionHttp>(*out.http);
    spec->secret = secret;
    out.http = std::move(spec);
    out.executor = shown_http(*out.http);
}

constexpr DocumentKind<Action> kActionKind = {
    .name = "action",
    .id_prefix = "act_",
    .documents_max = kActionsMax,
    .made_id = MadeId::kName,
    .replaced_whole = kActionReplacedWhole,
    .read = read,
    .show = show,
    .carry =
        [](const Action& old, Action& next) {
            if (!old.http || old.http->secret.empty()) return;
            auto spec = std::make_shared<ActionHttp>();
            spec->secret = old.http->secret;
            next.http = std::move(spec);
        },
    .write_row = write_row,
    .read_row = read_row,
};

}  // namespace

template <>
const DocumentKind<Action>& document_kind<Action>() {
    return kActionKind;
}

}  // namespace millrace::runtime
