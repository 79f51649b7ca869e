// What: which deliveries of a block are a replay's: those of its events and of the subscriptions of
//       now that it was asked for, without those that an earlier process has made already.
// Threads: the feeder's. Lifetime: borrows the replay's spec and the Database.
// Limits: one block at a time.
// Failure: make() refuses a filter that does not read; leave_out_done() Errors from the disk.
#pragma once

#include "core/event_parser.h"
#include "runtime/event/event_filter.h"
#include "runtime/feed/block_matcher.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/replay/replay_block.h"
#include "runtime/replay/replay_types.h"
#include "store/database.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class ReplayChoice {
public:
    static core::Result<std::unique_ptr<ReplayChoice>> make(const ReplaySpec& spec);

    struct Request {
        core::LogOffset from;  // events of [from, end)
        core::LogOffset end;
        const RegistrySnapshot* registry = nullptr;
        std::int64_t now_us = 0;
    };
    // `block` has its events; the rest is filled in here.
    void choose(BlockMatcher& matcher, const Request& request, ReplayBlock& block);

    // After a start: the outcomes say what of a block was delivered, for they are in one commit
    // with the effects. A delivery that has one is not made again, also if it failed (it is retried
    // by itself, or a dead letter) or was put off; it is counted as it ended at first.
    static core::Status leave_out_done(store::Database& database, std::string_view replay_id,
                                       ReplayBlock& block);

private:
    explicit ReplayChoice(const ReplaySpec& spec) : spec_(spec) {}
    // Of an event for a replay: a part of it, no part, or one that is still to come by itself.
    enum class Share : std::uint8_t { kNone, kDeliver, kNotDue };
    Share share_of(const store::StoredEvent& event, const Request& request);
    bool wants(core::SubscriptionId id, const RegistrySnapshot& registry) const;

    const ReplaySpec& spec_;
    std::unique_ptr<EventFilter> filter_;
    core::EventParser parser_;
    std::vector<DeliveryItem> matched_;
};

}  // namespace millrace::runtime
