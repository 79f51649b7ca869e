// What: what must be true of schedules at every start and at the end: each due time has fired once,
//       with its event in the log, or stands in the ledger as passed over, with the rule that did
//       it. Times follow from the period and the first one alone: all schedules of a run are grids.
// Threads: one. Lifetime: of a run, over all starts of the server.
// Limits: ledgers that have not lost rows (kLedgerRowsMax).
// Failure: the checks return the first thing that is wrong, in words; empty: all is well.
#pragma once

#include "store/database.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::sim {

inline constexpr std::string_view kTickPrefix = "tick.";

struct PlannedSchedule {
    std::size_t tenant = 0;
    std::string id;
    std::int64_t period_us = 0;  // 0: once
    std::int64_t first_us = 0;   // as the server told when it was made
    bool allows_overlap = false;
    bool makes_up = true;     // catchUp is not "none"
    bool was_paused = false;  // or may have been
    std::uint32_t number = 0;
    std::set<std::string> asked;  // ids of events that a trigger was answered with
};

class ScheduleModel {
public:
    std::vector<PlannedSchedule>& schedules() { return schedules_; }

    std::string check_start(store::Database& database) const;
    // Everything due by then is settled.
    std::string check_end(store::Database& database, std::int64_t settled_us) const;
    // Of all ledgers: what was seen, for whoever wants to know whether the run was worth it.
    struct Seen {
        std::uint64_t fired = 0;
        std::uint64_t skipped = 0;  // rows
        std::uint64_t made_up = 0;
    };
    Seen seen(store::Database& database) const;

private:
    struct Line;
    struct Tick {
        std::size_t tenant = 0;
        std::string pattern;
    };
    using Ticks = std::vector<std::pair<std::string, Tick>>;  // by event id, every one in the log

    std::string read_ledger(store::Database& database, const PlannedSchedule& schedule,
                            std::vector<Line>& lines) const;
    std::string check(store::Database& database) const;
    std::string check_schedule(store::Database& database, const PlannedSchedule& schedule,
                               Ticks& ticks) const;
    std::string check_line(const PlannedSchedule& schedule, const Line& line) const;
    std::string check_times(store::Database& database, const PlannedSchedule& schedule,
                            const std::vector<Line>& lines, std::int64_t* last_us) const;
    std::string read_ticks(store::Database& database, Ticks& ticks) const;

    std::vector<PlannedSchedule> schedules_;
};

}  // namespace millrace::sim
