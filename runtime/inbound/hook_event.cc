#include "runtime/inbound/hook_event.h"

#include "core/base64.h"
#include "core/crypto/digest.h"
#include "core/json_validate.h"
#include "core/json_writer.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "io/http_head.h"
#include "io/http_types.h"
#include "runtime/event/json_scan.h"
#include "runtime/inbound/body_text.h"

#include <array>
#include <map>
#include <vector>

namespace millrace::runtime::inbound {

namespace {

constexpr std::string_view kNoKind = "received";

std::string header(const Incoming& request, std::string_view name) {
    std::size_t count = 0;
    return std::string(header_once(request.headers, name, count));
}

std::string at(std::string_view payload, std::initializer_list<std::string_view> path) {
    return body_text(payload, std::span<const std::string_view>(path.begin(), path.size()));
}

std::string fact(const FactPlace& place, const Incoming& request, std::string_view payload) {
    return place.header.empty() ? body_text(payload, std::span<const std::string>(place.path))
                                : header(request, place.header);
}

const std::string& first_of(const std::string& one, const std::string& other) {
    return one.empty() ? other : one;
}

std::string id_of(const EventForm& form, const Incoming& request, std::string_view payload) {
    if (form.id_from) return fact(*form.id_from, request, payload);
    switch (form.scheme) {
        case Scheme::kGithub: return header(request, "X-GitHub-Delivery");
        case Scheme::kStripe: return at(payload, {"id"});
        case Scheme::kStandardWebhooks: return header(request, "webhook-id");
        case Scheme::kSlack: return at(payload, {"event_id"});
        case Scheme::kShopify:
            return first_of(header(request, "X-Shopify-Event-Id"),
                            header(request, "X-Shopify-Webhook-Id"));
        case Scheme::kHmac:
        case Scheme::kNone: break;
    }
    return first_of(header(request, "webhook-id"), header(request, "ce-id"));
}

std::string kind_of(const EventForm& form, const Incoming& request, std::string_view payload) {
    if (form.kind_from) return fact(*form.kind_from, request, payload);
    switch (form.scheme) {
        case Scheme::kGithub: {
            std::string kind = header(request, "X-GitHub-Event");
            const std::string action = at(payload, {"action"});
            return kind.empty() || action.empty() ? kind : kind + "." + action;
        }
        case Scheme::kStripe:
        case Scheme::kStandardWebhooks: return at(payload, {"type"});
        case Scheme::kSlack:
            return first_of(at(payload, {"event", "type"}),
                            first_of(at(payload, {"type"}), at(payload, {"command"})));
        case Scheme::kShopify: return header(request, "X-Shopify-Topic");
        case Scheme::kHmac:
        case Scheme::kNone: break;
    }
    return first_of(header(request, "ce-type"), at(payload, {"type"}));
}

bool media_type_is(std::string_view content_type, std::string_view wanted) {
    content_type = content_type.substr(0, content_type.find(';'));
    while (!content_type.empty() && content_type.back() == ' ') content_type.remove_suffix(1);
    return io::equals_ignore_case(content_type, wanted);
}

bool says_json(std::string_view content_type) {
    content_type = content_type.substr(0, content_type.find(';'));
    return content_type.find("json") != std::string_view::npos;
}

// One JSON value and nothing behind it, by its brackets and quotes; the parser checks the rest.
bool one_value(std::string_view text) {
    JsonScanner in(text);
    return in.value() && in.at_end();
}

bool starts_with_object(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && text[first] == '{';
}

core::Status form_payload(Scheme scheme, std::string_view body, std::string& out) {
    constexpr std::size_t kFieldsMax = 1000;
    std::map<std::string, std::vector<std::string>> fields;
    std::size_t count = 0;
    while (!body.empty()) {
        const std::string_view pair = body.substr(0, body.find('&'));
        body.remove_prefix(std::min(body.size(), pair.size() + 1));
        if (pair.empty()) continue;
        const std::size_t mark = pair.find('=');
        std::string name, value;
        if (!io::percent_decode(pair.substr(0, mark), io::PlusIsSpace::kYes, name) ||
            (mark != std::string_view::npos &&
             !io::percent_decode(pair.substr(mark + 1), io::PlusIsSpace::kYes, value)) ||
            !core::is_utf8(name) || !core::is_utf8(value) || ++count > kFieldsMax)
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          "body: the form can't be read: a broken %-escape, bytes "
                                          "that are no UTF-8, or more than 1000 fields"));
        fields[name].push_back(std::move(value));
    }
    if (const auto payload = fields.find("payload");
        scheme == Scheme::kGithub && payload != fields.end() && one_value(payload->second[0])) {
        out = std::move(payload->second[0]);
        return {};
    }
    core::JsonWriter json(out);
    json.begin_object();
    for (const auto& [name, values] : fields) {
        json.key(name);
        if (values.size() == 1) {
            json.value(values[0]);
            continue;
        }
        json.begin_array();
        for (const std::string& value : values) json.value(value);
        json.end_array();
    }
    json.end_object();
    return {};
}

