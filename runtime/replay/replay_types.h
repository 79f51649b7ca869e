// What: what a replay is asked for and what it says about itself.
// Threads: values. Lifetime: own their text. Limits: none. Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/event/event_filter.h"
#include "runtime/registry/registry_types.h"
#include "runtime/replay/shadow_outcome.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

enum class ReplayPace : std::uint8_t { kInstant, kOriginal, kPerSecond };

// What a shadow run finds in kv: what is there now, what was there when the range begins, nothing.
enum class ShadowKv : std::uint8_t { kNow, kThen, kEmpty };

// What a dry run runs and compares. Immutable once the replay has begun.
struct ShadowSpec {
    core::TenantId tenant;
    // This version for the subscriptions that use it; null: every subscription's own, as it is.
    std::shared_ptr<const Script> script;
    std::shared_ptr<const Script> against;  // null: what was recorded
    ShadowKv kv = ShadowKv::kNow;
    std::int64_t kv_at_us = 0;  // kThen
};

// Events of one shard's log, [from, to).
struct LogRange {
    core::LogOffset from;
    core::LogOffset to;
};

struct ReplaySpec {
    core::TenantId tenant;
    std::string id;                  // asked for by whoever begins it; empty: the server makes one
    std::int64_t created_at_us = 0;  // 0: now. Not kept: the progress has it
    std::int64_t from_us = 0;        // of the time of receipt; [from, to)
    std::int64_t to_us = 0;
    std::int64_t expect = -1;  // so many events, or it does not begin; -1: however many there are
    // By shard: what stands there or behind came after the events were counted. Empty: the log's
    // ends when it begins.
    std::vector<core::LogOffset> counted_to;
    // Instead of a time: by shard, offsets; a shard beyond the list has none.
    std::vector<LogRange> ranges;
    EventCriteria criteria;  // of them
    // Deliver to these of the subscriptions that match; empty: to all that match.
    std::vector<core::SubscriptionId> subscriptions;
    ReplayPace pace = ReplayPace::kInstant;
    double events_per_second = 0;  // kPerSecond
    double speed = 1;              // kOriginal: times as fast
    bool dry_run = false;          // runs in shadow, changes nothing
    bool new_ids = false;          // its deliveries have ids of their own; its id says so
    std::shared_ptr<const ShadowSpec> shadow;  // of a dry run
    std::string document;  // the request's body: shown again, and kept with the replay
    // Adds to the commit that begins it what goes with it; called with its id. Not kept.
    std::function<void(store::RowBatch&, std::string_view id)> beside = {};
};

struct ReplayTally {
    std::uint64_t scanned = 0;
    std::uint64_t matched = 0;
    std::uint64_t not_due = 0;  // left out: their scheduledAt has not come, they will be delivered
    std::uint64_t delivered = 0;
    std::uint64_t failed = 0;

    void add(const ReplayTally& more) {
        scanned += more.scanned;
        matched += more.matched;
        not_due += more.not_due;
        delivered += more.delivered;
        failed += more.failed;
    }
};

struct ReplayProgress : ReplayTally {
    std::string id;
    core::TenantId tenant;
    std::string status;  // running | completed | cancelled | failed
    bool dry_run = false;
    ShadowTotals shadow;   // of a dry run
    std::string range;     // JSON text: by shard, what it was to look through; empty: not known
    std::string position;  // JSON text; empty: null
    std::string error;
    std::int64_t created_at_us = 0;
    std::int64_t updated_at_us = 0;
    std::string document;
};

struct ReplayPage {
    std::vector<ReplayProgress> replays;  // the newest first
    std::string next;                     // the key that the next page begins behind; empty: none
};

}  // namespace millrace::runtime
