#include "runtime/executors/canary_table.h"

#include "core/json_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

// Keys spread evenly over 0..1, the same ones for the same script each time.
double place_of(std::uint64_t key, std::uint32_t script) {
    std::uint64_t mixed = (key + 0x9e3779b97f4a7c15ull) ^ (std::uint64_t{script} << 32);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    mixed ^= mixed >> 31;
    return static_cast<double>(mixed >> 11) * 0x1p-53;
}

}  // namespace

std::string canary_document(const CanarySpec& spec) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("tenant", spec.tenant.value).field("scriptId", spec.script_id);
    json.field("version", spec.candidate->version).field("baseline", spec.baseline->version);
    json.field("current", spec.current).field("percent", spec.percent);
    json.field("errorRate", spec.rules.error_rate).field("p99Factor", spec.rules.p99_factor);
    json.field("difference", spec.rules.difference).field("minRuns", spec.rules.runs_min);
    json.field("beganUs", spec.began_us).field("rolledBack", spec.rolled_back).end_object();
    return out;
}

core::Result<CanarySpec> read_canary_document(std::string_view text, const FindVersion& find) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "canary");
    if (!in) return core::fail(std::move(in.error()));
    CanarySpec spec;
    std::uint32_t version = 0, baseline = 0;
    in->integer_as("tenant", spec.tenant.value, 0, UINT32_MAX, core::Presence::kRequired);
    in->text("scriptId", spec.script_id);
    in->integer_as("version", version, 1, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("baseline", baseline, 1, UINT32_MAX, core::Presence::kRequired);
    in->integer_as("current", spec.current, 1, UINT32_MAX, core::Presence::kRequired);
    in->number("percent", spec.percent, 0, 100);
    in->number("errorRate", spec.rules.error_rate, 0, 1);
    in->number("p99Factor", spec.rules.p99_factor, 1, 1000);
    in->number("difference", spec.rules.difference, 0, 1);
    in->integer("minRuns", spec.rules.runs_min, 1, 1'000'000);
    in->integer("beganUs", spec.began_us, 0, INT64_MAX);
    in->text("rolledBack", spec.rolled_back);
    if (auto status = in->finish(); !status) return core::fail(status.error());
    spec.candidate = find(spec.tenant, spec.script_id, version);
    spec.baseline = find(spec.tenant, spec.script_id, baseline);
    if (!spec.candidate || !spec.baseline)
        return core::fail(core::ErrorCode::kNotFound, "a version of it is not kept");
    spec.number = spec.candidate->number;
    return spec;
}

// ---- figures

void CanaryTable::keep(const std::function<void(ScriptNumber, std::string&& figures)>& put) {
    if (!changed_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex_);
    changed_.store(false, std::memory_order_relaxed);
    for (auto& [number, entry] : entries_) {
        if (!std::exchange(entry.changed, false)) continue;
        std::string figures;
        core::JsonWriter json(figures);
        write_canary_figures(json, {entry.spec.began_us, entry.own});
        put(ScriptNumber(number), std::move(figures));
    }
}

bool CanaryTable::restore(ScriptNumber number, std::string_view figures) {
    std::optional<CanarySpec> told;
    {
        const std::lock_guard lock(mutex_);
        const auto at = entries_.find(number.value);
        if (at == entries_.end()) return false;
        auto read = read_canary_figures(figures);
        if (!read || read->began_us != at->second.spec.began_us) return false;
        at->second.own = read->figures;
        // It was to be given up, and the process ended before that was written.
        judge_and_tell(at->second, told);
    }
    if (told && told_) told_(*told);
    return true;
}

// ---- versions

void CanaryTable::spread_over(std::size_t partition, std::size_t partitions,
                              std::function<bool(core::TenantId)> is_home) {
    partition_ = partition;
    partitions_ = partitions;
    is_home_ = std::move(is_home);
}

void CanaryTable::begin(CanarySpec spec, std::optional<std::int64_t> fresh_ns) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[spec.number.value];
    if (entry.spec.began_us != spec.began_us) entry = {};
    entry.spec = std::move(spec);
    entry.knows_others = partitions_ <= 1 || fresh_ns;
    for (std::size_t p = 0; fresh_ns && p < partitions_; ++p) {
        if (p != partition_) entry.others[p].at_ns = fresh_ns;
    }
    count_.store(entries_.size(), std::memory_order_relaxed);
}

bool CanaryTable::end(ScriptNumber number) {
    const std::lock_guard lock(mutex_);
    const bool there = entries_.erase(number.value) != 0;
    count_.store(entries_.size(), std::memory_order_relaxed);
    return there;
}

