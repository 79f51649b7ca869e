// What: the executions of scripts that the API ran: which are kept, newest first. The record itself
//       is a registry row (kind "run") that the lane writes in the commit of the run's effects;
//       here is what lists need, and from here go the rows of those that are too many. Of a run
//       that has no effects and was answered before, here is the record as well, until it is
//       written here, many at once. One that is too old by then never is.
// Threads: the conductor's; load() before the threads start, store_all() behind their end.
//       run_document(), take_room() and add_ahead() any.
// Lifetime: borrows the Database.
// Limits: kRunsKeptMax runs are kept, and those of kWriteNs more; kRecordBytesAheadMax of records
//       that are not written (overflow policy: take_room() says no, and the run waits for its row).
// Failure: Errors from the disk; what could not be written stays here.
#pragma once

#include "core/ids.h"
#include "core/json_writer.h"
#include "core/result.h"
#include "runtime/registry/set_aside.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {
class Database;
}

namespace millrace::runtime {

inline constexpr std::string_view kRunKind = "run";
inline constexpr std::size_t kRunsKeptMax = 10'000;

// What a run's record is made of. The texts are JSON, or empty.
struct RunRecord {
    std::string_view id;
    core::TenantId tenant;
    std::string_view script_id;
    std::string_view by;  // who asked: identity::actor_of()
    std::uint32_t script_version = 0;
    std::int64_t started_at_us = 0;
    std::int64_t duration_us = 0;
    std::string_view error;  // empty: it completed
    std::string_view logs;
    std::string_view result;
};
// The execution as API clients see it, with the tenant's number in front: "7 {...}".
std::string run_document(const RunRecord& run);

// A run that was told before its row was written.
struct RunAhead {
    std::string id;
    std::int64_t started_at_us = 0;
    std::string record;  // empty: it is written, or no longer kept
};

struct RunSummary {
    std::string id;
    core::TenantId tenant;
    std::string script_id;
    std::int64_t started_at_us = 0;
    bool failed = false;
    std::shared_ptr<RunAhead> ahead;  // the history's; null: it was told behind its row
};

class RunHistory {
public:
    static constexpr std::size_t kRecordBytesAheadMax = 16u << 20;
    static constexpr std::int64_t kWriteNs = 10'000'000;
    // At once, and twice as many rows leave: half a millisecond in which no call is taken up. Four
    // times as many where half of the room is taken.
    static constexpr std::size_t kRowsAtOnce = 256;

    explicit RunHistory(store::Database& database) : database_(database) {}

    core::Status load(SetAside& aside);
    // Ids sort by time: "xr_", 11 digits of microseconds, 6 random ones.
    static std::string make_id(std::int64_t now_us, std::uint64_t random);
    void add(RunSummary&& run);
    // Whether a record of so many bytes may be told ahead: add_ahead() has to follow then.
    bool take_room(std::size_t bytes);
    // One with its record, which is not written yet: it is seen after the next take_in().
    void add_ahead(RunSummary&& run, std::string&& record);
    void take_in();
    // Every kWriteNs: writes what came ahead, and removes the rows of those that are too many.
    std::size_t do_work(std::int64_t now_ns);
    void store_all();
    // Oldest first.
    const std::deque<RunSummary>& runs() const { return runs_; }
    // The execution's JSON; empty when it is unknown or another tenant's.
    core::Result<std::string> document(core::TenantId tenant, std::string_view id) const;

private:
    // In runs_; its size: there is none.
    std::size_t place_of(std::string_view id) const;
    void drop_surplus();
    void let_go(RunAhead& ahead);
    bool store_some(std::size_t most);

    store::Database& database_;
    std::deque<RunSummary> runs_;
    std::deque<std::shared_ptr<RunAhead>> unwritten_;  // oldest first
    std::deque<std::string> gone_;                     // whose rows have to leave
    std::int64_t write_at_ns_ = 0;
    std::atomic<std::size_t> bytes_ahead_{0};
    std::mutex mutex_;  // of what comes from other threads
    std::vector<RunSummary> ahead_;
};

}  // namespace millrace::runtime
