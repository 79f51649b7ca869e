// What: the executions of scripts that the API ran: which are kept, newest first. The record itself
//       is a registry row (kind "run") that the lane writes in the commit of the run's effects;
//       here is what lists need, and from here go the rows of those that are too many. Of a run
//       that has no effects and was answered before, here is the record as well, until it is
//       written from here, many at once and aside, for a write may wait for the disk. One that is
//       too old by then never is.
// Threads: the conductor's; load() before the threads start, store_all() behind their end.
//       run_document(), take_room() and add_ahead() any.
// Lifetime: borrows the Database; so does what has been handed aside.
// Limits: kRunsKeptMax runs are kept, and those of kWriteNs more; kRecordBytesAheadMax of records
//       that are not written (overflow policy: take_room() says no, and the run waits for its row).
// Failure: Errors from the disk; what could not be written stays here.
#pragma once

#include "core/ids.h"
#include "core/json_writer.h"
#include "core/result.h"
#include "runtime/registry/set_aside.h"
#include "store/rows/row_batch.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
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

    // Has the work done by a thread that may wait for the disk; false: it takes no more.
    using Aside = std::function<bool(std::function<void()> work)>;
    // None: whoever calls do_work() writes.
    explicit RunHistory(store::Database& database, Aside aside = {})
        : database_(database), aside_(std::move(aside)) {}

    core::Status load(SetAside& aside);
    // Ids sort by time: "xr_", 11 digits of microseconds, 6 random ones.
    static std::string make_id(std::int64_t now_us, std::uint64_t random);
    void add(RunSummary&& run);
    // Whether a record of so many bytes may be told ahead: add_ahead() has to follow then.
    bool take_room(std::size_t bytes);
    // One with its record, which is not written yet: it is seen after the next take_in().
    void add_ahead(RunSummary&& run, std::string&& record);
    void take_in();
    // Every kWriteNs: has written what came ahead, and removed the rows of those that are too many.
    // What nobody has taken up while half of the room fills is written here.
    std::size_t do_work(std::int64_t now_ns);
    void store_all();
    // Oldest first.
    const std::deque<RunSummary>& runs() const { return runs_; }
    // The execution's JSON; empty when it is unknown or another tenant's.
    core::Result<std::string> document(core::TenantId tenant, std::string_view id) const;

private:
    // In runs_; its size: there is none.
    std::size_t place_of(std::string_view id) const;
    void drop_surplus();  // nothing is being written
    void let_go(RunAhead& ahead);
    // What is written at once.
    struct Flight {
        enum class State : std::uint8_t { kWaiting, kTaken, kWritten, kFailed };
        store::RowBatch rows;
        std::vector<std::shared_ptr<RunAhead>> records;
        std::vector<std::string> gone;
        std::atomic<State> state{State::kWaiting};
    };
    bool fills() const {
        return bytes_ahead_.load(std::memory_order_relaxed) > kRecordBytesAheadMax / 2;
    }
    std::shared_ptr<Flight> begin_flight(std::size_t most);
    static void write(store::Database& database, Flight& flight);
    bool end_flight();

    store::Database& database_;
    const Aside aside_;
    std::shared_ptr<Flight> flight_;
    std::deque<RunSummary> runs_;
    std::deque<std::shared_ptr<RunAhead>> unwritten_;  // oldest first
    std::deque<std::string> gone_;                     // whose rows have to leave
    std::int64_t write_at_ns_ = 0;
    std::atomic<std::size_t> bytes_ahead_{0};
    std::mutex mutex_;  // of what comes from other threads
    std::vector<RunSummary> ahead_;
};

}  // namespace millrace::runtime
