// What: the executions of scripts that the API ran: which are kept, newest first. The record itself
//       is a registry row (kind "run") that the lane writes in the commit of the run's effects;
//       here is what lists need, and which row has to go when a new one comes. Of a run that was
//       answered before its row is durable, here is the record as well, until it is.
// Threads: the conductor's; load() before the threads start. run_document(), add_ahead() and
//       recorded() any.
// Lifetime: borrows the Database.
// Limits: kRunsKeptMax runs are kept, and as many more as ever ran at once; an older one leaves in
//       the commit of a newer one. Records that are not durable: what the lanes let go ahead.
// Failure: Errors from the disk.
#pragma once

#include "core/ids.h"
#include "core/json_writer.h"
#include "core/result.h"
#include "runtime/registry/set_aside.h"

#include <cstdint>
#include <deque>
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

struct RunSummary {
    std::string id;
    core::TenantId tenant;
    std::string script_id;
    std::int64_t started_at_us = 0;
    bool failed = false;
    std::string record;  // not empty: its row is not durable yet, and this is it
};

class RunHistory {
public:
    explicit RunHistory(store::Database& database) : database_(database) {}

    core::Status load(SetAside& aside);
    // Ids sort by time: "xr_", 11 digits of microseconds, 6 random ones.
    static std::string make_id(std::int64_t now_us, std::uint64_t random);
    // The row that has to leave before one more is written; empty while there is room.
    std::string take_surplus();
    void add(RunSummary&& run);
    // One with its record, whose row is on its way; and that it has come. They are seen after the
    // next take_in().
    void add_ahead(RunSummary&& run);
    void recorded(const std::string& id);
    void take_in();
    // Oldest first.
    const std::deque<RunSummary>& runs() const { return runs_; }
    // The execution's JSON; empty when it is unknown or another tenant's.
    core::Result<std::string> document(core::TenantId tenant, std::string_view id) const;

private:
    // In runs_; its size: there is none.
    std::size_t place_of(std::string_view id) const;

    store::Database& database_;
    std::deque<RunSummary> runs_;
    std::mutex mutex_;  // of what comes from other threads
    std::vector<RunSummary> ahead_;
    std::vector<std::string> recorded_;
};

}  // namespace millrace::runtime
