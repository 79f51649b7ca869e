// What: how fast something is worked off, over the last seconds, and so how long what waits will
//       take: what a refusal says in Retry-After.
// Threads: drained() by one at a time; rate and seconds_for() any.
// Lifetime: value. Limits: kSecondsMin to kSecondsMax are said.
// Failure: none. Where nothing was worked off while the window lasted, it is kSecondsMax.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace millrace::core {

class DrainMeter {
public:
    static constexpr std::int64_t kSecondsMin = 1;
    static constexpr std::int64_t kSecondsMax = 60;
    static constexpr std::int64_t kSliceNs = 250'000'000;
    static constexpr std::size_t kSlices = 16;  // the last four seconds

    // So many units (bytes, tasks) have gone.
    void drained(std::int64_t units, std::int64_t now_ns) {
        const std::int64_t number = now_ns / kSliceNs;
        Slice& slice = slices_[static_cast<std::size_t>(number) % kSlices];
        // relaxed throughout: a figure, read for itself
        if (slice.number.load(std::memory_order_relaxed) != number) {
            slice.units.store(0, std::memory_order_relaxed);
            slice.number.store(number, std::memory_order_relaxed);
        }
        slice.units.fetch_add(units, std::memory_order_relaxed);
        std::int64_t none = 0;
        if (began_ns_.load(std::memory_order_relaxed) == 0)
            began_ns_.compare_exchange_strong(none, now_ns, std::memory_order_relaxed);
    }
    // Units a second. The slice that goes on counts with as much of it as is over.
    double per_second(std::int64_t now_ns) const {
        const std::int64_t began_ns = began_ns_.load(std::memory_order_relaxed);
        if (began_ns == 0) return 0;
        const std::int64_t number = now_ns / kSliceNs;
        const std::int64_t oldest = number - static_cast<std::int64_t>(kSlices) + 1;
        std::int64_t units = 0;
        for (const Slice& slice : slices_) {
            const std::int64_t of = slice.number.load(std::memory_order_relaxed);
            if (of >= oldest && of <= number) units += slice.units.load(std::memory_order_relaxed);
        }
        const std::int64_t since_ns = std::max(oldest * kSliceNs, began_ns);
        return static_cast<double>(units) * 1e9 /
               static_cast<double>(std::max(now_ns - since_ns, kSliceNs));
    }
    // Until `backlog` units will have gone.
    std::int64_t seconds_for(std::int64_t backlog, std::int64_t now_ns) const {
        if (backlog <= 0) return kSecondsMin;
        // Nothing was ever worked off: nothing is known of the pace.
        if (began_ns_.load(std::memory_order_relaxed) == 0) return kSecondsMin;
        const double rate = per_second(now_ns);
        if (static_cast<double>(backlog) >= rate * static_cast<double>(kSecondsMax))
            return kSecondsMax;
        const auto seconds = static_cast<std::int64_t>(static_cast<double>(backlog) / rate + 0.999);
        return std::clamp(seconds, kSecondsMin, kSecondsMax);
    }

private:
    struct Slice {
        std::atomic<std::int64_t> number{-1};
        std::atomic<std::int64_t> units{0};
    };
    std::array<Slice, kSlices> slices_;
    std::atomic<std::int64_t> began_ns_{0};  // the first time something went
};

}  // namespace millrace::core
