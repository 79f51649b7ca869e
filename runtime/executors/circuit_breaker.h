// What: when a receiver that keeps failing is left alone for a while. Open after kInARowMax
//       failures in a row, or when kShareMax of at least kLookedAtMin attempts of the last five
//       minutes failed; then one attempt is let through as a probe after kOpenMsMin, twice as long
//       after each that fails, kOpenMsMax at most; one that goes well closes it.
// Threads: one at a time. Lifetime: value. Limits: constants below; the window is kept in buckets.
// Failure: none.
#pragma once

#include <array>
#include <cstdint>

namespace millrace::runtime {

class CircuitBreaker {
public:
    static constexpr std::uint32_t kInARowMax = 10;
    static constexpr std::uint32_t kLookedAtMin = 10;
    static constexpr double kShareMax = 0.7;
    static constexpr std::int64_t kWindowNs = 300'000'000'000;
    static constexpr std::int64_t kOpenNsMin = 30'000'000'000;
    static constexpr std::int64_t kOpenNsMax = 600'000'000'000;

    // Whether an attempt may begin now. While it is open, one may when its time is over: the probe,
    // and no other one until it has ended.
    bool lets_through(std::int64_t now_ns);
    void succeeded(std::int64_t now_ns);
    void failed(std::int64_t now_ns);
    // An attempt that was let through has come to neither.
    void passed() { probing_ = false; }

    // As it was when the process ended.
    void restore(std::int64_t open_ns, std::int64_t open_until_ns) {
        open_ns_ = open_ns;
        open_until_ns_ = open_until_ns;
    }

    bool open() const { return open_until_ns_ != 0; }
    std::int64_t open_until_ns() const { return open_until_ns_; }
    std::int64_t open_ns() const { return open_ns_; }

private:
    static constexpr std::size_t kBuckets = 10;
    struct Bucket {
        std::int64_t slice = -1;
        std::uint32_t attempts = 0;
        std::uint32_t failures = 0;
    };
    Bucket& bucket(std::int64_t now_ns);
    bool mostly_fails(std::int64_t now_ns) const;

    std::array<Bucket, kBuckets> buckets_{};
    std::uint32_t in_a_row_ = 0;
    std::int64_t open_ns_ = 0;        // how long it is left alone this time
    std::int64_t open_until_ns_ = 0;  // 0: closed
    bool probing_ = false;
};

}  // namespace millrace::runtime
