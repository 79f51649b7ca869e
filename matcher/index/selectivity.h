// What: which share of the events meets a pivot, by the values that events of late had. Where few
//       events were seen the share that variety suggests still counts.
// Threads: built by one, then pure. Lifetime: value. Limits: kTriedMax values of a path are tried.
// Failure: none.
#pragma once

#include "matcher/index/live_sample.h"
#include "matcher/index/pivot.h"
#include "matcher/index/range_index.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::matcher {

class Selectivity {
public:
    explicit Selectivity(LiveSample::Content&& content);

    // `prior` is the share to assume without any events.
    double equal(std::uint32_t slot, std::uint64_t hash_of_value, double prior) const;
    double part(std::uint32_t slot, PivotKind kind, std::string_view literal, double prior) const;
    double range(std::uint32_t slot, const Bounds& bounds, double prior) const;

private:
    static constexpr std::size_t kTriedMax = 64;
    // The prior counts as much as so many events.
    static constexpr double kPriorEvents = 16;

    // Values of a slot that were tried for one condition, and of how many there are.
    double tried(double hits, std::size_t tries, std::size_t values, double prior) const;
    double share(double events, double prior) const;
    const std::vector<std::uint32_t>* values_of(std::uint32_t slot) const;

    LiveSample::Content content_;
    std::unordered_map<std::uint64_t, std::uint32_t> equal_;  // by slot and value
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> by_slot_;
};

}  // namespace millrace::matcher
