// What: drops the oldest blocks, whole, by age and by bytes, with what belongs to them (summaries,
//       outcomes); then lets single events go out of the blocks that stay (thinner.h): those past
//       the rule for their pattern and tenant, and those that stay only because an older one is
//       needed. Never the newest block of a shard (it carries the chain), never what a floor
//       protects (a cursor, a replay under way), never the event of a waiting retry or dead letter.
// Threads: one at a time (the conductor or the housekeeper's thread). Lifetime: the Database
//       outlives it.
// Limits: dropping is a few range deletions whatever their size; thinning reads and writes blocks,
//       Thinner::kBytesPerPass a pass.
// Failure: Errors from the disk (then the store is fatal, as after any failed write).
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/retention/event_rules.h"

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace millrace::store {

class Database;
class Thinner;

struct RetentionRule {
    std::int64_t keep_received_after_us =
        0;  // events received before this may go; 0: no rule by age
    std::uint64_t keep_bytes_max =
        0;  // of blocks as stored, all shards together; 0: no rule by bytes
    // For patterns and tenants: events under one of them have its age, not keep_received_after_us.
    // keep_bytes_max counts before all of them.
    std::vector<EventRule> rules{};
    std::int64_t now_us = 0;  // what the ages of rules count from
    // Of single events of patterns that begin so it is kept until when they were let go (let_go.h);
    // empty: of none.
    std::string_view told_prefix{};
    // Nothing at or behind these offsets goes, by shard; none: no floor. Waiting retries, dead
    // letters and the cursor "deliveries" are looked up by apply_retention() itself, the cursor
    // before it asks here: what the cursor passes meanwhile has a floor by then, or had one before.
    std::function<std::vector<core::LogOffset>()> floors{};
    // Single events that stay, as those of waiting retries do; asked behind `floors`.
    std::function<std::vector<core::LogPosition>()> events{};
};

struct RetentionReport {
    std::uint64_t events_dropped = 0;
    std::uint64_t bytes_dropped = 0;
    // The rule wanted more, but a cursor, retry, dead letter or floor still needs it: events kept
    // for that reason.
    std::uint64_t events_held_back = 0;
    // Let go out of blocks that stay: events, and bytes of their texts.
    std::uint64_t events_thinned = 0;
    std::uint64_t bytes_thinned = 0;
    bool more = false;  // the pass stopped at its bound: call again
};

// Events of this kind (a rule's index, or rules.size(): under none) received before this may go.
std::int64_t cutoff_us(const RetentionRule& rule, std::size_t kind);

// The thinner is kept from call to call; without one only whole blocks go.
core::Result<RetentionReport> apply_retention(Database& database, const RetentionRule& rule,
                                              Thinner* thinner = nullptr);

}  // namespace millrace::store
