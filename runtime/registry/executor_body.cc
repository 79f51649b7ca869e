#include "runtime/registry/executor_body.h"

#include "core/base64.h"
#include "core/crypto/random_bits.h"
#include "core/crypto/secret_bytes.h"
#include "core/http_url.h"
#include "core/json_writer.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/secret_mask.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::pair<std::string_view, ExecutorType>, 5> kTypes = {
    {{"script", ExecutorType::kScript},
     {"webhook", ExecutorType::kWebhook},
     {"command", ExecutorType::kCommand},
     {"workflow", ExecutorType::kWorkflow},
     {"link", ExecutorType::kLink}}};
constexpr std::array<std::pair<std::string_view, WebhookBody>, 4> kBodies = {
    {{"standard", WebhookBody::kStandard},
     {"envelope", WebhookBody::kEnvelope},
     {"payload", WebhookBody::kPayload},
     {"cloudevent", WebhookBody::kCloudEvent}}};
constexpr std::array<std::pair<std::string_view, WebhookSigning>, 2> kSignings = {
    {{"v1", WebhookSigning::kHmac}, {"v1a", WebhookSigning::kEd25519}}};
constexpr std::array<std::pair<std::string_view, Ordering>, 2> kOrders = {
    {{"key", Ordering::kKey}, {"none", Ordering::kNone}}};

template <typename Enum, std::size_t N>
std::string_view text_of(const std::array<std::pair<std::string_view, Enum>, N>& choices,
                         Enum value) {
    for (const auto& [text, option] : choices) {
        if (option == value) return text;
    }
    return {};
}

