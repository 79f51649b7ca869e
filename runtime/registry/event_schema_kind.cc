// Schemas as documents: their body, their row, and what a new version may change.
#include "core/json_reader.h"
#include "core/limits.h"
#include "matcher/filter/wildcard.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/event_schema.h"
#include "runtime/schema/compatibility.h"

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

// By their numbers; behind them other ways to write them.
constexpr std::array<std::pair<std::string_view, SchemaMode>, 5> kModes = {
    {{"off", SchemaMode::kOff},
     {"warn", SchemaMode::kWarn},
     {"reject", SchemaMode::kReject},
     {"dead-letter", SchemaMode::kDeadLetter},
     {"deadletter", SchemaMode::kDeadLetter}}};

constexpr std::array<std::pair<std::string_view, Compatibility>, 4> kCompatibilities = {
    {{"backward", Compatibility::kBackward},
     {"forward", Compatibility::kForward},
     {"full", Compatibility::kFull},
     {"none", Compatibility::kNone}}};

constexpr std::array<std::string_view, 3> kEventSchemaReplacedWhole = {"schema", "rules",
                                                                       "references"};
constexpr std::string_view kUriPrefix = "millrace:";
constexpr std::string_view kUriFolder = "/v2/schemas/";

void read_label(JsonObject& in, EventSchema& out) {
    const auto label = in.any("schemaVersion");
    if (!label) return;
    std::string_view text;
    const bool plain = label->get(text) || label->is_number();
    if (!plain || label->raw().size() > 64)
        return in.refuse("schemaVersion", "must be a number or a text of at most 62 bytes");
    out.label = label->raw();
}

core::Status make_contract(EventSchema& out) {
    auto texts = read_schema_references(out.references);
    if (!texts) return core::fail(std::move(texts.error()));
    schema::Contract::Surroundings around;
    if (!out.id.empty()) around.uri = schema_uri(out.id);
    around.resolver = [&texts](std::string_view uri) -> std::optional<std::string> {
        const auto found = texts->find(uri);
        if (found == texts->end()) return std::nullopt;
        return found->second;
    };
    auto contract = schema::Contract::make(out.schema, out.rules, around);
    if (!contract) return core::fail(std::move(contract.error()));
    out.contract = std::move(*contract);
    return {};
}

core::Status read(std::string_view body, EventSchema& out) {
    core::JsonDocument document;
    auto in = document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    read_document_names(*in, out.id, out.name);
    in->text("pattern", out.pattern,
             {.presence = out.pattern.empty() ? Presence::kRequired : Presence::kOptional,
              .bytes_min = 1,
              .bytes_max = core::kPatternBytesMax});
    if (auto wildcard = matcher::parse_wildcard(out.pattern); !wildcard)
        in->join("pattern", wildcard.error());
    read_label(*in, out);
    if (const auto schema =
            in->any("schema", out.schema.empty() ? Presence::kRequired : Presence::kOptional))
        core::append_json(out.schema = {}, *schema);
    if (const auto references = in->any("references")) {
        out.references.clear();
        if (!references->is_null()) core::append_json(out.references, *references);
        if (out.references == "[]") out.references.clear();
        if (out.references.size() > kSchemaReferencesBytesMax)
            in->refuse("references", "have more than the 524288 bytes that they may have");
    }
    if (const auto rules = in->any("rules"); rules && !rules->is_null()) {
        out.rules.clear();
        if (auto read = read_schema_rules(*rules, out.rules); !read)
            return core::fail(read.error());
    }
    in->choice("mode", out.mode, kModes);
    in->choice("compatibility", out.compatibility, kCompatibilities);
    read_over_server_members(*in);
    if (auto status = in->finish(); !status) return status;
    return make_contract(out);
}

