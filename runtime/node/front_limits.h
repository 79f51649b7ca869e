// What: how long and how much a front waits and holds, and what it counts.
// Threads: constants; FrontFigures any. Lifetime: the front's. Limits: these. Failure: none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace millrace::runtime::node {

struct FrontLimits {
    static constexpr std::int64_t kHoldNs = 2'000'000'000;
    static constexpr std::int64_t kAgainNs = 20'000'000;
    // Events are acknowledged in less, or something is wrong with whoever has them.
    static constexpr std::int64_t kEventsNs = 20'000'000'000;
    static constexpr std::size_t kMetricsAskedMax = 16;  // collectors at once
    static constexpr std::int64_t kMetricsNs = 3'000'000'000;
    static constexpr std::int64_t kSpreadNs = 500'000'000;
    static constexpr std::int64_t kFollowNs = 4'000'000'000;
    static constexpr std::int64_t kGatherNs = 30'000'000'000;
    static constexpr std::int64_t kJudgeNs = 1'000'000'000;
    static constexpr std::int64_t kTakeBackNs = 1'000'000'000;
    static constexpr std::int64_t kCutNs = 3'000'000'000;  // time for owners' last words
    static constexpr std::size_t kTakingsMax = 4096;       // beyond them it is cut without words
    static constexpr std::int64_t kFiguresHoldNs = 500'000'000;  // they go without whom nobody owns
    static constexpr std::int64_t kPulseNs = 1'000'000'000;
    static constexpr std::size_t kPulsesMax = 256;  // streams of figures
    static constexpr std::size_t kHeldMax = 4096;
    static constexpr std::size_t kHeldBytesMax = 64u << 20;
    static constexpr std::size_t kAnswerBytesMax = 64u << 20;
    static constexpr std::size_t kWaitingMax = 4096;  // for one answer of a partition
};

struct FrontFigures {
    std::atomic<std::uint64_t> forwarded_here{0}, forwarded_there{0}, held{0}, refused{0},
        repeated{0}, unknown{0};
};

}  // namespace millrace::runtime::node
