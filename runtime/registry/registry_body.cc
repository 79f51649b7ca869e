#include "runtime/registry/registry_body.h"

#include "core/json_reader.h"
#include "core/timestamp.h"
#include "matcher/subscription_spec.h"

#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

using core::ErrorCode;
using core::JsonDocument;
using core::JsonObject;
using core::Presence;

constexpr std::array<std::pair<std::string_view, ScriptType>, 5> kScriptTypes = {
    {{"event", ScriptType::kEvent},
     {"scheduled", ScriptType::kScheduled},
     {"endpoint", ScriptType::kEndpoint},
     {"api", ScriptType::kApi},
     {"hook", ScriptType::kHook}}};

constexpr std::array<std::pair<std::string_view, Permission>, 4> kPermissions = {
    {{"http", Permission::kHttp},
     {"kv", Permission::kKv},
     {"emit", Permission::kEmit},
     {"secrets", Permission::kSecrets}}};

constexpr std::array<std::pair<std::string_view, Ordering>, 2> kOrderings = {
    {{"key", Ordering::kKey}, {"none", Ordering::kNone}}};

// What deliveries have an executor for.
constexpr std::array<std::pair<std::string_view, ExecutorType>, 1> kExecutorTypes = {
    {{"script", ExecutorType::kScript}}};

bool is_id_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || c == '@';
}

void read_id(JsonObject& in, std::string& id) {
    std::string given;
    if (!in.text("id", given, {.bytes_min = 1, .bytes_max = kResourceIdBytesMax})) return;
    for (const char c : given) {
        if (!is_id_byte(c)) return in.refuse("id", "may hold letters, digits and _ - . : @ only");
    }
    if (given == "." || given == "..") return in.refuse("id", "is not usable in a path");
    id = std::move(given);
}

void read_over_server_members(JsonObject& in) {
    for (const char* name : {"version", "createdAt", "updatedAt", "hash", "tenantId"})
        (void)in.any(name);
}

void read_permissions(JsonObject& in, std::uint8_t& permissions) {
    std::vector<std::string> names;
    if (!in.text_list("permissions", names, kPermissions.size() * 4)) return;
    std::uint8_t bits = 0;
    for (const std::string& name : names) {
        std::uint8_t bit = 0;
        for (const auto& [text, permission] : kPermissions) {
            if (name == text) bit = static_cast<std::uint8_t>(permission);
        }
        if (bit == 0) {
            return in.refuse("permissions", "has \"" + name.substr(0, 64) +
                                                "\"; expected http, kv, emit, secrets");
        }
        bits |= bit;
    }
    permissions = bits;
}

void read_retry(JsonObject& in, RetryPolicy& policy) {
    auto retry = in.object("retry");
    if (!retry) return;
    retry->integer_as("maxRetries", policy.retries_max, 0, kRetriesMaxMax);
    retry->integer("initialDelayMs", policy.initial_delay_ms, 0, kRetryDelayMsMax);
    retry->integer("maxDelayMs", policy.max_delay_ms, 0, kRetryDelayMsMax);
    retry->number("backoffFactor", policy.backoff_factor, 1, kBackoffFactorMax);
    bool jitter = policy.jitter == Jitter::kSpread;
    retry->boolean("jitter", jitter);
    policy.jitter = jitter ? Jitter::kSpread : Jitter::kNone;
    (void)retry->finish();
    in.join(*retry);
}

// The raw text of a member; empty when it is absent or null.
std::string member_text(JsonObject& in, std::string_view name) {
    std::string out;
    if (const auto element = in.any(name); element && !element->is_null())
        core::append_json(out, *element);
    return out;
}

void read_executor(JsonObject& in, Executor& executor) {
    auto inner = in.object("executor", Presence::kRequired);
    if (!inner) return;
    inner->choice("type", executor.type, kExecutorTypes, Presence::kRequired);
    inner->text("scriptId", executor.script_id,
                {.presence = Presence::kRequired, .bytes_max = kResourceIdBytesMax});
    (void)inner->finish();
    in.join(*inner);
    executor.document = member_text(in, "executor");
}

