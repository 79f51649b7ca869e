// What: what two versions of a script have come to, when the newer one is given up for it, and both
//       as text: in the commits of the runs that are counted, and where partitions of a cluster
//       tell the tenant's home what they have counted.
// Threads: values; pure. Lifetime: values. Limits: those of DurationCounts.
// Failure: read_canary_figures() has nothing for a text that is not such.
#pragma once

#include "core/json_writer.h"
#include "runtime/executors/duration_counts.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

struct CanaryRules {
    double error_rate = 0.05;  // by so much its share of failures may be larger
    double p99_factor = 2;     // so many times as long may its p99 be
    double difference = 0;     // of comparisons in the shadow, such a share may differ
    std::int64_t runs_min = 20;
};

struct CanaryArm {
    std::uint64_t runs = 0;
    std::uint64_t failures = 0;
    DurationCounts durations;

    double failing() const {
        return runs == 0 ? 0 : static_cast<double>(failures) / static_cast<double>(runs);
    }
    void add(const CanaryArm& other);
};

struct CanaryFigures {
    CanaryArm candidate, baseline;
    std::uint64_t compared = 0;
    std::uint64_t different = 0;

    void add(const CanaryFigures& other);
    // To be added to others, or them to it.
    CanaryFigures whole() const;
};

inline constexpr std::int64_t kCanaryP99UsAlways = 5'000;  // never too long

// Why the candidate is given up; empty: it is not.
std::string judge_canary(const CanaryRules& rules, const CanaryFigures& figures);

struct KeptCanaryFigures {
    std::int64_t began_us = 0;  // of which canary of the script they are
    CanaryFigures figures;
};
// An object.
void write_canary_figures(core::JsonWriter& json, const KeptCanaryFigures& kept);
std::optional<KeptCanaryFigures> read_canary_figures(std::string_view text);

}  // namespace millrace::runtime
