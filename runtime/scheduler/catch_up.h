// What: what becomes of the times of a schedule that could not be kept: the server was stopped, or
//       its clock was put forward. A pure decision.
// Threads: pure. Lifetime: values.
// Limits: CatchUp::runs_max runs; kCountedMax times that are passed over are counted.
// Failure: none.
#pragma once

#include "runtime/registry/schedule.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace millrace::runtime {

struct Missed {
    // What was passed over: [first, last], `count` times; 0: too many to count, or none.
    std::int64_t skipped_first_us = 0;
    std::int64_t skipped_last_us = 0;
    std::int64_t skipped_count = 0;
    std::string rule;                  // "catchUp:one"
    std::vector<std::int64_t> run;     // to be made up for, oldest first
    std::optional<std::int64_t> next;  // the first one behind now

    bool skipped_any() const { return skipped_last_us != 0; }
};

inline constexpr std::int64_t kCountedMax = 10'000;

// `due_us` is the first time that was missed.
Missed missed_times(const Timing& timing, const CatchUp& rule, std::int64_t due_us,
                    std::int64_t now_us);

}  // namespace millrace::runtime
