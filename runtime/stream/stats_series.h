// What: the last quarter of an hour of the engine's figures, a sample a second: what a page of
//       charts shows as soon as it is opened. Samples hold running totals; what a chart shows (a
//       rate, a share, a percentile of a step) is made when it is asked for.
// Threads: the conductor's. Lifetime: of the server; begins empty at a start.
// Limits: kSamplesMax samples of a fixed size, about 500 KiB; the oldest leaves.
// Failure: a second in which nobody had time for a sample is missing: rates go by what passed.
#pragma once

#include "core/json_writer.h"
#include "core/metrics.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::runtime {

using HistogramCells = std::array<std::uint64_t, core::Histogram::kCells>;
inline constexpr std::size_t kHistogramBuckets = core::kHistogramBoundsNs.size() + 1;

struct StatsSample {
    std::int64_t at_us = 0;
    // Totals since the start.
    std::uint64_t received = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t processed = 0;
    std::uint64_t emitted = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t rejected = 0;
    std::uint64_t completed = 0;  // attempts, by what came of them
    std::uint64_t retrying = 0;
    std::uint64_t failed = 0;
    std::uint64_t dead = 0;
    HistogramCells run{};      // attempts' durations
    HistogramCells waited{};   // from an event's entry to its first attempt
    HistogramCells commits{};  // group commits' durations
    // As it is at the moment.
    std::uint64_t waiting = 0;
    std::uint64_t retries = 0;
    std::uint64_t dead_letters = 0;
    std::uint64_t unsynced_bytes = 0;
    std::uint64_t log_bytes = 0;
    std::int64_t oldest_us = 0;  // how long the oldest undelivered event waits; 0: none
};

class StatsSeries {
public:
    static constexpr std::size_t kSamplesMax = 900;
    static constexpr std::int64_t kEveryUs = 1'000'000;

    StatsSeries() { samples_.reserve(kSamplesMax); }

    void add(const StatsSample& sample);
    std::size_t size() const { return samples_.size(); }

    // {"at":[...],"receivedPerSecond":[...],...}: arrays of one length, oldest first, a value for
    // each step of the window before the newest sample. With what percentiles are made of, for
    // whoever adds up several series: "buckets":{"run":[[bucket,count,...],...],...}, of each step
    // those that are not empty.
    enum class Buckets : std::uint8_t { kLeftOut, kTold };
    void append_series(core::JsonWriter& json, std::int64_t window_us, std::int64_t step_us,
                       Buckets buckets = Buckets::kLeftOut) const;
    // The newest second, as one object of the same names; {} before the second sample.
    void append_newest(core::JsonWriter& json) const;

private:
    void append_buckets(core::JsonWriter& json, const std::vector<std::size_t>& ends) const;
    const StatsSample& at(std::size_t i) const {  // 0: the oldest
        return samples_[(first_ + i) % samples_.size()];
    }
    std::vector<StatsSample> samples_;  // a ring once it is full
    std::size_t first_ = 0;
};

// The upper bound of the bucket in which this share of what was counted between two moments lies,
// in milliseconds; 0 when nothing was.
double percentile_ms(const HistogramCells& before, const HistogramCells& after, double share);

}  // namespace millrace::runtime
