#include "runtime/replay/replay_document.h"

#include "core/json_reader.h"
#include "core/json_writer.h"

#include <array>
#include <limits>
#include <utility>

namespace millrace::runtime {

namespace {

constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
constexpr std::array<std::pair<std::string_view, ReplayPace>, 3> kPaces{
    {{"instant", ReplayPace::kInstant},
     {"original", ReplayPace::kOriginal},
     {"perSecond", ReplayPace::kPerSecond}}};

constexpr std::array<std::pair<std::string_view, ShadowKv>, 3> kKvs{
    {{"now", ShadowKv::kNow}, {"then", ShadowKv::kThen}, {"empty", ShadowKv::kEmpty}}};

// Every counter of a dry run, by its name in the document.
constexpr std::array<std::pair<std::string_view, std::uint64_t ShadowTotals::*>, 8> kTotals{
    {{"compared", &ShadowTotals::compared},
     {"different", &ShadowTotals::different},
     {"missing", &ShadowTotals::missing},
     {"status", &ShadowTotals::status},
     {"error", &ShadowTotals::error},
     {"result", &ShadowTotals::result},
     {"emitted", &ShadowTotals::emitted},
     {"kv", &ShadowTotals::kv}}};

void write_script(core::JsonWriter& json, std::string_view name,
                  const std::shared_ptr<const Script>& script) {
    if (!script) return;
    json.key(name).begin_object().field("id", script->id);
    json.field("version", script->version).end_object();
}

void write_shadow(core::JsonWriter& json, const ShadowSpec& shadow, const ShadowTotals& totals) {
    json.key("shadow").begin_object();
    write_script(json, "script", shadow.script);
    write_script(json, "against", shadow.against);
    for (const auto& [text, kv] : kKvs) {
        if (kv == shadow.kv) json.field("kvBase", text);
    }
    json.field("kvAt", shadow.kv_at_us);
    for (const auto& [name, member] : kTotals) json.field(name, totals.*member);
    json.end_object();
}

core::Status read_script(core::JsonElement shadow, std::string_view name, core::TenantId tenant,
                         const FindScriptVersion& find, std::shared_ptr<const Script>& out) {
    core::JsonElement script;
    if (!shadow.find(name, script)) return {};
    std::string_view id;
    std::uint64_t version = 0;
    core::JsonElement member;
    if (!script.find("id", member) || !member.get(id) || !script.find("version", member) ||
        !member.get(version))
        return core::fail(core::ErrorCode::kInternal, "the replay's document is damaged");
    if (!find) return {};
    out = find(tenant, id, static_cast<std::uint32_t>(version));
    if (out) return {};
    return core::fail(
        core::ErrorCode::kNotFound,
        "version " + std::to_string(version) + " of script \"" + std::string(id) + "\" is gone");
}

core::Status read_shadow(core::JsonObject& root, core::TenantId tenant,
                         const FindScriptVersion& find, ShadowSpec& spec, ShadowTotals& totals) {
    const auto shadow = root.any("shadow");
    if (!shadow) return {};
    spec.tenant = tenant;
    if (auto read = read_script(*shadow, "script", tenant, find, spec.script); !read) return read;
    if (auto read = read_script(*shadow, "against", tenant, find, spec.against); !read) return read;
    std::string_view kv_text;
    core::JsonElement found;
    for (const auto& [text, kv] : kKvs) {
        if (shadow->find("kvBase", found) && found.get(kv_text) && kv_text == text) spec.kv = kv;
    }
    bool whole = shadow->find("kvAt", found) && found.get(spec.kv_at_us);
    for (const auto& [name, member] : kTotals)
        whole &= shadow->find(name, found) && found.get(totals.*member);
    if (whole) return {};
    return core::fail(core::ErrorCode::kInternal, "the replay's document is damaged");
}

// Texts and times of the criteria, by their names in the document.
constexpr std::array<std::pair<std::string_view, std::string EventCriteria::*>, 8> kTexts{
    {{"pattern", &EventCriteria::pattern},
     {"patternPrefix", &EventCriteria::pattern_prefix},
     {"sourceType", &EventCriteria::source_type},
     {"sourceId", &EventCriteria::source_id},
     {"correlationId", &EventCriteria::correlation_id},
     {"causationId", &EventCriteria::causation_id},
     {"contextId", &EventCriteria::context_id},
     {"filter", &EventCriteria::filter}}};

void write_criteria(core::JsonWriter& json, const EventCriteria& criteria) {
    for (const auto& [name, member] : kTexts) json.field(name, criteria.*member);
    if (!criteria.within.empty()) {
        json.key("within").begin_array();
        for (const std::string& pattern : criteria.within) json.value(pattern);
        json.end_array();
    }
    if (criteria.event_time_from_us != INT64_MIN)
        json.field("eventTimeFrom", criteria.event_time_from_us);
    if (criteria.event_time_to_us != INT64_MAX)
        json.field("eventTimeTo", criteria.event_time_to_us);
}

void read_criteria(core::JsonObject& root, EventCriteria& criteria) {
    const core::TextRules any_text{.bytes_max = std::numeric_limits<std::size_t>::max()};
    for (const auto& [name, member] : kTexts) root.text(name, criteria.*member, any_text);
    root.text_list("within", criteria.within, std::numeric_limits<std::size_t>::max());
    root.integer("eventTimeFrom", criteria.event_time_from_us, -kAny, kAny);
    root.integer("eventTimeTo", criteria.event_time_to_us, -kAny, kAny);
}

void write_offsets(core::JsonWriter& json, std::string_view name,
                   const std::vector<core::LogOffset>& offsets) {
    json.key(name).begin_array();
    for (const core::LogOffset offset : offsets) json.value(offset.value);
    json.end_array();
}

bool read_numbers(core::JsonObject& object, std::string_view name,
                  std::vector<std::uint64_t>& out) {
    const auto element = object.any(name);
    if (!element) return false;
    core::JsonArray array;
    if (!element->get(array)) return false;
    for (const core::JsonElement item : array) {
        std::uint64_t value = 0;
        if (!item.get(value)) return false;
        out.push_back(value);
    }
    return true;
}

}  // namespace

std::string replay_document(const ReplayState& state) {
    const ReplaySpec& spec = state.spec;
    const ReplayProgress& progress = state.progress;
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    json.field("id", progress.id)
        .field("tenant", spec.tenant.value)
        .field("status", progress.status);
    json.field("from", spec.from_us).field("to", spec.to_us);
    write_criteria(json, spec.criteria);
    for (const auto& [text, pace] : kPaces) {
        if (pace == spec.pace) json.field("pace", text);
    }
    json.field("perSecond", spec.events_per_second)
        .field("speed", spec.speed)
        .field("dryRun", spec.dry_run)
        .field("document", spec.document);
    json.key("subscriptions").begin_array();
    for (const core::SubscriptionId id : spec.subscriptions) json.value(id.value);
    json.end_array();
    json.field("scanned", progress.scanned).field("matched", progress.matched);
    json.field("notDue", progress.not_due);
    json.field("delivered", progress.delivered)
        .field("failed", progress.failed)
        .field("error", progress.error);
    json.field("createdAt", progress.created_at_us).field("updatedAt", progress.updated_at_us);
    if (spec.dry_run && spec.shadow) write_shadow(json, *spec.shadow, progress.shadow);
    write_offsets(json, "first", state.first);
    write_offsets(json, "next", state.next);
    write_offsets(json, "begun", state.begun);
    write_offsets(json, "end", state.end);
    json.end_object();
    return out;
}

core::Result<ReplayState> parse_replay_document(std::string_view text,
                                                const FindScriptVersion& find) {
    core::JsonDocument document;
    auto root = document.parse_object(text);
    if (!root) return core::fail(std::move(root.error()));
    ReplayState state;
    ReplaySpec& spec = state.spec;
    ReplayProgress& progress = state.progress;
    std::vector<std::uint64_t> subscriptions, first, next, begun, end;
    const core::TextRules any_text{.bytes_max = std::numeric_limits<std::size_t>::max()};
    root->text("id", progress.id);
    root->integer_as("tenant", spec.tenant.value, 0, kAny);
    root->text("status", progress.status);
    root->integer("from", spec.from_us, -kAny, kAny);
    root->integer("to", spec.to_us, -kAny, kAny);
    read_criteria(*root, spec.criteria);
    root->choice("pace", spec.pace, kPaces);
    root->number("perSecond", spec.events_per_second, 0, 1e12);
    root->number("speed", spec.speed, 0, 1e12);
    root->boolean("dryRun", spec.dry_run);
    root->text("document", spec.document, any_text);
    root->integer_as("scanned", progress.scanned, 0, kAny);
    root->integer_as("matched", progress.matched, 0, kAny);
    root->integer_as("notDue", progress.not_due, 0, kAny);
    root->integer_as("delivered", progress.delivered, 0, kAny);
    root->integer_as("failed", progress.failed, 0, kAny);
    root->text("error", progress.error, any_text);
    root->integer("createdAt", progress.created_at_us, 0, kAny);
    root->integer("updatedAt", progress.updated_at_us, 0, kAny);
    read_numbers(*root, "subscriptions", subscriptions);
    read_numbers(*root, "first", first);
    read_numbers(*root, "next", next);
    // An older version wrote none: it may have begun anything.
    const bool tells_begun = read_numbers(*root, "begun", begun);
    read_numbers(*root, "end", end);
    ShadowSpec shadow;
    auto shadow_read = read_shadow(*root, spec.tenant, find, shadow, progress.shadow);
    if (auto finished = root->finish(); !finished) return core::fail(std::move(finished.error()));
    for (const std::uint64_t id : subscriptions)
        spec.subscriptions.emplace_back(static_cast<std::uint32_t>(id));
    for (const std::uint64_t offset : first) state.first.emplace_back(offset);
    for (const std::uint64_t offset : next) state.next.emplace_back(offset);
    for (const std::uint64_t offset : end) state.end.emplace_back(offset);
    for (const std::uint64_t offset : tells_begun ? begun : end) state.begun.emplace_back(offset);
    if ((!first.empty() && first.size() != end.size()) || next.size() != end.size() ||
        state.begun.size() != state.end.size())
        return core::fail(core::ErrorCode::kInternal, "the replay's document is damaged");
    if (!shadow_read) return core::fail(std::move(shadow_read.error()));
    if (spec.dry_run) spec.shadow = std::make_shared<const ShadowSpec>(std::move(shadow));
    progress.dry_run = spec.dry_run;
    progress.tenant = spec.tenant;
    progress.document = spec.document;
    return state;
}

}  // namespace millrace::runtime
