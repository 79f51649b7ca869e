// Scripts as documents: their body, their row.
#include "core/crypto/digest.h"
#include "core/json_reader.h"
#include "runtime/identity/roles.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::array<std::pair<std::string_view, ScriptType>, 6> kScriptTypes = {
    {{"event", ScriptType::kEvent},
     {"scheduled", ScriptType::kScheduled},
     {"endpoint", ScriptType::kEndpoint},
     {"api", ScriptType::kApi},
     {"hook", ScriptType::kHook},
     {"workflow", ScriptType::kWorkflow}}};

constexpr std::array<std::pair<std::string_view, Permission>, 4> kPermissions = {
    {{"http", Permission::kHttp},
     {"kv", Permission::kKv},
     {"emit", Permission::kEmit},
     {"secrets", Permission::kSecrets}}};

void read_permissions(core::JsonObject& in, std::uint8_t& permissions) {
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

void read_allow(core::JsonObject& in, Script& out) {
    const auto given = in.any("allow");
    if (!given) return;
    out.allow_keys.clear();
    out.allow_roles.clear();
    auto allow = in.object("allow");
    if (!allow) return;
    allow->text_list("keys", out.allow_keys, kScriptAllowMax);
    allow->text_list("roles", out.allow_roles, kScriptAllowMax);
    for (const std::string& role : out.allow_roles) {
        const auto known = [&role](const auto& entry) { return entry.first == role; };
        if (std::none_of(identity::kRoles.begin(), identity::kRoles.end(), known))
            allow->refuse("roles",
                          "has \"" + role.substr(0, 64) +
                              "\"; expected viewer, publisher, developer, operator, admin");
    }
    if (auto status = allow->finish(); !status) in.join(*allow);
}

core::Status read(std::string_view body, Script& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    in->choice("type", out.type, kScriptTypes);
    const auto source_presence =
        out.source.empty() ? core::Presence::kRequired : core::Presence::kOptional;
    in->text("source", out.source,
             {.presence = source_presence, .bytes_min = 1, .bytes_max = kScriptSourceBytesMax});
    in->boolean("enabled", out.enabled);
    in->boolean("recordCalls", out.record_calls);
    in->integer("timeoutMs", out.timeout_ms, 1, kScriptTimeoutMsMax);
    in->integer("memoryBytes", out.memory_bytes, kScriptMemoryBytesMin, kScriptMemoryBytesMax);
    read_permissions(*in, out.permissions);
    read_allow(*in, out);
    read_over_server_members(*in);
    out.hash = XXH3_64bits(out.source.data(), out.source.size());
    return in->finish();
}

void append_allow(core::JsonWriter& json, const Script& script) {
    if (script.allow_keys.empty() && script.allow_roles.empty()) return;
    json.key("allow").begin_object();
    for (const auto& [name, list] :
         {std::pair("keys", &script.allow_keys), std::pair("roles", &script.allow_roles)}) {
        json.key(name).begin_array();
        for (const std::string& text : *list) json.value(text);
        json.end_array();
    }
    json.end_object();
}

// The source is long, and its versions are kept: the audit log has what it can be known by.
void append_source_digest(core::JsonWriter& json, const Script& script) {
    constexpr char kHex[] = "0123456789abcdef";
    std::string digits;
    for (const std::uint8_t byte : core::crypto::sha256(script.source)) {
        digits += kHex[byte >> 4];
        digits += kHex[byte & 15];
    }
    json.field("sourceSha256", digits).field("sourceBytes", script.source.size());
}

std::string write(const Script& script, bool whole) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", script.id).field("name", script.name);
    json.field("type", script_type_text(script.type));
    if (whole)
        json.field("source", script.source);
    else
        append_source_digest(json, script);
    json.field("enabled", script.enabled).field("timeoutMs", script.timeout_ms);
    json.field("memoryBytes", script.memory_bytes).key("permissions").begin_array();
    for (const auto& [text, permission] : kPermissions) {
        if (script.may(permission)) json.value(text);
    }
    json.end_array();
    if (script.record_calls) json.field("recordCalls", true);
    append_allow(json, script);
    append_document_times(json, script.version, script.created_at_us, script.updated_at_us);
    json.end_object();
    return out;
}

std::string show(const Script& script) { return write(script, true); }
std::string audit(const Script& script) { return write(script, false); }

constexpr DocumentKind<Script> kScriptKind = {
    .name = "script",
    .id_prefix = "scr_",
    .documents_max = kScriptsMax,
    .versions_kept = kScriptVersionsMax,
    .quota = identity::Quota::kScripts,
    .read = read,
    .show = show,
    .audit = audit,
};

}  // namespace

bool Script::may_be_run_by(std::string_view key_id, std::string_view role) const {
    const auto holds = [](const std::vector<std::string>& list, std::string_view wanted) {
        return std::find(list.begin(), list.end(), wanted) != list.end();
    };
    return (allow_keys.empty() && allow_roles.empty()) || holds(allow_keys, key_id) ||
           holds(allow_roles, role);
}

std::string_view script_type_text(ScriptType type) {
    for (const auto& [text, value] : kScriptTypes) {
        if (value == type) return text;
    }
    return "event";
}

template <>
const DocumentKind<Script>& document_kind<Script>() {
    return kScriptKind;
}

}  // namespace millrace::runtime
