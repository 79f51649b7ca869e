// Schemas as documents: their body, their row, and what a new version may change.
#include "core/json_reader.h"
#include "core/limits.h"
#include "matcher/filter/wildcard.h"
#include "runtime/registry/document_body.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/event_schema.h"
#include "runtime/schema/compatibility.h"

#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonObject;
using core::Presence;

constexpr std::array<std::pair<std::string_view, SchemaMode>, 4> kModes = {
    {{"off", SchemaMode::kOff},
     {"warn", SchemaMode::kWarn},
     {"reject", SchemaMode::kReject},
     {"dead-letter", SchemaMode::kDeadLetter}}};

constexpr std::array<std::pair<std::string_view, Compatibility>, 4> kCompatibilities = {
    {{"backward", Compatibility::kBackward},
     {"forward", Compatibility::kForward},
     {"full", Compatibility::kFull},
     {"none", Compatibility::kNone}}};

constexpr std::array<std::string_view, 2> kReplacedWhole = {"schema", "rules"};

void read_label(JsonObject& in, EventSchema& out) {
    const auto label = in.any("schemaVersion");
    if (!label) return;
    std::string_view text;
    const bool plain = label->get(text) || label->is_number();
    if (!plain || label->raw().size() > 64)
        return in.refuse("schemaVersion", "must be a number or a text of at most 62 bytes");
    out.label = label->raw();
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
    if (const auto rules = in->any("rules"); rules && !rules->is_null()) {
        out.rules.clear();
        if (auto read = read_schema_rules(*rules, out.rules); !read)
            return core::fail(read.error());
    }
    in->choice("mode", out.mode, kModes);
    in->choice("compatibility", out.compatibility, kCompatibilities);
    read_over_server_members(*in);
    if (auto status = in->finish(); !status) return status;
    auto contract = schema::Contract::make(out.schema, out.rules);
    if (!contract) return core::fail(std::move(contract.error()));
    out.contract = std::move(*contract);
    return {};
}

std::string show(const EventSchema& schema) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("id", schema.id).field("name", schema.name);
    json.field("pattern", schema.pattern);
    if (!schema.label.empty()) json.raw_field("schemaVersion", schema.label);
    json.raw_field("schema", schema.schema).key("rules").begin_array();
    for (const schema::SchemaRule& rule : schema.rules) {
        json.begin_object();
        if (rule.field.empty())
            json.field("assert", rule.expression);
        else
            json.key("in")
                .begin_object()
                .field("field", rule.field)
                .field("kv", rule.space)
                .end_object();
        if (!rule.message.empty()) json.field("message", rule.message);
        json.end_object();
    }
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

constexpr DocumentKind<EventSchema> kKind = {
    .name = "schema",
    .id_prefix = "sch_",
    .documents_max = kSchemasMax,
    .versions_kept = kSchemaVersionsMax,
    .made_id = MadeId::kRandom,
    .replaced_whole = kReplacedWhole,
    .read = read,
    .show = show,
    .settle = settle,
};

}  // namespace

core::Status read_schema_rules(const core::JsonElement& list,
                               std::vector<schema::SchemaRule>& out) {
    core::JsonArray array;
    const auto refuse = [](std::string place, const std::string& what) {
        std::string text = place + " " + what;
        return core::fail(
            core::Error(core::ErrorCode::kValidation, std::move(text)).in(std::move(place)));
    };
    if (!list.get(array) || array.size() > schema::kRulesMax)
        return refuse("rules", "must be a list of at most 32 rules");
    for (const core::JsonElement item : array) {
        const std::string place = "rules[" + std::to_string(out.size()) + "]";
        core::JsonMembers members;
        if (!item.get(members)) return refuse(place, "must be an object");
        JsonObject in(members, place);
        schema::SchemaRule rule;
        const bool asserts = in.text("assert", rule.expression, {.bytes_min = 1});
        auto reference = in.object("in");
        if (asserts == reference.has_value())
            in.refuse("assert", "or in is expected, and not both");
        if (reference) {
            reference->text("field", rule.field, {.presence = Presence::kRequired, .bytes_min = 1});
            reference->text("kv", rule.space,
                            {.presence = Presence::kRequired, .bytes_min = 1, .bytes_max = 128});
            if (auto status = reference->finish(); !status) in.join(*reference);
        }
        in.text("message", rule.message, {.bytes_max = 1024});
        if (auto status = in.finish(); !status) return status;
        out.push_back(std::move(rule));
    }
    return {};
}

template <>
const DocumentKind<EventSchema>& document_kind<EventSchema>() {
    return kKind;
}

}  // namespace millrace::runtime
