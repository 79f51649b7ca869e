#include "runtime/stream/stats_series.h"

#include <algorithm>
#include <string_view>

namespace millrace::runtime {
namespace {

constexpr double kMicro = 1e-6;

// What passed between two samples. Totals never fall; a series begins anew with its process.
struct Step {
    const StatsSample& before;
    const StatsSample& after;

    double per_second(std::uint64_t StatsSample::*total) const {
        const double seconds = static_cast<double>(after.at_us - before.at_us) * kMicro;
        if (seconds <= 0 || after.*total < before.*total) return 0;
        return static_cast<double>(after.*total - before.*total) / seconds;
    }
};

double rounded(double value) {
    return static_cast<double>(static_cast<std::int64_t>(value * 100 + 0.5)) / 100;
}

struct Column {
    std::string_view name;
    double (*of)(const Step&);
};

template <auto Total>
double rate(const Step& step) {
    return rounded(step.per_second(Total));
}
template <auto Level>
double level(const Step& step) {
    return static_cast<double>(step.after.*Level);
}
template <auto Cells, int Percent>
double percentile(const Step& step) {
    return percentile_ms(step.before.*Cells, step.after.*Cells, Percent / 100.0);
}

constexpr Column kColumns[] = {
    {"receivedPerSecond", rate<&StatsSample::received>},
    {"receivedBytesPerSecond", rate<&StatsSample::received_bytes>},
    {"processedPerSecond", rate<&StatsSample::processed>},
    {"emittedPerSecond", rate<&StatsSample::emitted>},
    {"duplicatesPerSecond", rate<&StatsSample::duplicates>},
    {"rejectedPerSecond", rate<&StatsSample::rejected>},
    {"completedPerSecond", rate<&StatsSample::completed>},
    {"retryingPerSecond", rate<&StatsSample::retrying>},
    {"failedPerSecond", rate<&StatsSample::failed>},
    {"deadPerSecond", rate<&StatsSample::dead>},
    {"runMsP50", percentile<&StatsSample::run, 50>},
    {"runMsP99", percentile<&StatsSample::run, 99>},
    {"waitedMsP50", percentile<&StatsSample::waited, 50>},
    {"waitedMsP99", percentile<&StatsSample::waited, 99>},
    {"commitMsP99", percentile<&StatsSample::commits, 99>},
    {"waiting", level<&StatsSample::waiting>},
    {"retries", level<&StatsSample::retries>},
    {"deadLetters", level<&StatsSample::dead_letters>},
    {"unsyncedBytes", level<&StatsSample::unsynced_bytes>},
    {"logBytes", level<&StatsSample::log_bytes>},
    {"oldestMs",
     [](const Step& step) { return rounded(static_cast<double>(step.after.oldest_us) * 1e-3); }},
};

}  // namespace

double percentile_ms(const HistogramCells& before, const HistogramCells& after, double share) {
    constexpr std::size_t kBuckets = kHistogramBuckets;
    std::uint64_t count = 0;
    const auto passed = [&](std::size_t i) {
        return after[i] > before[i] ? after[i] - before[i] : 0;
    };
    for (std::size_t i = 0; i < kBuckets; ++i) count += passed(i);
    if (count == 0) return 0;
    const double wanted = share * static_cast<double>(count);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i + 1 < kBuckets; ++i) {
        seen += passed(i);
        if (static_cast<double>(seen) >= wanted)
            return static_cast<double>(core::kHistogramBoundsNs[i]) * 1e-6;
    }
    return static_cast<double>(core::kHistogramBoundsNs.back()) * 1e-6;
}

void StatsSeries::add(const StatsSample& sample) {
    if (samples_.size() < kSamplesMax) {
        samples_.push_back(sample);
        return;
    }
    samples_[first_] = sample;
    first_ = (first_ + 1) % kSamplesMax;
}

void StatsSeries::append_series(core::JsonWriter& json, std::int64_t window_us,
                                std::int64_t step_us, Buckets buckets) const {
    // Ends of steps, from the newest sample backwards; the first of them begins the first step.
    std::vector<std::size_t> ends;
    if (!samples_.empty()) {
        const std::int64_t newest_us = at(samples_.size() - 1).at_us;
        std::int64_t next_us = newest_us;
        for (std::size_t i = samples_.size(); i-- > 0;) {
            if (at(i).at_us > next_us && i != 0) continue;
            if (at(i).at_us < newest_us - window_us) break;
            ends.push_back(i);
            // A little early is this step's: samples are not taken to the microsecond.
            next_us = at(i).at_us - step_us + kEveryUs / 2;
        }
    }
    std::reverse(ends.begin(), ends.end());
    json.begin_object().key("at").begin_array();
    for (std::size_t i = 1; i < ends.size(); ++i) json.value(at(ends[i]).at_us / 1'000'000);
    json.end_array();
    for (const Column& column : kColumns) {
        json.key(column.name).begin_array();
        for (std::size_t i = 1; i < ends.size(); ++i)
            json.value(column.of({at(ends[i - 1]), at(ends[i])}));
        json.end_array();
    }
    if (buckets == Buckets::kTold) append_buckets(json, ends);
    json.end_object();
}

void StatsSeries::append_buckets(core::JsonWriter& json,
                                 const std::vector<std::size_t>& ends) const {
    struct Told {
        std::string_view name;
        HistogramCells StatsSample::*cells;
    };
    static constexpr Told kTold[] = {{"run", &StatsSample::run},
                                     {"waited", &StatsSample::waited},
                                     {"commit", &StatsSample::commits}};
    json.key("buckets").begin_object();
    for (const Told& told : kTold) {
        json.key(told.name).begin_array();
        for (std::size_t i = 1; i < ends.size(); ++i) {
            const HistogramCells& before = at(ends[i - 1]).*told.cells;
            const HistogramCells& after = at(ends[i]).*told.cells;
            json.begin_array();
            for (std::size_t b = 0; b < kHistogramBuckets; ++b) {
                if (after[b] > before[b]) json.value(b).value(after[b] - before[b]);
            }
            json.end_array();
        }
        json.end_array();
    }
    json.end_object();
}

void StatsSeries::append_newest(core::JsonWriter& json) const {
    json.begin_object();
    if (samples_.size() >= 2) {
        const Step step{at(samples_.size() - 2), at(samples_.size() - 1)};
        json.field("at", step.after.at_us / 1'000'000);
        for (const Column& column : kColumns) json.field(column.name, column.of(step));
    }
    json.end_object();
}

}  // namespace millrace::runtime