std::string lower(std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

bool is_header_name(std::string_view name) {
    constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
    return !name.empty() && name.size() <= 128 &&
           std::all_of(name.begin(), name.end(), [&](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      kOthers.find(c) != std::string_view::npos;
           });
}

// What we say ourselves, and what belongs to the connection.
bool is_own_header(const std::string& name) {
    constexpr std::array<std::string_view, 9> kOwn = {
        "host",    "content-length", "transfer-encoding", "connection", "expect",
        "upgrade", "traceparent",    "millrace-attempt",  "te"};
    return name.starts_with("webhook-") || std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end();
}

bool is_header_value(std::string_view value) {
    return value.size() <= kWebhookHeaderBytesMax &&
           std::all_of(value.begin(), value.end(), [](char c) {
               const auto byte = static_cast<unsigned char>(c);
               return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
           });
}

// Every template in it is one that can be filled.
core::Result<std::string> filled_for_a_look(std::string_view text) {
    return fill_secrets(text, [](std::string_view) { return core::Result<std::string>("x"); });
}

void read_named_texts(JsonObject& in, std::string_view name, std::size_t items_max, NamedTexts& out,
                      const std::function<std::string(std::string_view, std::string_view)>& wrong) {
    const auto element = in.any(name);
    if (!element || element->is_null()) return;
    core::JsonMembers members;
    if (!element->get(members)) return in.refuse(name, "must be an object of texts");
    for (const core::JsonMember member : members) {
        const std::string full = std::string(name) + "." + std::string(member.key);
        std::string_view value;
        if (!member.value.get(value)) return in.refuse(full, "must be a text");
        if (const std::string what = wrong(member.key, value); !what.empty())
            return in.refuse(full, what);
        if (out.size() == items_max) {
            return in.refuse(name, "has more than " + std::to_string(items_max) + " members");
        }
        out.emplace_back(member.key, value);
    }
}

std::string wrong_header(std::string_view name, std::string_view value) {
    if (std::string wrong = wrong_header_name(name); !wrong.empty()) return wrong;
    if (std::string wrong = wrong_header_value(value); !wrong.empty()) return wrong;
    if (auto filled = filled_for_a_look(value); !filled) return filled.error().message;
    return {};
}

// POSIX's names: whatever else a shell may read into a name (bash's exported functions) is none.
bool is_env_name(std::string_view name) {
    if (name.empty() || name.size() > 128 || (name[0] >= '0' && name[0] <= '9')) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

// Variables that loaders, shells and interpreters run as code, or find code by: with one of them
// an allowed program would run another.
bool names_code(std::string_view name) {
    constexpr std::array<std::string_view, 12> kBegins = {"BASH",   "DYLD_", "GCONV_", "GIT_",
                                                          "GLIBC_", "JAVA_", "LD_",    "LUA_",
                                                          "NODE_",  "PERL",  "PYTHON", "RUBY"};
    constexpr std::array<std::string_view, 14> kNames = {
        "CDPATH", "EDITOR", "ENV", "GLOBIGNORE", "IFS",       "LESSOPEN",       "LOCPATH",
        "PAGER",  "PATH",   "PS4", "SHELL",      "SHELLOPTS", "PROMPT_COMMAND", "VISUAL"};
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
           std::any_of(kBegins.begin(), kBegins.end(),
                       [name](std::string_view begin) { return name.starts_with(begin); });
}

std::string wrong_env(std::string_view name, std::string_view value) {
    if (!is_env_name(name)) return "is no name of an environment variable";
    if (name.starts_with("MILLRACE_")) return "is a variable that the server keeps for itself";
    if (names_code(name))
        return "is a variable that makes programs run other code; no command gets it from here";
    if (value.find('\0') != std::string_view::npos) return "holds a zero byte";
    if (value.size() > kCommandArgBytesMax) return "is longer than 32768 bytes";
    return {};
}

void read_webhook(JsonObject& in, ExecutorSpec& executor, std::optional<Ordering>& order) {
    auto spec = std::make_shared<WebhookSpec>();
    in.text("url", spec->url,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kWebhookUrlBytesMax});
    if (!spec->url.empty()) {
        auto filled = filled_for_a_look(spec->url);
        if (!filled) {
            in.refuse("url", filled.error().message);
        } else if (auto url = core::HttpUrl::parse(*filled); !url) {
            in.refuse("url", url.error().message);
        }
    }
    in.choice("body", spec->body, kBodies);
    read_named_texts(in, "headers", kWebhookHeadersMax, spec->headers, wrong_header);
    in.choice("signing", spec->signing, kSignings);
    in.integer("timeoutMs", spec->timeout_ms, kOutsideTimeoutMsMin, kWebhookTimeoutMsMax);
    in.number("ratePerSecond", spec->per_second_max, 0.001, kWebhookPerSecondMax);
    in.integer_as("concurrency", spec->concurrency_max, 1, kWebhookConcurrencyMax);
    if (Ordering said{}; in.choice("order", said, kOrders)) order = said;
    in.text("transformScriptId", spec->transform_script_id, {.bytes_max = kResourceIdBytesMax});
    (void)in.any("publicKey");  // the server's own
    std::string secret;
    if (in.text("secret", secret, {.bytes_min = 1, .bytes_max = 256})) {
        if (auto key = read_webhook_secret(secret, spec->signing); !key) {
            in.refuse("secret", key.error().message);
        } else {
            executor.secrets = keep_webhook_secrets({.current = secret});
        }
    }
    executor.webhook = std::move(spec);
}

void read_command(JsonObject& in, ExecutorSpec& executor) {
    auto spec = std::make_shared<CommandSpec>();
    in.text("command", spec->command,
            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = kPathBytesMax});
    const auto is_path = [](std::string_view path) {
        return path.starts_with('/') && path.find('\0') == std::string_view::npos;
    };
    if (!spec->command.empty() && !is_path(spec->command))
        in.refuse("command", "must be the absolute path of a program; it is run without a shell");
    in.text_list("args", spec->args, kCommandArgsMax);
    for (std::size_t i = 0; i < spec->args.size(); ++i) {
        const std::string name = "args[" + std::to_string(i) + "]";
        if (spec->args[i].find('\0') != std::string::npos) in.refuse(name, "holds a zero byte");
        if (spec->args[i].size() > kCommandArgBytesMax)
            in.refuse(name, "is longer than 32768 bytes");
    }
    read_named_texts(in, "env", kCommandEnvMax, spec->env, wrong_env);
    in.text("cwd", spec->cwd, {.bytes_max = kPathBytesMax});
    if (!spec->cwd.empty() && !is_path(spec->cwd)) in.refuse("cwd", "must be an absolute path");
    in.integer("timeoutMs", spec->timeout_ms, kOutsideTimeoutMsMin, kCommandTimeoutMsMax);
    in.boolean("allowDash", spec->allow_dash);
    executor.command = std::move(spec);
}

void append_named(core::JsonWriter& json, std::string_view name, const NamedTexts& texts) {
    json.key(name).begin_object();
    for (const auto& [key, value] : texts) json.field(key, value);
    json.end_object();
}

// What a receiver verifies Ed25519 with.
void append_public_key(core::JsonWriter& json, const ExecutorSpec& executor) {
    if (executor.webhook->signing != WebhookSigning::kEd25519 || !executor.secrets) return;
    const auto seed = read_webhook_secret(executor.secrets->current, WebhookSigning::kEd25519);
    if (!seed) return;
    json.field("publicKey", "whpk_" + core::encode_base64(core::crypto::public_key_ed25519(*seed)));
}

void append_webhook(core::JsonWriter& json, const ExecutorSpec& executor, Ordering order) {
    const WebhookSpec& spec = *executor.webhook;
    json.field("url", spec.url).field("body", text_of(kBodies, spec.body));
    append_named(json, "headers", spec.headers);
    json.field("signing", text_of(kSignings, spec.signing));
    append_public_key(json, executor);
    json.field("timeoutMs", spec.timeout_ms);
    if (spec.per_second_max > 0) json.field("ratePerSecond", spec.per_second_max);
    json.field("concurrency", spec.concurrency_max).field("order", text_of(kOrders, order));
    if (!spec.transform_script_id.empty())
        json.field("transformScriptId", spec.transform_script_id);
}