bool CanaryTable::follow(ScriptNumber number, std::optional<std::uint32_t> newest) {
    if (!any()) return false;
    if (!newest) return end(number);
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(number.value);
    if (at != entries_.end()) at->second.superseded = at->second.spec.current != *newest;
    return false;
}

std::optional<CanarySpec> CanaryTable::find(ScriptNumber number) const {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(number.value);
    if (at == entries_.end()) return std::nullopt;
    return at->second.spec;
}

ScriptRef CanaryTable::choose(const Script& current, std::uint64_t key) const {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(current.number.value);
    if (at == entries_.end() || at->second.spec.current != current.version) return nullptr;
    const CanarySpec& spec = at->second.spec;
    const bool tries =
        spec.rolled_back.empty() && place_of(key, spec.number.value) * 100 < spec.percent;
    return tries ? spec.candidate : spec.baseline;
}

void CanaryTable::ran(const Script& script, bool well, std::int64_t duration_us) {
    std::optional<CanarySpec> told;
    {
        const std::lock_guard lock(mutex_);
        const auto at = entries_.find(script.number.value);
        if (at == entries_.end()) return;
        Entry& entry = at->second;
        const bool candidate = script.version == entry.spec.candidate->version;
        if (!candidate && script.version != entry.spec.baseline->version) return;
        CanaryArm& arm = candidate ? entry.own.candidate : entry.own.baseline;
        ++arm.runs;
        arm.failures += !well;
        arm.durations.add(duration_us);
        entry.changed = true;
        changed_.store(true, std::memory_order_relaxed);
        // The p99 is looked at now and then; a failure at once.
        if (candidate && (!well || arm.runs % 16 == 0)) judge_and_tell(entry, told);
    }
    if (told && told_) told_(*told);
}

bool CanaryTable::compares(const Script& current, std::int64_t now_ns, ScriptRef& candidate,
                           ScriptRef& baseline) {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(current.number.value);
    if (at == entries_.end() || at->second.spec.current != current.version) return false;
    Entry& entry = at->second;
    if (entry.spec.percent > 0 || !entry.spec.rolled_back.empty()) return false;
    if (now_ns < entry.compares_from_ns) return false;
    const std::int64_t second = now_ns / 1'000'000'000;
    if (second != entry.second) entry.in_second = 0;
    entry.second = second;
    if (entry.in_second++ >= kComparisonsPerSecond) return false;
    candidate = entry.spec.candidate;
    baseline = entry.spec.baseline;
    return true;
}

void CanaryTable::compared(ScriptNumber number, bool differs, std::int64_t began_ns,
                           std::int64_t ended_ns) {
    std::optional<CanarySpec> told;
    {
        const std::lock_guard lock(mutex_);
        const auto at = entries_.find(number.value);
        if (at == entries_.end()) return;
        ++at->second.own.compared;
        at->second.compares_from_ns = ended_ns + (kComparisonShare - 1) * (ended_ns - began_ns);
        at->second.own.different += differs;
        at->second.changed = true;
        changed_.store(true, std::memory_order_relaxed);
        judge_and_tell(at->second, told);
    }
    if (told && told_) told_(*told);
}

void CanaryTable::judge_and_tell(Entry& entry, std::optional<CanarySpec>& told) {
    if (!entry.runs() || !judges(entry.spec) || !entry.knows_others) return;
    CanaryFigures all = entry.own.whole();
    all.add(entry.of_others);
    entry.spec.rolled_back = judge_canary(entry.spec.rules, all);
    if (!entry.spec.rolled_back.empty()) told = entry.spec;
}

void CanaryTable::append_arm(core::JsonWriter& json, const Script& script, const CanaryArm& arm) {
    json.begin_object().field("version", script.version).field("runs", arm.runs);
    json.field("failures", arm.failures);
    json.field("p99Ms", static_cast<double>(arm.durations.p99_us()) / 1000.0).end_object();
}

void CanaryTable::append(core::JsonWriter& json, ScriptNumber number, std::int64_t now_ns) const {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(number.value);
    if (at == entries_.end()) return;
    const Entry& entry = at->second;
    const CanarySpec& spec = entry.spec;
    CanaryFigures all = entry.own.whole();
    all.add(entry.of_others);
    json.field("scriptId", spec.script_id).field("version", spec.candidate->version);
    json.field("percent", spec.percent).field("mode", spec.percent > 0 ? "canary" : "shadow");
    const std::string_view ended = entry.superseded ? "superseded" : "running";
    json.field("state", spec.rolled_back.empty() ? ended : "rolledBack");
    json.field_or_null("reason", spec.rolled_back);
    json.key("rollbackOn").begin_object().field("errorRate", spec.rules.error_rate);
    json.field("p99Factor", spec.rules.p99_factor).field("difference", spec.rules.difference);
    json.field("minRuns", spec.rules.runs_min).end_object();
    json.key("candidate");
    append_arm(json, *spec.candidate, all.candidate);
    json.key("baseline");
    append_arm(json, *spec.baseline, all.baseline);
    json.field("compared", all.compared).field("different", all.different);
    append_missing(json, entry, now_ns);
}

