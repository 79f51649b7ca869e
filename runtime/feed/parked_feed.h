// What: brings back deliveries that were parked behind another one of their partition key: when a
//       lane asks, reads the next rows of the key and their events, and gives them to the lane as
//       one job.
// Threads: do_work() by the feeder; drain() by any; load_keys() before the threads start.
// Lifetime: borrows all of Deps.
// Limits: kRowsMax rows and kBytesMax bytes of events a job; one request a key at a time
//       (KeyOrder), the requests wait in memory: at most KeyOrder::kKeysMax a lane. One job for a
//       lane that is full is kept; what is for other lanes does not wait for it.
// Failure: rows that can't be read now are read again; a row whose event is gone is logged, and
//       goes.
#pragma once

#include "runtime/feed/feed_deps.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace millrace::runtime {

class ParkedFeed {
public:
    struct Deps : FeedDeps {
        std::function<std::optional<DrainRequest>(std::uint32_t lane, core::SubscriptionId,
                                                  std::uint32_t key_hash)>
            restore_parked;
    };
    explicit ParkedFeed(Deps deps) : deps_(std::move(deps)), refused_(deps_.lanes) {}

    // After the heads are restored: tells the lanes which keys have parked rows.
    core::Status load_keys();

    void drain(const DrainRequest& request);
    // The feeder's thread: jobs of this one are in the lanes.
    bool under_way(core::SubscriptionId subscription);
    std::size_t do_work();
    std::int64_t sleep_us_max();

private:
    static constexpr std::size_t kRowsMax = 128;
    static constexpr std::size_t kBytesMax = 1u << 20;
    static constexpr std::size_t kJobsPerTurn = 32;
    static constexpr std::size_t kLooksPerTurn = 64;
    static constexpr std::int64_t kAgainUs = 20'000;
    static constexpr std::int64_t kHeldUs = 500'000;
    struct Waiting {
        DrainRequest request;
        std::int64_t not_before_ns = 0;
    };

    std::uint32_t lane_for(const DrainRequest& request) const;
    std::size_t submit_refused();
    bool any_refused() const { return refused_count_ != 0; }
    std::optional<DrainRequest> next_request();
    void ask_again(const DrainRequest& request, std::int64_t in_us);
    std::unique_ptr<LaneJob> read(const DrainRequest& request);
    bool add(LaneJob& job, const store::RetryRow& row);
    void erase(const std::vector<store::RetryRow>& lost);

    Deps deps_;
    std::mutex mutex_;
    std::deque<Waiting> waiting_;
    std::map<std::uint32_t, std::size_t> in_lanes_;  // jobs, by subscription
    // By lane: the one that it had no room for. The feeder's.
    std::vector<std::unique_ptr<LaneJob>> refused_;
    std::size_t refused_count_ = 0;
};

}  // namespace millrace::runtime