void show_rule(core::JsonWriter& json, const schema::SchemaRule& rule) {
    using Kind = schema::SchemaRule::Kind;
    json.begin_object();
    switch (rule.kind) {
        case Kind::kAssert: json.field("assert", rule.expression); break;
        case Kind::kReference:
            json.key("in").begin_object().field("field", rule.field).field("kv", rule.space);
            json.end_object();
            break;
        case Kind::kTransition:
            json.key("transition").begin_object().field("key", rule.key);
            json.field("field", rule.field).raw_field("allowed", rule.allowed).end_object();
            break;
        case Kind::kScript: json.field("scriptId", rule.script_id); break;
    }
    if (!rule.message.empty()) json.field("message", rule.message);
    json.end_object();
}

std::string show(const EventSchema& schema) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", schema.id).field("name", schema.name);
    json.field("pattern", schema.pattern);
    if (!schema.label.empty()) json.raw_field("schemaVersion", schema.label);
    json.raw_field("schema", schema.schema);
    if (!schema.references.empty()) json.raw_field("references", schema.references);
    json.key("rules").begin_array();
    for (const schema::SchemaRule& rule : schema.rules) show_rule(json, rule);
    json.end_array();
    json.field("mode", kModes[static_cast<std::size_t>(schema.mode)].first);
    json.field("compatibility",
               kCompatibilities[static_cast<std::size_t>(schema.compatibility)].first);
    append_document_times(json, schema.version, schema.created_at_us, schema.updated_at_us);
    json.end_object();
    return out;
}

core::Status refuse_breaks(const std::string& before, const std::string& after,
                           std::string_view which) {
    core::JsonDom old_text, new_text;
    const auto old_schema = old_text.parse(before);
    const auto new_schema = new_text.parse(after);
    if (!old_schema || !new_schema) return {};
    const auto breaks = schema::narrowed(*old_schema, *new_schema);
    if (breaks.empty()) return {};
    std::string told;
    for (const std::string& one : breaks) told += (told.empty() ? "" : "; ") + one;
    return core::fail(core::Error(core::ErrorCode::kConflict,
                                  "schema: is not " + std::string(which) +
                                      " compatible with the version before: " + told +
                                      "; say \"compatibility\":\"none\" if that is meant")
                          .in("schema"));
}

// With its own word on compatibility: who changes the schema may change that as well.
core::Status settle(const EventSchema* old, const ChangeContext&, EventSchema& next) {
    if (!old || old->schema == next.schema) return {};
    const bool backward = next.compatibility == Compatibility::kBackward ||
                          next.compatibility == Compatibility::kFull;
    const bool forward =
        next.compatibility == Compatibility::kForward || next.compatibility == Compatibility::kFull;
    if (backward) {
        if (auto fine = refuse_breaks(old->schema, next.schema, "backward"); !fine) return fine;
    }
    return forward ? refuse_breaks(next.schema, old->schema, "forward") : core::Status{};
}

std::string script_member(std::size_t rule) {
    return "rules[" + std::to_string(rule) + "].scriptId";
}

void references(const EventSchema& schema, const VisitReference& visit) {
    for (std::size_t i = 0; i < schema.rules.size(); ++i) {
        const schema::SchemaRule& rule = schema.rules[i];
        if (rule.kind != schema::SchemaRule::Kind::kScript) continue;
        const std::string member = script_member(i);
        visit({"script", rule.script_id, member, rule.script});
    }
}

// By id: `member` of what was visited is gone by now.
void link(const DocumentReference& found, EventSchema& next) {
    for (schema::SchemaRule& rule : next.rules) {
        if (rule.kind == schema::SchemaRule::Kind::kScript && rule.script_id == found.id)
            rule.script = found.number;
    }
}

constexpr DocumentKind<EventSchema> kEventSchemaKind = {
    .name = "schema",
    .id_prefix = "sch_",
    .documents_max = kSchemasMax,
    .versions_kept = kSchemaVersionsMax,
    .made_id = MadeId::kRandom,
    .replaced_whole = kEventSchemaReplacedWhole,
    .read = read,
    .show = show,
    .settle = settle,
    .references = references,
    .link = link,
};

core::Error rule_error(std::string place, const std::string& what) {
    std::string text = place + " " + what;
    return core::Error(core::ErrorCode::kValidation, std::move(text)).in(std::move(place));
}