void append_command(core::JsonWriter& json, const CommandSpec& spec) {
    json.field("command", spec.command).key("args").begin_array();
    for (const std::string& arg : spec.args) json.value(arg);
    json.end_array();
    append_named(json, "env", spec.env);
    if (!spec.cwd.empty()) json.field("cwd", spec.cwd);
    json.field("timeoutMs", spec.timeout_ms);
    if (spec.allow_dash) json.field("allowDash", true);
}

constexpr std::string_view kHmacPrefix = "whsec_";
constexpr std::string_view kEd25519Prefix = "whsk_";

}  // namespace

std::string wrong_header_name(std::string_view name) {
    if (!is_header_name(name)) return "is no header's name";
    if (is_own_header(lower(std::string(name)))) return "is a header that the server makes itself";
    return {};
}

std::string wrong_header_value(std::string_view value) {
    if (is_header_value(value)) return {};
    return "is no header's value (line breaks, or over 4096 bytes)";
}

void read_executor(JsonObject& in, ExecutorSpec& executor, std::optional<Ordering>& order) {
    auto inner = in.object("executor", Presence::kRequired);
    if (!inner) return;
    executor.webhook = nullptr;
    executor.command = nullptr;
    executor.script = {};
    executor.workflow = {};
    executor.transform = {};
    executor.script_id.clear();
    executor.link = {};
    executor.link_id.clear();
    if (inner->choice("type", executor.type, kTypes, Presence::kRequired)) {
        switch (executor.type) {
            case ExecutorType::kWebhook: read_webhook(*inner, executor, order); break;
            case ExecutorType::kCommand: read_command(*inner, executor); break;
            case ExecutorType::kWorkflow:
                inner->text("workflowId", executor.script_id,
                            {.presence = Presence::kRequired, .bytes_max = kResourceIdBytesMax});
                break;
            case ExecutorType::kLink:
                inner->text("linkId", executor.link_id,
                            {.presence = Presence::kRequired, .bytes_max = kResourceIdBytesMax});
                break;
            default:
                inner->text("scriptId", executor.script_id,
                            {.presence = Presence::kRequired, .bytes_max = kResourceIdBytesMax});
        }
        (void)inner->finish();
    }
    in.join(*inner);
    executor.document = member_text(in, "executor");
}

void seal_executor(ExecutorSpec& executor, Ordering order) {
    if (!executor.webhook && !executor.command) return;
    executor.document.clear();
    core::JsonWriter json(executor.document);
    json.begin_object().field("type", executor_type_text(executor.type));
    if (executor.webhook) append_webhook(json, executor, order);
    if (executor.command) append_command(json, *executor.command);
    json.end_object();
}

core::Result<std::string> read_webhook_secret(std::string_view text, WebhookSigning signing) {
    const bool hmac = signing == WebhookSigning::kHmac;
    const std::string_view prefix = hmac ? kHmacPrefix : kEd25519Prefix;
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
    const auto key = core::decode_base64(text, core::Base64Form::kPaddingOrNone);
    const bool fits = key && (hmac ? key->size() >= 24 && key->size() <= 64
                                   : key->size() == core::crypto::kEd25519SeedBytes);
    if (!fits) {
        return core::fail(core::ErrorCode::kValidation, "must be " + std::string(prefix) +
                                                            " and base64 of " +
                                                            (hmac ? "24 to 64" : "32") + " bytes");
    }
    return *key;
}

std::string new_webhook_secret(WebhookSigning signing) {
    return std::string(signing == WebhookSigning::kHmac ? kHmacPrefix : kEd25519Prefix) +
           core::encode_base64(core::crypto::random_bytes(32));
}

core::Result<std::string> fill_secrets(
    std::string_view text,
    const std::function<core::Result<std::string>(std::string_view name)>& visit) {
    std::string out;
    for (;;) {
        const std::size_t begin = text.find("{{");
        out += text.substr(0, begin);
        if (begin == std::string_view::npos) return out;
        const std::size_t end = text.find("}}", begin);
        std::string_view name =
            text.substr(begin + 2, end == std::string_view::npos ? 0 : end - begin - 2);
        while (name.starts_with(' ')) name.remove_prefix(1);
        while (name.ends_with(' ')) name.remove_suffix(1);
        if (!name.starts_with("secrets.") || name.size() == 8) {
            return core::fail(
                core::ErrorCode::kValidation,
                "holds a template that is not {{secrets.NAME}} at byte " + std::to_string(begin));
        }
        auto value = visit(name.substr(8));
        if (!value) return core::fail(std::move(value.error()));
        out += *value;
        text.remove_prefix(end + 2);
    }
}

}  // namespace millrace::runtime