std::string pattern_of(const EventForm& form, const std::string& kind) {
    constexpr std::string_view kMark = "{kind}";
    const std::string head = "webhook." + std::string(form.source_id) + ".";
    std::string pattern = form.pattern.empty() ? head + kind : std::string(form.pattern);
    for (std::size_t place = pattern.find(kMark); place != std::string::npos;
         place = pattern.find(kMark, place + kind.size()))
        pattern.replace(place, kMark.size(), kind);
    if (pattern.size() > core::kPatternBytesMax) pattern.resize(core::kPatternBytesMax);
    return pattern;
}

// An eventId of any length, as one that is short enough.
std::string short_id(std::string id) {
    if (!core::is_utf8(id)) return {};
    if (id.size() <= core::kEventIdBytesMax) return id;
    std::string out = "sha256:";
    const auto digest = core::crypto::sha256(id);
    core::append_base64(out, {reinterpret_cast<const char*>(digest.data()), digest.size()});
    return out;
}

void write_envelope(const EventForm& form, const Incoming& request, std::string_view payload,
                    HookEvent& out) {
    core::JsonWriter json(out.text);
    json.begin_object();
    if (!out.id.empty()) json.field("eventId", out.id);
    json.field("pattern", out.pattern).key("source").begin_object();
    json.field("type", "external").field("id", form.source_id).end_object();
    json.key("x-webhook").begin_object().field("scheme", scheme_text(form.scheme));
    json.field("kind", out.kind).field_or_null("deliveryId", out.id);
    if (!request.content_type.empty() && core::is_utf8(request.content_type))
        json.field("contentType", request.content_type.substr(0, 128));
    json.end_object().key("payload");
    if (payload.data() >= request.body.data() &&
        payload.data() < request.body.data() + request.body.size())
        out.places.note(out.text.size(),
                        static_cast<std::size_t>(payload.data() - request.body.data()),
                        payload.size());
    json.raw(payload).end_object();
}

}  // namespace

std::string kind_text(std::string_view kind) {
    std::string out;
    for (const char c : kind.substr(0, core::kPatternBytesMax)) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == ':';
        out += plain ? c : c == '/' ? '.' : '_';
    }
    return out.empty() ? std::string(kNoKind) : out;
}

core::Status payload_of(Scheme scheme, const Incoming& request, std::string& storage,
                        std::string_view& out) {
    storage.clear();
    const std::string_view body = request.body;
    core::JsonWriter json(storage);
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        storage = "{}";
    } else if (media_type_is(request.content_type, "application/x-www-form-urlencoded") &&
               !starts_with_object(body)) {
        if (auto read = form_payload(scheme, body, storage); !read) return read;
        if (!starts_with_object(storage)) storage = "{\"data\":" + storage + "}";
    } else if (says_json(request.content_type) || request.content_type.empty() ||
               core::json_validate(body)) {
        if (!one_value(body))
            return core::fail(
                core::Error(core::ErrorCode::kValidation,
                            "body: is not one JSON value, which its Content-Type says it is"));
        if (starts_with_object(body)) {
            out = body;
            return {};
        }
        json.begin_object().raw_field("data", body).end_object();
    } else if (core::is_utf8(body)) {
        json.begin_object().field("data", body).end_object();
    } else {
        std::string digits;
        core::append_base64(digits, body);
        json.begin_object().field("data_base64", digits).end_object();
    }
    out = storage;
    return {};
}

core::Status make_hook_event(const EventForm& form, const Incoming& request, HookEvent& out) {
    std::string storage;
    std::string_view payload;
    if (auto made = payload_of(form.scheme, request, storage, payload); !made) return made;
    if (form.scheme == Scheme::kSlack && at(payload, {"type"}) == "url_verification") {
        out.challenge = at(payload, {"challenge"});
        if (!out.challenge.empty()) return {};
    }
    out.id = short_id(id_of(form, request, payload));
    out.kind = kind_text(kind_of(form, request, payload));
    out.pattern = pattern_of(form, out.kind);
    write_envelope(form, request, payload, out);
    return {};
}

}  // namespace millrace::runtime::inbound