void read_transition(JsonObject& in, schema::SchemaRule& rule) {
    rule.kind = schema::SchemaRule::Kind::kTransition;
    in.text("key", rule.key, {.presence = Presence::kRequired, .bytes_min = 1});
    in.text("field", rule.field, {.presence = Presence::kRequired, .bytes_min = 1});
    if (const auto allowed = in.any("allowed", Presence::kRequired))
        core::append_json(rule.allowed, *allowed);
    (void)in.finish();
}

void read_reference(JsonObject& in, schema::SchemaRule& rule) {
    rule.kind = schema::SchemaRule::Kind::kReference;
    in.text("field", rule.field, {.presence = Presence::kRequired, .bytes_min = 1});
    in.text("kv", rule.space, {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = 128});
    (void)in.finish();
}

core::Status read_rule(JsonObject& in, schema::SchemaRule& rule) {
    int kinds = 0;
    if (in.text("assert", rule.expression, {.bytes_min = 1})) {
        rule.kind = schema::SchemaRule::Kind::kAssert;
        ++kinds;
    }
    if (auto reference = in.object("in")) {
        read_reference(*reference, rule);
        in.join(*reference);
        ++kinds;
    }
    if (auto transition = in.object("transition")) {
        read_transition(*transition, rule);
        in.join(*transition);
        ++kinds;
    }
    if (in.text("scriptId", rule.script_id, {.bytes_min = 1, .bytes_max = kResourceIdBytesMax})) {
        rule.kind = schema::SchemaRule::Kind::kScript;
        ++kinds;
    }
    if (kinds != 1)
        in.refuse("assert", "or in, transition or scriptId is expected, and one of them alone");
    in.text("message", rule.message, {.bytes_max = 1024});
    return in.finish();
}

}  // namespace

std::optional<SchemaMode> parse_schema_mode(std::string_view text) {
    for (const auto& [name, mode] : kModes) {
        if (name == text) return mode;
    }
    return std::nullopt;
}

std::string schema_uri(std::string_view id) { return std::string(kUriPrefix) + std::string(id); }

std::string_view schema_id_of(std::string_view uri) {
    if (!uri.starts_with(kUriPrefix)) return {};
    uri.remove_prefix(kUriPrefix.size());
    if (uri.starts_with(kUriFolder)) uri.remove_prefix(kUriFolder.size());
    return uri;
}

core::Result<SchemaTexts> read_schema_references(const std::string& text) {
    SchemaTexts out;
    if (text.empty()) return out;
    core::JsonDom dom;
    const auto root = dom.parse(text);
    core::JsonArray list;
    const auto wrong = core::Error(core::ErrorCode::kValidation,
                                   "references must be a list of {uri, id, version, schema}");
    if (!root || !root->get(list)) return core::fail(core::Error(wrong).in("references"));
    for (const core::JsonElement item : list) {
        core::JsonElement uri, schema;
        std::string_view name;
        if (!item.is_object() || !item.find("uri", uri) || !uri.get(name) ||
            !item.find("schema", schema))
            return core::fail(core::Error(wrong).in("references"));
        out.emplace(name, schema.raw());
    }
    return out;
}

core::Status read_schema_rules(const core::JsonElement& list,
                               std::vector<schema::SchemaRule>& out) {
    core::JsonArray array;
    if (!list.get(array) || array.size() > schema::kRulesMax)
        return core::fail(rule_error("rules", "must be a list of at most 32 rules"));
    for (const core::JsonElement item : array) {
        const std::string place = "rules[" + std::to_string(out.size()) + "]";
        core::JsonMembers members;
        if (!item.get(members)) return core::fail(rule_error(place, "must be an object"));
        JsonObject in(members, place);
        schema::SchemaRule rule;
        if (auto status = read_rule(in, rule); !status) return status;
        out.push_back(std::move(rule));
    }
    return {};
}

template <>
const DocumentKind<EventSchema>& document_kind<EventSchema>() {
    return kEventSchemaKind;
}

}  // namespace millrace::runtime
