// What: what the engine keeps of a schedule beside its document: when it is due next, which runs
//       are not final, what waits; and its ledger, a row for each time that fell due. Both are
//       written in the commit of the event they tell of.
// Threads: values. Lifetime: values.
// Limits: kLedgerRowsMax rows of a schedule, an older one leaves with a newer one; kQueueAllMax
//       times that wait, kBackfillsMax backfills.
// Failure: a row that does not read is an Error.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/registry/schedule.h"
#include "runtime/registry/schedule_event.h"
#include "store/rows/row_batch.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::string_view kScheduleStateKind = "schedule_state";
inline constexpr std::string_view kScheduleLedgerKind = "schedule_run";
inline constexpr std::uint64_t kLedgerRowsMax = 1000;
inline constexpr std::size_t kQueueAllMax = 1000;
inline constexpr std::size_t kBackfillsMax = 16;
inline constexpr std::size_t kRunsWatchedMax = 100;

struct Backfill {
    std::uint32_t serial = 0;
    std::int64_t after_us = 0;  // the last time that it is done with
    std::int64_t to_us = 0;
    Overlap overlap = Overlap::kAllow;
};

struct ScheduleState {
    core::TenantId tenant;
    std::uint32_t number = 0;
    std::uint32_t version = 0;  // of the document that `due_us` follows from
    std::int64_t due_us = 0;    // 0: never again
    std::int64_t done_us = 0;   // the last time that has fired or was passed over
    std::int64_t last_run_us = 0;
    std::uint64_t ledger = 0;  // rows written so far
    std::uint64_t fired = 0;
    std::uint64_t skipped = 0;
    std::uint32_t serials = 0;         // given out to backfills and triggers
    std::vector<ScheduleRun> running;  // fired, and not known to be final
    std::vector<ScheduleRun> waiting;  // for those, in order
    std::vector<Backfill> backfills;
};

struct LedgerEntry {
    ScheduleRun run;
    std::int64_t until_us = 0;  // one row for many times: the last of them
    std::int64_t count = 1;     // 0: too many to count
    std::int64_t at_us = 0;
    bool fired = false;
    std::string_view rule{};  // why it was skipped, or came late; empty: as planned
    std::string_view event_id{};
};

void put_schedule_state(store::RowBatch& rows, const ScheduleState& state);
core::Result<ScheduleState> read_schedule_state(std::string_view json);
// Counts it in `state`; the state's own row is the caller's.
void put_ledger(store::RowBatch& rows, ScheduleState& state, const LedgerEntry& entry);
// Row ids of a schedule's ledger begin so; the newest is first.
std::string ledger_prefix(core::TenantId tenant, std::uint32_t number);
// Everything that is kept of it.
void erase_schedule(store::RowBatch& rows, const ScheduleState& state);

}  // namespace millrace::runtime
