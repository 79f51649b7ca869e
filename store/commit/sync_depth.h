// What: decides whether syncs of the WAL go to the disk one at a time or several at once. Several
//       gain where a sync is slow (bench/store_results.md: nothing at 0.16 ms, 2 to 9 times at
//       2.6 ms), and cost a hand-over to another thread and back.
// Method: alone is how long a sync takes that is the only one: the median of the last few, so that
//       one stall says nothing. Above kSlowNs several are tried for kSeveralNs, then some go alone
//       again: syncs that are quick because there are several (seen where their ends waited for a
//       core) do not make the disk a quick one. Where the syncs that overlapped brought no more of
//       them a second than one after the other would have, the disk does one at a time, and the
//       next trial waits, twice as long each time.
// Threads: one owner. Lifetime: value. Limits: below. Failure: none.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace::store {

class SyncDepth {
public:
    // In the middle, as ratios go, between the sync that gained nothing and the one that did.
    static constexpr std::int64_t kSlowNs = 600'000;
    // What was slow must become this quick to count as quick again.
    static constexpr std::int64_t kQuickNs = 400'000;
    // What the bytes themselves take of a sync at most: a big group on a quick disk is not slow.
    static constexpr std::int64_t kNsPerByte = 1;
    static constexpr std::int64_t kSeveralNs = 2'000'000'000;
    static constexpr std::int64_t kRestNsMin = 4'000'000'000;
    static constexpr std::int64_t kRestNsMax = 64'000'000'000;
    static constexpr std::size_t kAlone = 8;       // samples; at 2.6 ms a hundredth of kSeveralNs
    static constexpr std::size_t kJudgedMin = 32;  // syncs; what a trial in vain costs at most

    explicit SyncDepth(std::size_t max) : max_(max) {}

    std::size_t depth() const { return several_ ? max_ : 1; }

    // One sync went to the disk alone, with so many bytes before it.
    void on_alone(std::int64_t took_ns, std::size_t bytes, std::int64_t now_ns) {
        if (max_ < 2) return;
        alone_[samples_++ % kAlone] = {took_ns,
                                       took_ns - static_cast<std::int64_t>(bytes) * kNsPerByte};
        if (samples_ < kAlone) return;
        const bool was_slow = slow_;
        slow_ = median(&Alone::latency_ns) > (was_slow ? kQuickNs : kSlowNs);
        if (slow_ && now_ns >= rest_until_ns_) begin_several(now_ns);
    }

    // With depth() above 1: a sync was handed over; one has ended.
    void on_begin(std::int64_t now_ns) {
        pass(now_ns);
        ++in_flight_;
    }
    void on_end(std::int64_t now_ns) {
        pass(now_ns);
        --in_flight_;
        ++ended_;
        if (!several_) return;
        const bool in_vain = ended_ >= kJudgedMin && overlap() && !gains();
        if (!in_vain && now_ns < several_since_ns_ + kSeveralNs) return;
        several_ = false;
        samples_ = 0;
        if (in_vain) {
            rest_until_ns_ = now_ns + rest_ns_;
            rest_ns_ = std::min(rest_ns_ * 2, kRestNsMax);
        } else if (ended_ >= kJudgedMin && overlap()) {
            rest_ns_ = kRestNsMin;
        }
    }

private:
    struct Alone {
        std::int64_t took_ns = 0;
        std::int64_t latency_ns = 0;  // without what the bytes took
    };

    std::int64_t median(std::int64_t Alone::*of) const {
        std::array<std::int64_t, kAlone> values{};
        for (std::size_t i = 0; i < kAlone; ++i) values[i] = alone_[i].*of;
        std::nth_element(values.begin(), values.begin() + kAlone / 2, values.end());
        return values[kAlone / 2];
    }

    void begin_several(std::int64_t now_ns) {
        several_ = true;
        several_since_ns_ = passed_ns_ = now_ns;
        alone_ns_ = median(&Alone::took_ns);
        busy_ns_ = sum_ns_ = 0;
        ended_ = 0;
    }

    void pass(std::int64_t now_ns) {
        const std::int64_t ns = now_ns - passed_ns_;
        passed_ns_ = now_ns;
        if (in_flight_ > 0) busy_ns_ += ns;
        sum_ns_ += ns * static_cast<std::int64_t>(in_flight_);
    }

    // At least one and a half at the disk on average: else nothing is seen of what several bring.
    bool overlap() const { return sum_ns_ * 2 >= busy_ns_ * 3; }
    // So many one after the other would have taken a fifth longer, or more.
    bool gains() const {
        return static_cast<double>(alone_ns_) * static_cast<double>(ended_) >=
               1.2 * static_cast<double>(busy_ns_);
    }

    std::size_t max_;
    bool several_ = false;
    bool slow_ = false;
    std::array<Alone, kAlone> alone_{};
    std::size_t samples_ = 0;
    std::int64_t several_since_ns_ = 0;
    std::int64_t alone_ns_ = 0;  // before several were tried
    std::size_t in_flight_ = 0;
    std::size_t ended_ = 0;
    std::int64_t passed_ns_ = 0;
    std::int64_t busy_ns_ = 0;  // at least one in flight
    std::int64_t sum_ns_ = 0;   // the same, as often as were in flight
    std::int64_t rest_until_ns_ = 0;
    std::int64_t rest_ns_ = kRestNsMin;
};

}  // namespace millrace::store
