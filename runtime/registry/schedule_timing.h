// What: when a schedule is due, as its document says: the Timing that its members stand for, and
//       what of it is due first.
// Threads: pure functions. Lifetime: values. Limits: those of runtime/schedule.
// Failure: kValidation for a cron expression or a zone; a kept schedule whose zone is gone from
//          tzdata is paused instead, with the reason.
#pragma once

#include "core/result.h"
#include "runtime/registry/schedule.h"

#include <cstdint>
#include <optional>

namespace millrace::runtime {

core::Status make_schedule_timing(Schedule& schedule);

// What is due first of a document that has just been made or changed; `done_us` is the last time
// that it is done with, 0: there was none.
std::optional<std::int64_t> first_due(const Schedule& schedule, std::int64_t done_us);

}  // namespace millrace::runtime
