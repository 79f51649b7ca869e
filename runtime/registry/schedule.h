// What: a schedule: when something is due (runtime/schedule/timing.h), what happens then (an event,
//       or an executor with an event of its own), and what becomes of times that could not be kept.
// Threads: immutable once the registry has published it. Lifetime: shared.
// Limits: kSchedulesMax of a tenant, kScheduleEventBytesMax of the event, kCatchUpRunsMax.
// Failure: none here.
#pragma once

#include "core/ids.h"
#include "runtime/registry/registry_types.h"
#include "runtime/schedule/timing.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

using ScheduleNumber = core::StrongInt<struct ScheduleNumberTag, std::uint32_t>;

inline constexpr std::size_t kSchedulesMax = 4'000'000;
inline constexpr std::size_t kScheduleEventBytesMax = 64u << 10;
inline constexpr std::int64_t kCatchUpRunsMax = 1000;
inline constexpr std::int64_t kCatchUpWindowMsMax = 366LL * 86'400'000;
inline constexpr std::int64_t kJitterMsMax = 86'400'000;

// A time falls due while an earlier run's deliveries are not final.
enum class Overlap : std::uint8_t { kSkip, kQueueOne, kQueueAll, kCancel, kAllow };
// What becomes of times that are more than 10 s late.
enum class CatchUpMode : std::uint8_t { kOne, kAll, kNone };

struct CatchUp {
    CatchUpMode mode = CatchUpMode::kOne;
    std::int64_t window_ms = 86'400'000;  // what is older is passed over
    std::int64_t runs_max = 100;          // kAll
};

struct Schedule {
    ScheduleNumber number;
    core::TenantId tenant;
    std::uint32_t version = 1;  // grows by one with each change
    std::string id;
    std::string name;
    TimingType type = TimingType::kCron;
    std::string cron;
    std::int64_t interval_ms = 0;
    std::int64_t at_us = 0;
    std::string timezone = "UTC";
    GapRule gap = GapRule::kRun;
    OverlapHourRule overlap_hour = OverlapHourRule::kFirst;
    std::string event;        // one JSON object, compact; empty: there is an executor
    std::string executor;     // likewise
    std::string script_id;    // of an executor that is a script
    ScriptNumber script;      // likewise; 0: none
    std::string workflow_id;  // of an executor that is a workflow
    WorkflowNumber workflow;  // likewise
    Overlap overlap = Overlap::kSkip;
    CatchUp catch_up;
    std::int64_t jitter_ms = 0;
    std::int64_t start_at_us = 0;  // 0: none
    std::int64_t end_at_us = 0;    // 0: none
    std::int64_t runs_max = 0;     // 0: any number
    bool pause_on_failure = false;
    bool active = true;
    bool paused = false;
    std::string pause_reason;        // why the server paused it
    std::int64_t not_before_us = 0;  // nextRunAt as it was asked for; 0: was not
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;

    Timing timing;                  // made of the above
    std::int64_t first_due_us = 0;  // as it was made or changed last; 0: never
    std::string source_type;        // of the event: it is found by its identity
    std::string source_id;
    bool from_row = false;  // while it is read: it is kept already
};

std::string_view overlap_text(Overlap overlap);
bool parse_overlap(std::string_view text, Overlap& out);
std::string_view catch_up_text(CatchUpMode mode);
// 000's periodicity: the cron text, "every 1m" or "once".
std::string periodicity_of(const Schedule& schedule);

// What a schedule with an executor emits, and the subscription that takes it there.
std::string schedule_pattern(const Schedule& schedule);
std::string schedule_subscription_id(std::string_view schedule_id);
std::string schedule_subscription_body(const Schedule& schedule);

}  // namespace millrace::runtime
