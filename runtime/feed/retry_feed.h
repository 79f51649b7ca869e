// What: brings deliveries back to the lanes when they fall due: retries, and dead letters that were
//       asked for; in turns among tenants. What is due of a subscription that does not run is put
//       aside in the store (held) and falls due again when it runs; so is that of one that does
//       not read.
// Threads: do_work() by the feeder; redrive() and the callbacks of finished attempts by any.
// Lifetime: borrows all of Deps.
// Limits: kUnderWayMax attempts at a time, kUnderWayOfOneMax of one tenant's; the others wait in
//       the store.
// Failure: a retry whose event is gone is logged and given up: its lane removes the row. One whose
//       event can't be read is tried again after kUnreadNs, the others do not wait for it.
#pragma once

#include "runtime/delivery/due_clock.h"
#include "runtime/delivery/key_order.h"
#include "runtime/feed/feed_deps.h"
#include "runtime/feed/redriven_letters.h"
#include "store/rows/retry_schedule.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
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
    // `beside`: what goes into the first commit of it.
    core::Status redrive(const std::vector<store::DeadLetterKey>& keys, double per_second,
                         const std::function<void(store::RowBatch&)>& beside = {});
    // When they fall due, by the clock of due times.
    RedrivenLetters& redriven() { return redriven_; }

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
    // However slow a tenant's attempts are, there is room for another's.
    static constexpr std::size_t kUnderWayOfOneMax = 96;
    static constexpr std::int64_t kPollUsMin = 1'000;
    static constexpr std::int64_t kPollUsMax = 20'000;
    static constexpr std::int64_t kRedriveAheadUsMax = 60'000'000;
    static constexpr std::int64_t kUnreadNs = 500'000'000;
    static constexpr std::int64_t kNoRoomNs = 5'000'000;
    // Reading an event for a lane that is full costs time; some lanes may have room.
    static constexpr std::size_t kRefusedMax = 16;
    static constexpr std::size_t kRowsPerWrite = 1'000;
    static constexpr std::size_t kUnreadMax = 1'024;  // those beyond it are tried sooner
    using RetryKey = std::pair<std::int64_t, store::DeliveryKey>;
    // An attempt of it is under way; or not, and its row is there still or has gone.
    enum class Fed : std::uint8_t { kUnderWay, kNo, kNoRoom };

    std::size_t take_ended();
    std::size_t feed_due();
    bool has_room(core::TenantId tenant, std::size_t of_page) const;
    Fed feed_one(store::OwnedRetry& retry, const std::shared_ptr<Ending>& ending);
    std::size_t feed_ending();
    bool end_one(const std::shared_ptr<Ending>& ending);
    bool rests(const store::RetryRow& row, std::int64_t now_ns);
    void let_rest(const store::RetryRow& row);
    std::size_t release_held();
    bool is_due(const store::RetryRow& row, std::int64_t due_us, std::int64_t wall_us) const;
    bool hold_if_held(const RegistrySnapshot& registry, const store::RetryRow& row,
                      store::RowBatch& moved);
    void moved_redrive(const store::RetryRow& row);
    bool make_redrive(LaneJob& job, const store::RetryRow& row, std::int64_t created_at_us);
    core::Status bring_near();
    core::Status write(store::RowBatch& rows);
    bool submit(std::unique_ptr<LaneJob> job);
    std::unique_ptr<LaneJob> make_job(const store::DeliveryKey& delivery);
    void give_up(LaneJob& job, const store::RetryRow& row, std::string_view state);

    Deps deps_;
    std::mutex mutex_;
    std::map<RetryKey, core::TenantId> under_way_;
    std::map<core::TenantId, std::size_t> under_way_of_;
    std::vector<RetryKey> finished_;  // ended; leave under_way_ in the next turn
    RedrivenLetters redriven_;
    std::deque<std::shared_ptr<Ending>> asked_;
    std::deque<std::shared_ptr<Ending>> endings_;  // the feeder's
    // Only the feeder's: rows whose event could not be read, and until when they are left alone.
    std::map<RetryKey, std::int64_t> unread_;
    // Likewise: subscriptions that have held rows, as of this registry.
    std::set<std::uint32_t> held_;
    std::uint64_t held_seen_ = UINT64_MAX;
};

}  // namespace millrace::runtime
