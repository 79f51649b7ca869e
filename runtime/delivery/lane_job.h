// What: what travels between shards, feeder and lanes: a share of a block's deliveries to a lane,
//       and what came of it back to the shard.
// Threads: values that are moved through rings; one owner at a time.
// Lifetime: an EventBlock keeps the events' bytes alive as long as a job or a result needs them.
// Limits: a job has at most one block's events times their subscriptions.
// Failure: none here.
#pragma once

#include "core/buffer.h"
#include "core/ids.h"
#include "core/result.h"
#include "runtime/delivery/effects.h"
#include "runtime/delivery/endpoint_answer.h"
#include "runtime/delivery/key_order.h"
#include "runtime/entity/change.h"
#include "runtime/identity/principal.h"
#include "store/log/event_block.h"
#include "store/log/log_reader.h"
#include "store/rows/dead_letters.h"
#include "store/rows/row_batch.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {

struct Script;
struct WorkflowTurn;

// One event for one subscription.
struct DeliveryItem {
    std::uint32_t event_index = 0;  // in the job's block
    core::SubscriptionId subscription;
    // Where the payload begins in the event's text, if whoever matched it came by there (0: it did
    // not): a handler that reads it has not to look for it again.
    std::uint32_t payload_at = 0;
};

// What a later attempt knows of the earlier ones.
struct EarlierAttempts {
    std::uint32_t made = 0;
    std::uint32_t counted = 0;       // of those, the ones that used up a retry
    std::int64_t created_at_us = 0;  // when the first one failed; 0: none has
    std::string history;             // JSON array of the attempts so far; "" = none
    std::string replay_id;           // the replay that began this delivery; usually empty
    bool holds_key = false;          // the head of its key in the lane's KeyOrder
    bool ends_event = false;         // its first outcome is the event's last one to come
    bool by_wall_clock = false;      // it waits for a time that its sender named
};

// A change of an entity: the hooks before it run one after the other, then all of it is one commit.
struct EntityCall {
    EntityChange change;
    std::size_t event_bytes_max = core::kEventBytesMax;
    // Of the hooks that have run.
    AttemptEffects effects;
    std::string logs_json;  // a JSON array; empty: none
    std::int64_t began_ns = 0;
};

// What a script run by the API is answered with.
struct ScriptRunResult {
    core::Status status;      // an Error is the HTTP error of the call
    std::string result_json;  // "null" when the script returned nothing
    std::string logs_json;    // a JSON array
    std::string execution_id;
    std::int64_t duration_us = 0;
    std::string error;        // what the script raised
    std::string_view reason;  // why it failed: AttemptResult::outcome_text
    std::int64_t started_at_us = 0;
    EndpointAnswer answer;                   // a call of an endpoint that went well
    std::vector<std::string> subscriptions;  // that it has asked for (AttemptEffects)
    // A change of an entity: as it was settled; if it was not, the hook that failed and, if it has
    // said so itself, what it said (AttemptEffects::abort_json).
    std::shared_ptr<EntityCall> entity;
    std::string failed_hook;
    std::string abort_json;
    // Not empty: it has changed nothing, and is told before its record, which is this, is written:
    // whoever is told writes it.
    std::string record;
};

// What is different when it is a call of an endpoint.
struct EndpointCall {
    std::string name;
    std::uint32_t timeout_ms = 0;  // 0: the script's
    bool authenticated = false;
    std::string answer_id;  // the row that keeps the answer for its Idempotency-Key; empty: none
    std::uint64_t request_hash = 0;
    std::vector<std::string> old_answers;  // rows that leave with it
};

struct ScriptRunJob {
    identity::Principal caller;
    std::uint32_t script_number = 0;
    std::string input_json;  // {"query":...,"body":...}
    std::optional<EndpointCall> endpoint;
    std::shared_ptr<EntityCall> entity;  // script and input are then its next hook's
    // A turn of a workflow: of the version that its run is pinned to, whatever the registry has.
    std::shared_ptr<WorkflowTurn> workflow;
    std::shared_ptr<const Script> pinned;
    std::string trace;  // that it came with, as TraceHeaders tells it; empty: none
    std::string execution_id;
    // Called once: on a shard's thread when everything is durable, or on the lane's, with a record.
    std::function<void(ScriptRunResult&&)> done;
    // Whether `done` may be told with a record of so many bytes, asked right before. Null: it waits
    // until everything is durable, whatever the run has done.
    std::function<bool(std::size_t bytes)> goes_ahead;
};

// A delivery that comes without its block: it was parked behind another one of its key, or its
// subscription is behind.
struct ParkedDelivery {
    store::OwnedEvent event;
    EarlierAttempts earlier;
};

enum class JobKind : std::uint8_t {
    kBlock,
    kRetry,
    kRedrive,
    kReplay,
    kParked,     // a key's parked deliveries, in their order
    kBehind,     // first deliveries of a subscription that is behind, in their order
    kLostEvent,  // the event of a retry is no longer kept: its row goes
    kForget,     // the subscription was removed: no key is held up for it any more
    kReturn,     // an event that did not fit a schema is asked for again: `single` stands for it
    kScriptRun,
};

