// What: the event of one due time: what its schedule says, with an id that is a hash of schedule
//       and time, so that the same time twice is one event.
// Threads: pure functions. Lifetime: values.
// Limits: kScheduleEventBytesMax and the envelope's own.
// Failure: check_schedule_event() says which member is wrong.
#pragma once

#include "core/result.h"
#include "runtime/registry/schedule.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// The envelope's member that tells a handler of its schedule.
inline constexpr std::string_view kScheduleMember = "x-schedule";

// One run of a schedule.
struct ScheduleRun {
    std::int64_t due_us = 0;
    // 0: by the schedule itself; else number of the backfill or trigger that asked for it.
    std::uint32_t serial = 0;
};

std::string schedule_event_id(const Schedule& schedule, const ScheduleRun& run);

// Appends one line of JSON without its end of line.
void append_schedule_event(std::string& out, const Schedule& schedule, const ScheduleRun& run,
                           bool late);

// Sets source_type and source_id.
core::Status check_schedule_event(Schedule& schedule);

}  // namespace millrace::runtime
