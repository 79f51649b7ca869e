// What: reads the log for one subscription that is behind in one shard: finds the deliveries of a
//       block that it is still owed. Owed is what its filter of now takes of events that it was
//       there for, and what has no outcome yet.
// Threads: one owner. Lifetime: borrows the database for a call; owns a matcher of its own.
// Limits: one block a call. Failure: Errors from the disk; damaged outcome rows are set aside.
#pragma once

#include "matcher/matcher.h"
#include "runtime/feed/block_matcher.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/database.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::runtime {

// The deliveries of one block.
struct OwedDeliveries {
    store::EventBlock block;  // empty: the log ends before the place
    std::vector<std::uint32_t> events;
    // Of these, the ones of which nobody else has an outcome: their end is the event's.
    std::vector<bool> ends_event;
};

class BehindReader {
public:
    static core::Result<std::unique_ptr<BehindReader>> make(
        std::shared_ptr<const Subscription> subscription);

    const Subscription& subscription() const { return *subscription_; }
    BlockMatcher& blocks() { return blocks_; }
    // The block that holds `from`, or the first one behind it.
    core::Result<OwedDeliveries> read(store::Database& database, const RegistrySnapshot& registry,
                                      core::LogPosition from);

private:
    explicit BehindReader(std::shared_ptr<const Subscription> subscription);
    core::Status read_outcomes(store::Database& database, const store::EventBlock& block);

    const std::shared_ptr<const Subscription> subscription_;
    matcher::Matcher matcher_;
    BlockMatcher blocks_;
    DoneSet done_;                   // deliveries of ours that have an outcome
    std::vector<bool> has_outcome_;  // events of which anybody's delivery has one
    std::vector<DeliveryItem> items_;
};

}  // namespace millrace::runtime
