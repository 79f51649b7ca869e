// What: the record of what handlers did, read from the outcome chunks: one Execution per delivery,
//       its attempts gathered, those of replays apart from its own. Also what recovery needs: which
//       deliveries behind a cursor are done.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: Query::limit <= 1000.
// Failure: Errors for a bad cursor (kValidation) or a damaged chunk (kInternal).
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "store/log/event_id.h"
#include "store/log/format.h"
#include "store/rows/row_batch.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

struct ExecutionAttempt {
    std::uint32_t attempt = 1;
    std::int64_t started_at_us = 0;
    std::uint32_t duration_us = 0;
    DeliveryStatus status = DeliveryStatus::kCompleted;
    std::string error;
};

// What one series of attempts came to: the delivery's own, or a replay's.
struct ExecutionRun {
    std::string replay_id;  // empty: the delivery's own
    std::uint32_t script_version = 0;
    DeliveryStatus status = DeliveryStatus::kCompleted;  // of the last attempt
    std::vector<ExecutionAttempt> attempts;              // in order
    std::string result;                                  // JSON text, of the last attempt
    std::string logs;                                    // JSON text (array), of the last attempt

    // Parked, scheduled, or not to run now: an attempt 0, on record as kRetrying, says so.
    bool waits() const {
        return !attempts.empty() && attempts.back().attempt == 0 &&
               status == DeliveryStatus::kRetrying;
    }
};

// The run is the delivery's own; where there was none, that of the replay that came last.
struct Execution : ExecutionRun {
    DeliveryKey delivery;
    core::TenantId tenant;
    core::LogOffset block_first_offset;
    std::vector<ExecutionRun> replays;  // every one that brought the event, in order
};

struct ExecutionQuery {
    std::optional<core::TenantId> tenant{};
    // Empty: any. The runtime turns a script id into its subscriptions.
    std::vector<core::SubscriptionId> subscriptions{};
    std::optional<core::LogPosition> event{};
    // kFailed: every one whose last attempt failed. kRetrying: not those that wait for their first.
    std::optional<DeliveryStatus> status{};
    bool waiting = false;                                             // only those
    std::int64_t from_us = std::numeric_limits<std::int64_t>::min();  // first attempt's start
    std::int64_t to_us = std::numeric_limits<std::int64_t>::max();
    // For what the chunks do not know: may look the event up. Null: everything.
    std::function<bool(const Execution&)> accept{};
    std::size_t limit = 100;
    std::string_view cursor{};
    // Blocks whose outcomes are read in one call. When they are used up the page ends as it is,
    // `stalled`, and goes on behind `next`.
    std::size_t blocks_max = std::numeric_limits<std::size_t>::max();
    // The page ends before the first execution that began earlier than this; it comes with `next`.
    std::int64_t pause_below_us = std::numeric_limits<std::int64_t>::min();
};

struct ExecutionPage {
    std::vector<Execution> executions;  // newest event first within a shard, shards by time
    std::string next;
    bool stalled = false;
};

struct ReplayAttempt {
    std::uint32_t attempt = 0;  // 0: put off without one
    DeliveryStatus status = DeliveryStatus::kCompleted;
};

class Executions {
public:
    explicit Executions(Engine& engine) : engine_(engine) {}
    core::Result<ExecutionPage> list(const ExecutionQuery& query);
    core::Result<std::optional<Execution>> get(const DeliveryKey& delivery);
    // Every delivery of one block's events; `block` is its first event.
    core::Status of_block(core::LogPosition block, const std::function<void(Execution&&)>& visit);
    // The attempts that one replay made of a block's events, in no order; `block` is its first one.
    core::Status of_replay(
        core::LogPosition block, std::string_view replay_id,
        const std::function<void(const DeliveryKey&, const ReplayAttempt&)>& visit);
    // Every delivery of events at or behind `from` that has an outcome of its own: recovery skips
    // these.
    // Each outcome on record of the block that begins there, in the order in which its shard
    // committed them, behind them those that others wrote; views die with the call.
    core::Status visit_block(core::LogPosition first,
                             const std::function<void(const OutcomeEntry&)>& visit);
    core::Status done_since(core::LogPosition from,
                            const std::function<void(const DeliveryKey&)>& visit);

private:
    Engine& engine_;
};

}  // namespace millrace::store