struct MatchingMembers {
    std::string pattern, filters, filter, form, priority;
};

MatchingMembers read_matching(JsonObject& in) {
    return {member_text(in, "pattern"), member_text(in, "filters"), member_text(in, "filter"),
            member_text(in, "form"), member_text(in, "priority")};
}

void append_retry(core::JsonWriter& json, const RetryPolicy& policy) {
    json.key("retry").begin_object();
    json.field("maxRetries", policy.retries_max).field("initialDelayMs", policy.initial_delay_ms);
    json.field("maxDelayMs", policy.max_delay_ms).field("backoffFactor", policy.backoff_factor);
    json.field("jitter", policy.jitter == Jitter::kSpread).end_object();
}

}  // namespace

std::string_view script_type_text(ScriptType type) {
    for (const auto& [text, value] : kScriptTypes) {
        if (value == type) return text;
    }
    return "event";
}

std::string_view executor_type_text(ExecutorType type) {
    constexpr std::string_view kTexts[] = {"script", "webhook", "command", "workflow"};
    return kTexts[static_cast<std::size_t>(type)];
}

core::Status read_script_body(std::string_view body, Script& out) {
    JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_id(*in, out.id);
    in->text("name", out.name, {.bytes_max = kResourceNameBytesMax});
    in->choice("type", out.type, kScriptTypes);
    const Presence source_presence = out.source.empty() ? Presence::kRequired : Presence::kOptional;
    in->text("source", out.source,
             {.presence = source_presence, .bytes_min = 1, .bytes_max = kScriptSourceBytesMax});
    in->boolean("enabled", out.enabled);
    in->integer("timeoutMs", out.timeout_ms, 1, kScriptTimeoutMsMax);
    in->integer("memoryBytes", out.memory_bytes, kScriptMemoryBytesMin, kScriptMemoryBytesMax);
    read_permissions(*in, out.permissions);
    read_over_server_members(*in);
    return in->finish();
}

core::Status read_subscription_body(std::string_view body, Subscription& out) {
    JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_id(*in, out.id);
    in->text("name", out.name, {.bytes_max = kResourceNameBytesMax});
    const MatchingMembers matching = read_matching(*in);
    if (matching.pattern.empty()) in->refuse("pattern", "is required");
    in->integer_as("priority", out.priority, INT32_MIN, INT32_MAX);
    in->boolean("active", out.active);
    read_retry(*in, out.retry);
    in->choice("ordering", out.ordering, kOrderings);
    read_executor(*in, out.executor);
    read_over_server_members(*in);
    if (auto status = in->finish(); !status) return status;
    auto spec = matcher::parse_subscription({.pattern = matching.pattern,
                                             .filters = matching.filters,
                                             .filter = matching.filter,
                                             .form = matching.form,
                                             .priority = matching.priority});
    if (!spec) return core::fail(std::move(spec.error()));
    out.spec = std::make_shared<const matcher::SubscriptionSpec>(std::move(*spec));
    return {};
}

void append_script(core::JsonWriter& json, const Script& script) {
    json.begin_object()
        .field("id", script.id)
        .field("name", script.name)
        .field("type", script_type_text(script.type));
    json.field("source", script.source)
        .field("enabled", script.enabled)
        .field("timeoutMs", script.timeout_ms);
    json.field("memoryBytes", script.memory_bytes).key("permissions").begin_array();
    for (const auto& [text, permission] : kPermissions) {
        if (script.may(permission)) json.value(text);
    }
    json.end_array().field("version", script.version);
    json.field("createdAt", core::format_timestamp(script.created_at_us));
    json.field("updatedAt", core::format_timestamp(script.updated_at_us)).end_object();
}