struct LaneJob {
    JobKind kind = JobKind::kBlock;
    store::EventBlock block;
    std::vector<DeliveryItem> items;
    // Instead of a block: the one event of a retry or a redrive; event_index is 0 then.
    std::optional<store::OwnedEvent> single;
    EarlierAttempts earlier;
    // kRetry, kRedrive, kReturn, kLostEvent: key of the row that it waited in.
    std::int64_t retry_due_at_us = 0;
    std::vector<ParkedDelivery> parked;            // kParked, kBehind; by event_index
    DrainRequest drain;                            // kParked: what was asked for
    bool drain_complete = false;                   // kParked: there were no more
    KeyedDelivery lost;                            // kLostEvent; kForget: its subscription
    core::TenantId lost_tenant;                    // kLostEvent: whose event it was
    std::optional<store::DeadLetterKey> redrive;   // kRedrive: the row that leaves on success
    std::optional<store::OwnedDeadLetter> letter;  // kReturn: likewise
    // kRedrive, kReturn: the event as somebody has corrected it (letter_edit.h); empty: nobody has.
    std::string edited;
    std::string replay_id;  // kReplay
    std::unique_ptr<ScriptRunJob> run;
    // Called on a shard's thread when the outcome of all items is durable: (delivered, failed).
    std::function<void(std::uint64_t, std::uint64_t)> finished;
    // kBehind, the same: how many were left out because the subscription does not run.
    std::function<void(std::uint64_t)> behind_done;

    const store::OwnedEvent& owned(std::uint32_t index) const {
        return parked.empty() ? *single : parked[index].event;
    }
    store::StoredEvent event(std::uint32_t index) const {
        return block ? block.event(index) : owned(index).event;
    }
    core::LogPosition block_position(std::uint32_t index) const {
        if (block) return {block.shard(), block.first_offset()};
        return {owned(index).event.position.shard, owned(index).block_first_offset};
    }
    const EarlierAttempts& attempts_before(std::uint32_t index) const {
        return parked.empty() ? earlier : parked[index].earlier;
    }
    // Whose results these are.
    core::ShardId shard() const {
        if (kind == JobKind::kReturn) return single->event.position.shard;
        if (kind == JobKind::kLostEvent || kind == JobKind::kForget) return lost.position.shard;
        return items.empty() ? drain.from.shard : block_position(items[0].event_index).shard;
    }
};

// A lane's word to the shard of a result: this subscription falls behind there. `taken` is set when
// the shard knows.
struct BehindAsk {
    core::SubscriptionId subscription;
    std::shared_ptr<std::atomic<bool>> taken;
};

// An emitted event that stands for what could be none: a dead letter of no subscription
// (event/misfit.h).
struct EmittedLetter {
    std::uint32_t entry = 0;     // which of the emitted events
    std::string_view pattern{};  // of the letter; a static text
    std::string event_id{};      // what it stands for
    std::string why{};
};

// An emitted event's trace, as it is kept beside it (event/trace_context.h).
struct EmittedTrace {
    std::uint32_t entry = 0;  // which of the emitted events
    std::string text{};       // as TraceHeaders tells it
};

// A lane's answer to the shard: rows and emitted events that take effect together.
struct LaneResult {
    core::ShardId shard;
    std::uint32_t lane = 0;  // filled in by the shard that takes it
    // First offsets of blocks: the lane's share of each is done, a kBlock job's.
    std::vector<core::LogOffset> finished_parts;
    store::RowBatch rows;
    core::BufferRef emitted;                      // NDJSON envelopes; null when there are none
    std::vector<std::uint8_t> emitted_depths;     // of each: handlers between it and a client
    std::vector<core::TenantId> emitted_tenants;  // of each: its cause's
    // Which of them are dead letters that come back: no handler has made them.
    std::vector<std::uint32_t> returning;
    std::vector<EmittedLetter> letters;  // by their entries
    std::vector<EmittedTrace> traces;    // likewise; mostly empty
    // Called once on the shard's thread, right before `rows` go in: what is counted there is of one
    // commit with them. `there`: which of the emitted events were in the log already, in rising
    // order. Null: nobody asks.
    std::function<void(store::RowBatch& rows, std::span<const std::uint32_t> there)> when_counted;
    // Events and rows are one write, however many homes and units the events have: for whoever can
    // not give an event that comes again the id that it had.
    bool whole = false;
    std::uint64_t deliveries = 0;   // first attempts in here: no longer waiting
    std::vector<BehindAsk> behind;  // to be known before the parts are finished
    // Deliveries that were passed over because their subscription is behind.
    std::vector<std::pair<core::SubscriptionId, std::uint32_t>> passed_over;
    std::vector<std::function<void()>> when_durable;
};

// A block read back from the log, matched, and split into one job a lane.
struct ColdBlock {
    core::LogOffset first;
    core::LogOffset end;
    std::vector<std::pair<std::uint32_t, std::unique_ptr<LaneJob>>> jobs;  // lane, job
    std::uint64_t unmatched = 0;
};

}  // namespace millrace::runtime
