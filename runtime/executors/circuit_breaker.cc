#include "runtime/executors/circuit_breaker.h"

#include <algorithm>

namespace millrace::runtime {

CircuitBreaker::Bucket& CircuitBreaker::bucket(std::int64_t now_ns) {
    const std::int64_t slice = now_ns / (kWindowNs / static_cast<std::int64_t>(kBuckets));
    Bucket& one = buckets_[static_cast<std::size_t>(slice) % kBuckets];
    if (one.slice != slice) one = {slice, 0, 0};
    return one;
}

bool CircuitBreaker::mostly_fails(std::int64_t now_ns) const {
    const std::int64_t slice = now_ns / (kWindowNs / static_cast<std::int64_t>(kBuckets));
    std::uint32_t attempts = 0, failures = 0;
    for (const Bucket& one : buckets_) {
        if (one.slice <= slice - static_cast<std::int64_t>(kBuckets)) continue;
        attempts += one.attempts;
        failures += one.failures;
    }
    return attempts >= kLookedAtMin && failures >= kShareMax * attempts;
}

bool CircuitBreaker::lets_through(std::int64_t now_ns) {
    if (!open()) return true;
    if (probing_ || now_ns < open_until_ns_) return false;
    probing_ = true;
    return true;
}

void CircuitBreaker::succeeded(std::int64_t now_ns) {
    if (open()) {
        *this = {};
        return;
    }
    ++bucket(now_ns).attempts;
    in_a_row_ = 0;
}

void CircuitBreaker::failed(std::int64_t now_ns) {
    if (open() && !probing_) return;  // it began before
    probing_ = false;
    if (!open()) {
        Bucket& now = bucket(now_ns);
        ++now.attempts;
        ++now.failures;
        ++in_a_row_;
        if (in_a_row_ < kInARowMax && !mostly_fails(now_ns)) return;
    }
    open_ns_ = std::clamp(open_ns_ * 2, kOpenNsMin, kOpenNsMax);
    open_until_ns_ = now_ns + open_ns_;
}

}  // namespace millrace::runtime