std::string script_row(const Script& script) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("number", script.number.value).field("tenant", script.tenant.value);
    json.field("version", script.version).field("createdAtUs", script.created_at_us);
    json.field("updatedAtUs", script.updated_at_us).key("body");
    append_script(json, script);
    json.end_object();
    return out;
}

core::Result<Script> read_script_row(std::string_view text) {
    JsonDocument document;
    auto in = document.parse_object(text, "registry row of a script");
    if (!in) return core::fail(std::move(in.error()));
    Script script;
    in->integer_as("number", script.number.value, 1, UINT32_MAX, Presence::kRequired);
    in->integer_as("tenant", script.tenant.value, 0, UINT32_MAX, Presence::kRequired);
    in->integer_as("version", script.version, 1, UINT32_MAX, Presence::kRequired);
    in->integer("createdAtUs", script.created_at_us, INT64_MIN, INT64_MAX);
    in->integer("updatedAtUs", script.updated_at_us, INT64_MIN, INT64_MAX);
    const std::string body = member_text(*in, "body");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    if (auto status = read_script_body(body, script); !status)
        return core::fail(std::move(status.error()));
    return script;
}

core::Result<std::string> subscription_document(const Subscription& subscription,
                                                std::string_view body) {
    JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    const MatchingMembers matching = read_matching(*in);
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", subscription.id).field("name", subscription.name);
    json.raw_field("pattern", matching.pattern);
    if (!matching.filters.empty()) json.raw_field("filters", matching.filters);
    if (!matching.filter.empty()) json.raw_field("filter", matching.filter);
    if (!matching.form.empty()) json.raw_field("form", matching.form);
    json.raw_field("executor", subscription.executor.document)
        .field("priority", subscription.priority);
    append_retry(json, subscription.retry);
    json.field("ordering", kOrderings[static_cast<std::size_t>(subscription.ordering)].first);
    json.field("active", subscription.active).field("version", subscription.version);
    json.field("createdAt", core::format_timestamp(subscription.created_at_us));
    json.field("updatedAt", core::format_timestamp(subscription.updated_at_us)).end_object();
    return out;
}

std::string subscription_row(const Subscription& subscription) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object()
        .field("number", subscription.number.value)
        .field("tenant", subscription.tenant.value);
    json.field("version", subscription.version).field("createdAtUs", subscription.created_at_us);
    json.field("updatedAtUs", subscription.updated_at_us).key("effectiveFrom").begin_array();
    for (const core::LogOffset offset : subscription.effective_from) json.value(offset.value);
    json.end_array().raw_field("body", subscription.document).end_object();
    return out;
}

core::Result<Subscription> read_subscription_row(std::string_view text) {
    JsonDocument document;
    auto in = document.parse_object(text, "registry row of a subscription");
    if (!in) return core::fail(std::move(in.error()));
    Subscription out;
    in->integer_as("number", out.number.value, 1, UINT32_MAX, Presence::kRequired);
    in->integer_as("tenant", out.tenant.value, 0, UINT32_MAX, Presence::kRequired);
    in->integer_as("version", out.version, 1, UINT32_MAX, Presence::kRequired);
    in->integer("createdAtUs", out.created_at_us, INT64_MIN, INT64_MAX);
    in->integer("updatedAtUs", out.updated_at_us, INT64_MIN, INT64_MAX);
    if (const auto offsets = in->any("effectiveFrom")) {
        core::JsonArray array;
        if (offsets->get(array)) {
            for (const core::JsonElement offset : array) {
                std::uint64_t value = 0;
                if (!offset.get(value)) in->refuse("effectiveFrom", "is damaged");
                out.effective_from.push_back(core::LogOffset(value));
            }
        }
    }
    out.document = member_text(*in, "body");
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    if (auto status = read_subscription_body(out.document, out); !status)
        return core::fail(std::move(status.error()));
    return out;
}

}  // namespace millrace::runtime
