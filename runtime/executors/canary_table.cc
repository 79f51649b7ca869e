#include "runtime/executors/canary_table.h"

#include "core/json_reader.h"

#include <cstdio>
#include <utility>

namespace millrace::runtime {
namespace {

std::string share_text(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %%", share * 100);
    return text;
}

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

std::string CanaryTable::figures_of(const Entry& entry) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("beganUs", entry.spec.began_us);
    json.field("compared", entry.compared).field("different", entry.different);
    for (const auto& [name, arm] :
         {std::pair("candidate", &entry.candidate), std::pair("baseline", &entry.baseline)}) {
        json.key(name).begin_object().field("runs", arm->runs).field("failures", arm->failures);
        json.key("durations");
        arm->durations.write(json);
        json.end_object();
    }
    json.end_object();
    return out;
}

bool CanaryTable::read_figures(std::string_view figures, Entry& entry) {
    core::JsonDocument document;
    auto in = document.parse_object(figures, "figures");
    if (!in) return false;
    std::int64_t began_us = 0;
    bool good = true;
    in->integer("beganUs", began_us, 0, INT64_MAX);
    in->integer_as("compared", entry.compared, 0, INT64_MAX);
    in->integer_as("different", entry.different, 0, INT64_MAX);
    for (const auto& [name, arm] :
         {std::pair("candidate", &entry.candidate), std::pair("baseline", &entry.baseline)}) {
        auto one = in->object(name, core::Presence::kRequired);
        if (!one) return false;
        one->integer_as("runs", arm->runs, 0, INT64_MAX);
        one->integer_as("failures", arm->failures, 0, INT64_MAX);
        const auto durations = one->any("durations");
        good &= durations && arm->durations.read(*durations);
        (void)one->finish();
        in->join(*one);
    }
    return in->finish() && good && began_us == entry.spec.began_us;
}

void CanaryTable::keep(const std::function<void(ScriptNumber, std::string&& figures)>& put) {
    if (!changed_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex_);
    changed_.store(false, std::memory_order_relaxed);
    for (auto& [number, entry] : entries_) {
        if (std::exchange(entry.changed, false)) put(ScriptNumber(number), figures_of(entry));
    }
}

bool CanaryTable::restore(ScriptNumber number, std::string_view figures) {
    std::optional<CanarySpec> told;
    {
        const std::lock_guard lock(mutex_);
        const auto at = entries_.find(number.value);
        if (at == entries_.end()) return false;
        Entry read;
        read.spec = at->second.spec;
        if (!read_figures(figures, read)) return false;
        at->second = std::move(read);
        // It was to be given up, and the process ended before that was written.
        judge_and_tell(at->second, told);
    }
    if (told && told_) told_(*told);
    return true;
}

// ---- versions

void CanaryTable::begin(CanarySpec spec) {
    const std::lock_guard lock(mutex_);
    Entry entry;
    entry.spec = std::move(spec);
    entries_.insert_or_assign(entry.spec.number.value, std::move(entry));
    count_.store(entries_.size(), std::memory_order_relaxed);
}

bool CanaryTable::end(ScriptNumber number) {
    const std::lock_guard lock(mutex_);
    const bool there = entries_.erase(number.value) != 0;
    count_.store(entries_.size(), std::memory_order_relaxed);
    return there;
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
        Arm& arm = candidate ? entry.candidate : entry.baseline;
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
        ++at->second.compared;
        at->second.compares_from_ns = ended_ns + (kComparisonShare - 1) * (ended_ns - began_ns);
        at->second.different += differs;
        at->second.changed = true;
        changed_.store(true, std::memory_order_relaxed);
        judge_and_tell(at->second, told);
    }
    if (told && told_) told_(*told);
}

// Why it is given up; empty: it is not.
std::string CanaryTable::judge(const Entry& entry) {
    const CanaryRules& rules = entry.spec.rules;
    const auto enough = [&](std::uint64_t count) {
        return count >= static_cast<std::uint64_t>(rules.runs_min);
    };
    if (enough(entry.compared)) {
        const double share =
            static_cast<double>(entry.different) / static_cast<double>(entry.compared);
        if (share > rules.difference)
            return "it would do something else in " + share_text(share) + " of comparisons";
    }
    if (!enough(entry.candidate.runs)) return {};
    if (entry.candidate.failing() > entry.baseline.failing() + rules.error_rate)
        return "it fails in " + share_text(entry.candidate.failing()) + " of runs, the other in " +
               share_text(entry.baseline.failing());
    const std::int64_t p99_us = entry.candidate.durations.p99_us();
    const std::int64_t base_us = entry.baseline.durations.p99_us();
    if (enough(entry.baseline.runs) && p99_us > kP99UsAlways &&
        static_cast<double>(p99_us) > rules.p99_factor * static_cast<double>(base_us))
        return "its p99 is " + std::to_string(p99_us / 1000) + " ms, the other's " +
               std::to_string(base_us / 1000) + " ms";
    return {};
}

void CanaryTable::judge_and_tell(Entry& entry, std::optional<CanarySpec>& told) {
    if (!entry.spec.rolled_back.empty()) return;
    entry.spec.rolled_back = judge(entry);
    if (!entry.spec.rolled_back.empty()) told = entry.spec;
}

void CanaryTable::append_arm(core::JsonWriter& json, const Script& script, const Arm& arm) {
    json.begin_object().field("version", script.version).field("runs", arm.runs);
    json.field("failures", arm.failures);
    json.field("p99Ms", static_cast<double>(arm.durations.p99_us()) / 1000.0).end_object();
}

void CanaryTable::append(core::JsonWriter& json, ScriptNumber number) const {
    const std::lock_guard lock(mutex_);
    const auto at = entries_.find(number.value);
    if (at == entries_.end()) return;
    const Entry& entry = at->second;
    const CanarySpec& spec = entry.spec;
    json.field("scriptId", spec.script_id).field("version", spec.candidate->version);
    json.field("percent", spec.percent).field("mode", spec.percent > 0 ? "canary" : "shadow");
    json.field("state", spec.rolled_back.empty() ? "running" : "rolledBack");
    json.field_or_null("reason", spec.rolled_back);
    json.key("rollbackOn").begin_object().field("errorRate", spec.rules.error_rate);
    json.field("p99Factor", spec.rules.p99_factor).field("difference", spec.rules.difference);
    json.field("minRuns", spec.rules.runs_min).end_object();
    json.key("candidate");
    append_arm(json, *spec.candidate, entry.candidate);
    json.key("baseline");
    append_arm(json, *spec.baseline, entry.baseline);
    json.field("compared", entry.compared).field("different", entry.different);
}

}  // namespace millrace::runtime
