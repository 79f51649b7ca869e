// What: so many units a second, a second's worth at once: the generic cell rate algorithm in one
//       atomic word, so that all shards spend from the same bucket and agree exactly.
// Threads: any. Lifetime: whoever may still take.
// Limits: 0 units a second is no limit. What is more than a second's worth never fits.
// Failure: take() says how long to wait.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace millrace::runtime::identity {

class TokenBucket {
public:
    static constexpr std::int64_t kSecondNs = 1'000'000'000;

    void set_rate(std::int64_t per_second) {
        per_second_.store(per_second, std::memory_order_relaxed);  // alone: nothing goes with it
    }
    std::int64_t rate() const { return per_second_.load(std::memory_order_relaxed); }

    // Nanoseconds to wait; 0: it was taken.
    std::int64_t take(std::int64_t now_ns, std::int64_t units) {
        const std::int64_t cost = cost_ns(units);
        if (cost == 0) return 0;
        std::int64_t full_at = full_at_ns_.load(std::memory_order_relaxed);
        for (;;) {
            const std::int64_t next = std::max(full_at, now_ns) + cost;
            if (next - now_ns > kSecondNs) return next - now_ns - kSecondNs;
            if (full_at_ns_.compare_exchange_weak(full_at, next, std::memory_order_relaxed))
                return 0;
        }
    }
    // What was taken and not used.
    void give_back(std::int64_t units) {
        full_at_ns_.fetch_sub(cost_ns(units), std::memory_order_relaxed);
    }

private:
    std::int64_t cost_ns(std::int64_t units) const {
        const std::int64_t rate_now = rate();
        if (rate_now <= 0) return 0;
        return static_cast<std::int64_t>(static_cast<double>(units) * double(kSecondNs) /
                                         static_cast<double>(rate_now));
    }

    std::atomic<std::int64_t> per_second_{0};
    std::atomic<std::int64_t> full_at_ns_{0};  // when it would be full again
};

}  // namespace millrace::runtime::identity
