// What: one shard's part in subscriptions that fall behind: writes their places down in the unit in
//       which the shard passes them over, moves them on as the feeder tells, and lets them come
//       back to live when they have met the shard.
// Threads: the shard's. Lifetime: borrows all of it.
// Limits: none of its own. Failure: none; an order for a place that is gone or was begun anew does
//       nothing.
#pragma once

#include "runtime/delivery/behind_table.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/shard/shard_commit.h"
#include "runtime/shard/shard_dispatch.h"

#include <cstdint>

namespace millrace::runtime {

// What the feeder wants of a shard.
struct BehindOrder {
    enum class Kind : std::uint8_t {
        kFall,     // it is paused or switched off: it is behind from the shard's cursor on
        kAdvance,  // everything before `at` has been handled
        kRejoin,   // the same, and there is nothing more to read: it may come back
        kCallOff,  // that takes too long: it stays behind
        kEnd,      // everything before live_from has been handled
        kSkipTo,   // what is before `at` is left out; kNotLive: all there is
        kForget,   // it is gone
        kSettle,   // write the shard's own cursor down
    };
    Kind kind = Kind::kSettle;
    core::SubscriptionId subscription{};
    core::LogOffset at{};
    std::uint64_t begun = 0;  // of the place that is meant; 0: whichever is there
};

class ShardBehind {
public:
    ShardBehind(core::ShardId shard, BehindTable& table, ShardCommit& commit,
                ShardDispatcher& dispatch)
        : shard_(shard), table_(table), commit_(commit), dispatch_(dispatch) {}

    // Before the result's parts are finished and its rows added.
    void take(const LaneResult& result);
    void obey(const BehindOrder& order);

private:
    void fall(core::SubscriptionId subscription);
    void advance(core::SubscriptionId subscription, core::LogOffset at);
    void end(core::SubscriptionId subscription);
    void skip(const BehindOrder& order);
    void add(store::RowBatch& rows);

    // Further from its end a subscription does not come back: its deliveries would wait in the
    // lanes meanwhile.
    static constexpr std::uint64_t kRejoinEventsMax = 16'384;

    const core::ShardId shard_;
    BehindTable& table_;
    ShardCommit& commit_;
    ShardDispatcher& dispatch_;
};

}  // namespace millrace::runtime
