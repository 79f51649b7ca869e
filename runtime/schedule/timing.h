// What: when a schedule is due: a cron expression on the clocks of a zone, a grid of intervals, or
//       once. Pure: the next time follows from what was asked for, never from the last run.
//       Where clocks are put forward, a fixed time of the day (cron.h) that no clock shows comes
//       when the gap ends; where they are put back, the first of the two counts. Other expressions
//       follow the clocks as they are, through both hours. A day that a zone left out altogether
//       had no times.
// Threads: a value; pure functions. Lifetime: values.
// Limits: intervals from kIntervalUsMin; nothing is due after kCronYearMax.
// Failure: none: what has no next time is never due again.
#pragma once

#include "runtime/schedule/cron.h"
#include "runtime/schedule/zone.h"

#include <cstdint>
#include <optional>

namespace millrace::runtime {

enum class TimingType : std::uint8_t { kCron, kInterval, kOnce };
enum class GapRule : std::uint8_t { kRun, kSkip };
enum class OverlapHourRule : std::uint8_t { kFirst, kBoth };

inline constexpr std::int64_t kIntervalUsMin = 1'000'000;
inline constexpr std::int64_t kIntervalUsMax = 100LL * 366 * 86'400 * 1'000'000;

struct Timing {
    TimingType type = TimingType::kCron;
    CronSpec cron;
    Zone zone;
    GapRule gap = GapRule::kRun;
    OverlapHourRule overlap = OverlapHourRule::kFirst;
    std::int64_t interval_us = 0;
    std::int64_t anchor_us = 0;  // kInterval: a point of the grid, and the first
    std::int64_t at_us = 0;      // kOnce
    std::int64_t from_us = 0;    // nothing is due before
    std::int64_t to_us = std::numeric_limits<std::int64_t>::max();  // nor after
};

// The first moment behind `after_us` at which it is due; in microseconds, as all moments are.
std::optional<std::int64_t> next_due(const Timing& timing, std::int64_t after_us);

// The last one that is not behind `until_us`, of those behind `after_us`.
std::optional<std::int64_t> last_due(const Timing& timing, std::int64_t after_us,
                                     std::int64_t until_us);

}  // namespace millrace::runtime
