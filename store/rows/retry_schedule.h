// What: deliveries that wait for their next attempt, ordered by the time they fall due; behind
//       them those that are due but whose subscription does not run (held), by subscription and
//       time; and those that wait for an earlier delivery of their partition key (parked), by
//       subscription, key and place. Written with RowBatch::put_retry/erase_retry/erase_parked in
//       the commit of the outcome that caused them.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: a scan touches only rows that are due, however many wait, and one more a partition.
// Failure: Errors from the disk.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/rows/row_batch.h"
#include "store/rows/scan_floor.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

struct OwnedRetry {
    RetryRow row;
    std::vector<char> bytes;  // what row.state points into; its place survives a move
};

class RetrySchedule {
public:
    explicit RetrySchedule(Engine& engine) : engine_(engine) {}

    // Rows due at or before now_us, earliest first, until `visit` says false. Rows stay until
    // erased: the caller remembers which ones it has already under way. Views die with the call.
    core::Status visit_due(std::int64_t now_us, const std::function<bool(const RetryRow&)>& visit);
    // When the earliest waiting row falls due; INT64_MAX when none waits for a time.
    core::Result<std::int64_t> next_due_us();

    // Held rows of one subscription, earliest first, until `visit` says false.
    core::Status visit_held(core::SubscriptionId subscription,
                            const std::function<bool(const RetryRow&)>& visit);
    // Each subscription that has held rows, once.
    core::Status visit_held_subscriptions(const std::function<void(core::SubscriptionId)>& visit);
    // Every row, whatever it waits for: by due time, then the held ones, then the parked ones.
    core::Status visit_all(const std::function<bool(const RetryRow&)>& visit);

    // The parked rows of one key from a place on, in their order, until `visit` says false. True
    // when there are no more.
    core::Result<bool> visit_parked(core::SubscriptionId subscription, std::uint32_t key_hash,
                                    core::LogPosition from,
                                    const std::function<bool(const RetryRow&)>& visit);
    // Each key that has parked rows, once.
    core::Status visit_parked_keys(
        const std::function<void(core::SubscriptionId, std::uint32_t key_hash)>& visit);

    // Whether this row, as it was read, is there still.
    core::Result<bool> has(const RetryRow& row);

    struct Page {
        std::vector<OwnedRetry> rows;
        std::string next;
    };
    core::Result<Page> list(std::string_view cursor, std::size_t limit,
                            const std::function<bool(const RetryRow&)>& accept = {});
    std::uint64_t count() const;           // of all rows
    std::uint64_t count_unparked() const;  // of those that wait for no other delivery

    // For the store: a row was committed with this time.
    void note_put(std::int64_t due_at_us) { floor_.note_put(due_at_us); }

private:
    Engine& engine_;
    ScanFloor floor_;  // of the due times
};

}  // namespace millrace::store