// Partitions whose figures are not in the sum; of what still runs, also where they are old.
void CanaryTable::append_missing(core::JsonWriter& json, const Entry& entry,
                                 std::int64_t now_ns) const {
    if (partitions_ <= 1 || !judges(entry.spec)) return;
    bool any = false;
    for (std::size_t p = 0; p < partitions_; ++p) {
        const auto heard = entry.others.find(p);
        const bool known = heard != entry.others.end() && heard->second.at_ns &&
                           (!entry.runs() || now_ns - *heard->second.at_ns <= kHeardNs);
        if (p == partition_ || known) continue;
        if (!std::exchange(any, true)) json.key("missing").begin_array();
        json.value(p);
    }
    if (any) json.end_array();
}

// ---- partitions

bool CanaryTable::asks_others() const {
    if (partitions_ <= 1 || !any()) return false;
    const std::lock_guard lock(mutex_);
    // Of what has ended once is enough.
    const auto asks = [this](const Entry& entry) {
        if (!judges(entry.spec)) return false;
        const auto heard =
            std::count_if(entry.others.begin(), entry.others.end(),
                          [](const auto& of) { return of.second.at_ns.has_value(); });
        return entry.runs() || static_cast<std::size_t>(heard) + 1 < partitions_;
    };
    return std::any_of(entries_.begin(), entries_.end(),
                       [&asks](const auto& one) { return asks(one.second); });
}

std::string CanaryTable::told(const std::function<bool(core::TenantId)>& of) const {
    Told all;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [number, entry] : entries_) {
            if (of(entry.spec.tenant))
                all.emplace(number, KeptCanaryFigures{entry.spec.began_us, entry.own});
        }
    }
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    for (const auto& [number, kept] : all) {
        json.begin_object().field("number", number).key("figures");
        write_canary_figures(json, kept);
        json.end_object();
    }
    json.end_array().end_object();
    return out;
}

bool CanaryTable::hear(std::size_t partition, std::string_view told, std::int64_t now_ns) {
    core::JsonDocument document;
    auto in = document.parse_object(told, "figures");
    if (!in) return false;
    core::JsonArray items;
    const auto all = in->any("items");
    if (!all || !all->get(items)) return false;
    Told read;
    for (const core::JsonElement item : items) {
        core::JsonMembers members;
        if (!item.get(members)) return false;
        core::JsonObject one(members, "items");
        std::uint32_t number = 0;
        one.integer_as("number", number, 0, UINT32_MAX, core::Presence::kRequired);
        const auto text = one.any("figures");
        if (!one.finish() || !text) return false;
        auto figures = read_canary_figures(text->raw());
        if (!figures) return false;
        read.insert_or_assign(number, *figures);
    }
    take_told(partition, read, now_ns);
    return true;
}

void CanaryTable::hear_nothing(std::size_t partition, std::int64_t now_ns) {
    take_told(partition, {}, now_ns);
}

bool CanaryTable::knows_others(const Entry& entry, std::int64_t now_ns) const {
    const auto speaks_or_can_not = [now_ns](const auto& of) {
        return of.second.at_ns || now_ns - of.second.asked_ns >= kSilentNs;
    };
    return entry.others.size() + 1 >= partitions_ &&
           std::all_of(entry.others.begin(), entry.others.end(), speaks_or_can_not);
}

// Of what it does not know yet, or not any more, it has said nothing.
void CanaryTable::take_told(std::size_t partition, const Told& told, std::int64_t now_ns) {
    std::vector<CanarySpec> given_up;
    {
        const std::lock_guard lock(mutex_);
        for (auto& [number, entry] : entries_) {
            if (!judges(entry.spec)) continue;
            Heard& heard = entry.others[partition];
            if (heard.asked_ns == 0) heard.asked_ns = now_ns;
            const auto at = told.find(number);
            if (at != told.end() && at->second.began_us == entry.spec.began_us) {
                heard.figures = at->second.figures.whole();
                heard.at_ns = now_ns;
            }
            entry.of_others = {};
            for (const auto& [other, of] : entry.others) entry.of_others.add(of.figures);
            entry.knows_others = knows_others(entry, now_ns);
            std::optional<CanarySpec> over;
            judge_and_tell(entry, over);
            if (over) given_up.push_back(std::move(*over));
        }
    }
    for (const CanarySpec& spec : given_up) {
        if (told_) told_(spec);
    }
}

}  // namespace millrace::runtime
