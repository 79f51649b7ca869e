// What: deliveries that wait for their next attempt, ordered by the time they fall due; behind
//       them those that are due but whose subscription does not run (held), by subscription and
//       time; and those that wait for an earlier delivery of their partition key (parked), by
//       subscription, key and place. Written with RowBatch::put_retry/erase_retry/erase_parked in
//       the commit of the outcome that caused them.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: visit_due() reads the rows that it shows, however many wait; of a tenant with more than
//       DueTurns::kKnownMax it scans kScanRows rows of whoever, now and then. A call looks at
//       kLooksMax rows.
// Failure: Errors from the disk.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/rows/due_turns.h"
#include "store/rows/row_batch.h"

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

// What becomes of a row that was shown.
enum class DueVisit : std::uint8_t {
    kTaken,
    kLeft,
    kLater,       // left, and shown again in a while: what is behind it does not wait for it
    kTenantFull,  // left, and nothing more of its tenant now
    kStop,        // left, and nothing more of anybody
};

class RetrySchedule {
public:
    static constexpr std::int64_t kLaterNs = 20'000'000;

    explicit RetrySchedule(Engine& engine) : engine_(engine) {}

    // Rows due at or before now_us, in turns: one of each tenant that has any, its earliest first,
    // until `visit` says kStop or all have been seen. A row that was taken is not shown again until
    // look_again() or look_later() says that it is still there (or one before it was for later);
    // one that is for later kLaterNs later, when those behind it had their chance; the others in
    // the next call. One caller at a time. Views die with the call.
    core::Status visit_due(std::int64_t now_us,
                           const std::function<DueVisit(const RetryRow&)>& visit);
    void look_again(const RetryRow& row);
    void look_later(const RetryRow& row, std::int64_t in_ns = kLaterNs);
    // No row falls due earlier, but for those that were taken; kParkedDueUs: none is known to wait.
    std::int64_t next_due_us();

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
    // The cursor of a page that begins with this row.
    static std::string cursor_at(const RetryRow& row);
    std::uint64_t count() const;           // of all rows
    std::uint64_t count_unparked() const;  // of those that wait for no other delivery

private:
    static constexpr std::size_t kScanRows = 8'192;
    static constexpr std::size_t kScanKeys = DueTurns::kKnownMax / 2;
    static constexpr std::size_t kLooksMax = 4'096;
    core::Status read_more(core::TenantId tenant, std::int64_t now_us);

    Engine& engine_;
};

}  // namespace millrace::store
