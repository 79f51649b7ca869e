#include "runtime/executors/canary_figures.h"

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

}  // namespace

void CanaryArm::add(const CanaryArm& other) {
    runs += other.runs;
    failures += other.failures;
    durations.add(other.durations);
}

void CanaryFigures::add(const CanaryFigures& other) {
    candidate.add(other.candidate);
    baseline.add(other.baseline);
    compared += other.compared;
    different += other.different;
}

CanaryFigures CanaryFigures::whole() const {
    CanaryFigures out = *this;
    for (CanaryArm* arm : {&out.candidate, &out.baseline})
        arm->durations = arm->durations.stretched_to(arm->runs);
    return out;
}

std::string judge_canary(const CanaryRules& rules, const CanaryFigures& figures) {
    const CanaryArm& candidate = figures.candidate;
    const CanaryArm& baseline = figures.baseline;
    const auto enough = [&](std::uint64_t count) {
        return count >= static_cast<std::uint64_t>(rules.runs_min);
    };
    if (enough(figures.compared)) {
        const double share =
            static_cast<double>(figures.different) / static_cast<double>(figures.compared);
        if (share > rules.difference)
            return "it would do something else in " + share_text(share) + " of comparisons";
    }
    if (!enough(candidate.runs)) return {};
    if (candidate.failing() > baseline.failing() + rules.error_rate)
        return "it fails in " + share_text(candidate.failing()) + " of runs, the other in " +
               share_text(baseline.failing());
    const std::int64_t p99_us = candidate.durations.p99_us();
    const std::int64_t base_us = baseline.durations.p99_us();
    if (enough(baseline.runs) && p99_us > kCanaryP99UsAlways &&
        static_cast<double>(p99_us) > rules.p99_factor * static_cast<double>(base_us))
        return "its p99 is " + std::to_string(p99_us / 1000) + " ms, the other's " +
               std::to_string(base_us / 1000) + " ms";
    return {};
}

void write_canary_figures(core::JsonWriter& json, const KeptCanaryFigures& kept) {
    const CanaryFigures& figures = kept.figures;
    json.begin_object().field("beganUs", kept.began_us);
    json.field("compared", figures.compared).field("different", figures.different);
    for (const auto& [name, arm] :
         {std::pair("candidate", &figures.candidate), std::pair("baseline", &figures.baseline)}) {
        json.key(name).begin_object().field("runs", arm->runs).field("failures", arm->failures);
        json.key("durations");
        arm->durations.write(json);
        json.end_object();
    }
    json.end_object();
}

std::optional<KeptCanaryFigures> read_canary_figures(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "figures");
    if (!in) return std::nullopt;
    KeptCanaryFigures kept;
    CanaryFigures& out = kept.figures;
    bool good = true;
    in->integer("beganUs", kept.began_us, 0, INT64_MAX);
    in->integer_as("compared", out.compared, 0, INT64_MAX);
    in->integer_as("different", out.different, 0, INT64_MAX);
    for (const auto& [name, arm] :
         {std::pair("candidate", &out.candidate), std::pair("baseline", &out.baseline)}) {
        auto one = in->object(name, core::Presence::kRequired);
        if (!one) return std::nullopt;
        one->integer_as("runs", arm->runs, 0, INT64_MAX);
        one->integer_as("failures", arm->failures, 0, INT64_MAX);
        const auto durations = one->any("durations");
        good &= durations && arm->durations.read(*durations);
        (void)one->finish();
        in->join(*one);
    }
    if (!in->finish() || !good) return std::nullopt;
    return kept;
}

}  // namespace millrace::runtime
