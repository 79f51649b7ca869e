// What: the attempts of one lane that have begun and not ended, and the deliveries that wait in
//       memory because of them: for an earlier one of their partition key, or for room in their
//       subscription's window. Pure bookkeeping; what waits keeps its job, and so its block, open.
// Threads: the lane's. Lifetime: value; jobs outlive what is in here of them.
//       Who waits for room goes before those of a lower priority, but never before one of its key.
// Limits: kPendingMax attempts pending on a lane, but kOfTenantMin of each tenant whatever others
//       have; PendingBounds::window of one subscription; what waits is bounded by the lane's open
//       jobs (lane.h); one of a higher priority passes kPassedMax others at most.
// Failure: none; a ticket that is not known answers nothing.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/executor.h"
#include "runtime/registry/registry_types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

struct OpenJob;

// A delivery whose turn has not come.
struct WaitingDelivery {
    enum class Turn : std::uint8_t {
        kFirst,     // it comes for the first time
        kFromLine,  // it waited for room in its subscription's window
        kFromKey,   // it waited for its key: now it is the key's first
    };
    OpenJob* job = nullptr;
    std::uint32_t item = 0;
    Turn turn = Turn::kFirst;
    bool ends_event = false;  // its outcome is counted as the event's
    bool apart = false;       // not with the other deliveries of its event
    bool live = false;        // it came with its shard's block, which waits for it
    // While it waits for room:
    std::int32_t priority = 0;  // its event's
    std::uint32_t key_hash = 0;
    bool keyed = false;
};

struct PendingAttempt {
    AttemptTicket ticket;
    WaitingDelivery delivery;
    Executor* executor = nullptr;
    std::shared_ptr<const Subscription> subscription;  // null: a call
    std::int64_t began_ns = 0;
    std::int64_t started_at_us = 0;
    std::int64_t timeout_ms = 0;
    std::uint32_t key_hash = 0;
    bool keyed = false;  // later ones of its key wait for it here
};

// Where in the order of deliveries one stands.
struct DeliveryPlace {
    core::SubscriptionId subscription;
    std::uint32_t key_hash = 0;
    bool keyed = false;  // its key's order counts
};

class PendingAttempts {
public:
    static constexpr std::size_t kPendingMax = 16'384;
    static constexpr std::size_t kOfTenantMin = 64;
    static constexpr std::size_t kPassedMax = 1'024;
    // Asked of those alone that have to wait for room: it is in the event's text.
    using PriorityOf = std::function<std::int32_t()>;

    PendingAttempts() = default;
    bool idle() const { return lines_.empty() && attempts_.empty(); }
    std::size_t pending() const { return attempts_.size(); }
    std::size_t waiting() const { return waiting_; }
    std::size_t live_waiting() const { return live_waiting_; }
    // Of those that wait, the ones for subscriptions of this type.
    std::size_t waiting(ExecutorType type) const {
        return waiting_by_type_[static_cast<std::size_t>(type)];
    }
    // The subscription of which most live deliveries wait, and how many.
    std::pair<core::SubscriptionId, std::size_t> longest() const;
    // Its live ones are to be tried now, whatever they wait for.
    void let_out_live(core::SubscriptionId subscription);

    AttemptTicket next_ticket() const { return AttemptTicket(last_ticket_ + 1); }
    // With next_ticket(), which is used up by it. A call has no place.
    void add(PendingAttempt&& attempt, std::uint32_t window);

    // Whether something else comes first: then the delivery waits in here.
    bool make_wait(const WaitingDelivery& delivery, const DeliveryPlace& place,
                   const PriorityOf& priority_of = {});
    // A delivery that did not become pending is over, whatever it came to. To be told while idle()
    // is false.
    void ended(const DeliveryPlace& place);
    // A pending attempt is over. Nothing: it was before, or never was.
    std::optional<PendingAttempt> take(AttemptTicket ticket);
    const PendingAttempt* find(AttemptTicket ticket) const;
    // The earliest one whose time is over.
    std::optional<AttemptTicket> overdue(std::int64_t now_ns) const;
    std::optional<std::int64_t> next_deadline_ns() const;
    // Those that waited and may be tried: they ask make_wait() again.
    bool has_ready() const { return !ready_.empty(); }
    const WaitingDelivery& first_ready() const { return ready_.front().delivery; }
    WaitingDelivery take_ready();

    // Forgets all of it, after a look at each pending one.
    template <typename Visit>
    void clear(Visit visit) {
        for (auto& [ticket, attempt] : attempts_) visit(attempt);
        *this = PendingAttempts(last_ticket_);
    }

private:
    explicit PendingAttempts(std::uint64_t last_ticket) : last_ticket_(last_ticket) {}
    struct Line {
        ExecutorType type = ExecutorType::kScript;
        std::uint32_t tenant = 0;
        std::size_t pending = 0;
        std::size_t let_out = 0;  // into ready_
        std::uint32_t window = UINT32_MAX;
        std::size_t waiting_keys = 0;  // those who wait for a key
        std::size_t live = 0;          // of all that wait
        std::deque<WaitingDelivery> waiting;
        std::size_t come_back = 0;  // at the front: let out, and found no room after all
    };
    struct Ready {
        WaitingDelivery delivery;
        std::uint32_t subscription = 0;
    };
    static std::uint64_t key_of(const DeliveryPlace& place) {
        return (std::uint64_t{place.subscription.value} << 32) | place.key_hash;
    }
    bool full(const Line& line) const;
    static void stand_in_line(Line& line, const WaitingDelivery& delivery);
    void begins_to_wait(Line& line, const WaitingDelivery& delivery);
    void no_longer_waits(Line& line, const WaitingDelivery& delivery);
    template <typename Waiting>
    void let_out_live(core::SubscriptionId subscription, Line& line, Waiting& waiting);
    void let_out(std::uint32_t subscription, Line& line);
    void next_of_key(const DeliveryPlace& place);
    void let_out_or_drop(std::uint32_t subscription);
    void note_stalled(std::uint32_t subscription, const Line& line);
    void serve_stalled();
    void serve_tenant(std::uint32_t tenant);

    std::uint64_t last_ticket_ = 0;
    std::unordered_map<std::uint64_t, PendingAttempt> attempts_;
    std::set<std::pair<std::int64_t, std::uint64_t>> deadlines_;  // and ticket
    // Of each key of which one is pending, or was let out and has not ended: those behind it.
    // Mostly nobody: a list without members has no memory of its own, a deque has.
    std::unordered_map<std::uint64_t, std::list<WaitingDelivery>> keys_;
    std::unordered_map<std::uint32_t, Line> lines_;             // by subscription
    std::unordered_map<std::uint32_t, std::size_t> of_tenant_;  // pending, where there are any
    std::set<std::uint32_t> stalled_;  // whose line waits for the lane, not for its window
    std::uint32_t served_last_ = 0;    // of them
    std::deque<Ready> ready_;
    std::size_t waiting_ = 0;
    std::size_t live_waiting_ = 0;
    std::array<std::size_t, kExecutorTypes> waiting_by_type_{};
};

}  // namespace millrace::runtime
