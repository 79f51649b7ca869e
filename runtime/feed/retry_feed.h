// What: brings deliveries back to the lanes when they fall due: retries, and dead letters that were
//       asked for. What is due of a subscription that does not run (paused, switched off) is put
//       aside in the store (held) and falls due again when it runs.
// Threads: do_work() by the feeder; redrive() and the callbacks of finished attempts by any.
// Lifetime: borrows all of Deps.
// Limits: kUnderWayMax attempts at a time; the others wait in the store.
// Failure: a retry whose event is gone is logged and given up: its lane removes the row.
#pragma once

#include "runtime/delivery/due_clock.h"
#include "runtime/delivery/key_order.h"
#include "runtime/feed/feed_deps.h"
#include "store/rows/retry_schedule.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace millrace::runtime {

class RetryFeed {
public:
    struct Deps : FeedDeps {
        std::function<void(std::uint32_t lane, const KeyedDelivery&)> restore_head;
        const DueClock* due = nullptr;
    };
    explicit RetryFeed(Deps deps) : deps_(std::move(deps)) {}

    // Before the threads start: tells the lanes which deliveries hold up their keys.
    core::Status load_keys();

    // The feeder's thread: an attempt of this row is under way.
    bool under_way(const store::RetryRow& row);
    std::size_t do_work();
    std::int64_t sleep_us_max();

    // Deliver these dead letters again, `per_second` at most (0: as fast as it goes). What it has
    // answered well is durable: it is done after a start too.
    core::Status redrive(const std::vector<store::DeadLetterKey>& keys, double per_second);
    // When that one's next attempt falls due, by the clock of due times. Nothing: nobody has asked
    // for it, or it is held.
    std::optional<std::int64_t> redrive_due_us(const store::DeadLetterKey& key);

    // Rows of deliveries that were cancelled: they are brought to their lanes at once, where they
    // end, but for those that are under way. `done`: they have.
    void let_end(std::vector<store::OwnedRetry>&& rows, std::function<void()> done);

private:
    // Deliveries that were cancelled together.
    struct Ending {
        std::deque<store::OwnedRetry> rows;
        std::size_t under_way = 0;
        std::function<void()> done;
    };
    static constexpr std::size_t kUnderWayMax = 128;
    static constexpr std::int64_t kPollUsMin = 1'000;
    static constexpr std::int64_t kPollUsMax = 20'000;
    static constexpr std::size_t kRowsPerWrite = 1'000;
    using RetryKey = std::pair<std::int64_t, store::DeliveryKey>;

    std::size_t feed_due();
    bool feed_one(store::OwnedRetry& retry, const std::shared_ptr<Ending>& ending);
    std::size_t feed_ending();
    bool end_one(const std::shared_ptr<Ending>& ending);
    std::size_t release_held();
    bool is_due(const store::RetryRow& row, std::int64_t due_us, std::int64_t wall_us) const;
    bool hold_if_held(const RegistrySnapshot& registry, const store::RetryRow& row,
                      store::RowBatch& moved);
    void moved_redrive(const store::RetryRow& row);  // under mutex_
    bool make_redrive(LaneJob& job, const store::RetryRow& row, std::int64_t created_at_us);
    core::Status bring_near();
    core::Status write(store::RowBatch& rows);
    bool submit(std::unique_ptr<LaneJob> job);
    std::unique_ptr<LaneJob> make_job(const store::DeliveryKey& delivery);
    void give_up(LaneJob& job, const store::RetryRow& row, std::string_view state);

    Deps deps_;
    std::mutex mutex_;
    std::set<RetryKey> under_way_;
    std::vector<RetryKey>
        finished_;  // ended, their rows are gone; leave under_way_ at the next scan
    // Asked for, and not ended: when each falls due; kHeldDueUs while it is held.
    std::map<store::DeadLetterKey, std::int64_t> redriven_;
    std::deque<std::shared_ptr<Ending>> asked_;
    std::deque<std::shared_ptr<Ending>> endings_;  // the feeder's
    // Only the feeder's: subscriptions that have held rows, as of this registry.
    std::set<std::uint32_t> held_;
    std::uint64_t held_seen_ = UINT64_MAX;
};

}  // namespace millrace::runtime
