// What: brings deliveries back to the lanes: retries when they fall due, dead letters when asked.
// Threads: do_work() by the feeder; redrive() and the callbacks of finished attempts by any.
// Lifetime: borrows all of Deps.
// Limits: kUnderWayMax attempts at a time; the others wait in the store.
// Failure: a retry whose event is gone is logged and given up: its lane removes the row.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "runtime/delivery/key_order.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/database.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace millrace::runtime {

class RetryFeed {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        store::Database* database = nullptr;
        std::function<RegistrySnapshotRef()> registry;
        std::size_t lanes = 1;
        std::function<bool(std::uint32_t lane, std::unique_ptr<LaneJob>&)> submit_aside;
        std::function<void()> wake;
        std::function<void(std::uint32_t lane, const KeyedDelivery&)> restore_head;
    };
    explicit RetryFeed(Deps deps) : deps_(std::move(deps)) {}

    // Before the threads start: tells the lanes which deliveries hold up their keys.
    core::Status load_keys();

    std::size_t do_work();
    std::int64_t sleep_us_max();

    // Deliver these dead letters again, `per_second` at most (0: as fast as it goes).
    void redrive(std::vector<store::DeadLetterKey>&& keys, double per_second);

private:
    static constexpr std::size_t kUnderWayMax = 128;
    static constexpr std::int64_t kPollUsMin = 1'000;
    static constexpr std::int64_t kPollUsMax = 20'000;
    using RetryKey = std::pair<std::int64_t, store::DeliveryKey>;
    struct Redrive {
        store::DeadLetterKey key;
        std::int64_t not_before_ns = 0;
    };

    std::size_t feed_due();
    std::size_t feed_redrives();
    bool submit(std::unique_ptr<LaneJob> job);
    std::unique_ptr<LaneJob> make_job(const store::DeliveryKey& delivery);
    void give_up(LaneJob& job, const store::RetryRow& row, std::string_view state);

    Deps deps_;
    std::mutex mutex_;
    std::set<RetryKey> under_way_;
    std::vector<RetryKey>
        finished_;  // ended, their rows are gone; leave under_way_ at the next scan
    std::set<store::DeadLetterKey> redriven_;
    std::deque<Redrive> redrives_;
};

}  // namespace millrace::runtime
