// What: what does something because of an event: runs a script, calls a webhook, starts a command.
//       A lane prepares a delivery (order, due, limits), starts an attempt here, and settles what
//       comes of it. The answer comes at once, or the attempt is pending and answers through an
//       AnswerPort: later, in any order, from any thread. An executor knows no store, no socket and
//       no ring, and decides nothing about retries.
// Threads: start(), do_work() and abandon() on the lane's thread; an answer from any.
// Lifetime: outlives the lane; the AnswerPort outlives the executor's threads.
// Limits: bounds() says how many attempts of a subscription may be pending, and for how long. More
//       of them wait in the lane, which takes no more blocks when too many wait (lane.h).
// Failure: an attempt that fails is an answer. One that never answers is told to abandon() when its
//       time is over and counts as failed; what it answers after that, or twice, is dropped.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/attempt_result.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/script_host.h"
#include "runtime/delivery/script_types.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace millrace::runtime {

// One attempt on one lane; never used again in this process.
using AttemptTicket = core::StrongInt<struct AttemptTicketTag, std::uint64_t>;

// What is to be attempted. The event's text, the call and the subscription live until the attempt
// is over, the host until the lane ends; all else until start() returns: whoever goes on later
// keeps copies of it.
struct AttemptInput {
    AttemptTicket ticket;
    const RegistrySnapshot* registry = nullptr;
    LuaHost* host = nullptr;
    // A delivery: one event for one subscription.
    const Subscription* subscription = nullptr;
    const store::StoredEvent* event = nullptr;
    std::uint32_t payload_at = 0;  // see DeliveryItem
    std::string_view event_id;     // where the server made it; empty: it is in the text
    LuaLazyText execution_id;      // of the delivery
    LuaLazyText delivery_id;       // the same over all attempts, redrives and replays
    std::string_view replay_json;  // {"id":...}; empty: no replay
    std::uint32_t attempt = 1;
    std::uint32_t silent = 0;  // of the attempts before: those that did not count
    // Or a call that somebody waits for; subscription and event are null then.
    const ScriptRunJob* call = nullptr;
    std::int64_t started_at_us = 0;
    // A script whose cause is not durable yet: it comes to its end at once, or it is not started.
    bool early = false;
};

struct PendingBounds {
    std::uint32_t window = 100;        // attempts of one subscription pending on one lane
    std::int64_t timeout_ms = 30'000;  // until then an answer counts
};

class Executor {
public:
    enum class Start : std::uint8_t {
        kDone,      // the result is there
        kPending,   // it comes through the AnswerPort, or never
        kHeld,      // it may not run now (deactivated): the delivery waits, nothing is counted
        kTooEarly,  // of one that is early: it waits for something, and nothing has been done
    };

    virtual ~Executor() = default;
    // `result` is empty at first, and filled when kDone; of kHeld, its error says why.
    virtual Start start(const AttemptInput& input, AttemptResult& result) = 0;
    // Asked only of those that have answered kPending.
    virtual PendingBounds bounds(const AttemptInput&) const { return {}; }
    // Nobody waits for this attempt any more.
    virtual void abandon(AttemptTicket) {}
    // Each turn of the lane, for executors that have work of their own there; next_work_ns() is
    // when there will be some if nothing else happens, on the monotonic clock.
    virtual std::size_t do_work() { return 0; }
    // A commit is about to be made of what came of attempts: what the executor wants to find after
    // the next start goes along.
    virtual void keep(store::RowBatch& /*rows*/, std::int64_t /*now_us*/) {}
    virtual std::optional<std::int64_t> next_work_ns() const { return std::nullopt; }
};

// Where pending attempts answer.
class AnswerPort {
public:
    virtual ~AnswerPort() = default;
    // False: too many answers wait; `result` stays with the caller, who asks again.
    virtual bool answer(AttemptTicket ticket, AttemptResult& result) = 0;
    // The lane has a turn soon: its executor has something to do.
    virtual void wake() {}
};

}  // namespace millrace::runtime
