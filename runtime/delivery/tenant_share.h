// What: who has the lane next, among tenants. A tenant that takes no more than its share of the
//       lane has its deliveries made as they come; within it, one that burns is set aside
//       (fair_share.h). One that takes more, where others may want the lane, is set aside whole:
//       its deliveries queue up here in their order, and it has its turns beside the others, each
//       tenant the same share of measured time. So what waits of one tenant delays another's by its
//       share, not by its backlog.
// Threads: the lane's. Lifetime: value; jobs outlive what is in here of them.
// Limits: what queues here is bounded by the lane's open jobs. A handler is not interrupted: others
//       wait for the run that goes on.
// Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/fair_share.h"
#include "runtime/delivery/pending_attempts.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::runtime {

class TenantShare {
public:
    static constexpr std::int64_t kNoticedNs = FairShare::kNoticedNs;
    // Who uses more than its share of a window, while the lane has next to no rest, is set aside.
    static constexpr std::int64_t kWindowNs = FairShare::kWindowNs;
    static constexpr std::int64_t kUsedNsMin = FairShare::kUsedNsMax;

    // There are other tenants: what waits behind a backlog may be theirs, and is not seen here.
    void expect_others(bool others) { others_ = others; }

    // A delivery that is not aside took so long; the clock stands at `now_ns`.
    void charge(core::TenantId tenant, core::SubscriptionId subscription, std::int64_t took_ns,
                std::int64_t now_ns) {
        if (now_ns >= window_end_ns_) [[unlikely]]
            roll(now_ns);
        Group& group = group_of(tenant);
        group.share.charge(subscription, took_ns, now_ns);
        stream_ns_ += took_ns;
        use(group, took_ns, now_ns);
    }
    bool is_aside(core::TenantId tenant, core::SubscriptionId subscription) {
        const Group& group = group_of(tenant);
        return group.aside || group.share.is_aside(subscription);
    }
    void push(core::TenantId tenant, core::SubscriptionId subscription,
              const WaitingDelivery& delivery);

    bool has_waiting() const { return !waiting_.empty(); }
    std::size_t live_waiting() const;
    // The subscription of which most live deliveries wait, and how many.
    std::pair<core::SubscriptionId, std::size_t> longest() const;
    // Its live ones leave, in their order.
    void take_live(core::SubscriptionId subscription, std::deque<WaitingDelivery>& out);
    // Whether what is aside has its turn, though the others have something to do.
    bool is_turn_of_aside();
    // They have nothing to do: what they do not use now they do not save up.
    void others_are_idle();
    // The next delivery of the tenant that has had the least; only while has_waiting().
    const WaitingDelivery& first();
    WaitingDelivery take();
    // What take() gave took so long.
    void charge_taken(std::int64_t took_ns);
    void clear();

private:
    struct Queued {
        core::SubscriptionId subscription;
        WaitingDelivery delivery;
    };
    struct Group {
        FairShare share;           // among its subscriptions
        std::deque<Queued> queue;  // while it is aside: what would have come as it came
        bool aside = false;
        bool active = false;  // in this window
        bool active_before = false;
        std::int64_t used_ns = 0;  // in this window
        std::size_t live = 0;      // in the queue
        double had_ns = 0;         // by what waits of it, on the scale of stream_had_ns_

        bool waits() const { return !queue.empty() || share.has_waiting(); }
        // The part of a tenant's share that is for what waits of it.
        double weight() const { return aside ? 1 : share.part_of_aside(); }
    };

    Group& group_of(core::TenantId tenant) {
        if (last_ && last_tenant_ == tenant) [[likely]]
            return *last_;
        return find(tenant);
    }
    void use(Group& group, std::int64_t took_ns, std::int64_t now_ns) {
        now_ns_ = now_ns;
        used_ns_ += took_ns;
        group.used_ns += took_ns;
        if (!group.active) [[unlikely]]
            begin_use(group);
        if (active_ > 1 && group.used_ns > share_ns_) [[unlikely]]
            notice(group);
    }
    bool alone() const { return active_ < 2; }
    Group& find(core::TenantId tenant);
    void roll(std::int64_t now_ns);
    void begin_use(Group& group);
    void set_active(std::size_t active);
    void notice(Group& group);
    void settle_stream();
    Group& least() const;
    bool queue_is_next(Group& group);
    void end_if_idle(Group& group);

    std::unordered_map<std::uint32_t, Group> tenants_;
    Group* last_ = nullptr;
    core::TenantId last_tenant_;
    std::vector<Group*> waiting_;  // those of which something waits
    Group* taken_ = nullptr;       // whose delivery take() gave
    bool taken_from_queue_ = false;
    core::SubscriptionId taken_subscription_;
    std::int64_t now_ns_ = 0;
    std::int64_t window_begin_ns_ = 0;
    std::int64_t window_end_ns_ = 0;
    bool others_ = false;
    std::size_t seen_ = 0;               // tenants, in this window and the one before
    std::size_t active_ = 0;             // ...and with those that may come
    std::int64_t share_ns_ = kWindowNs;  // of each of them
    std::int64_t used_ns_ = 0;           // by all, in this window
    std::int64_t stream_ns_ = 0;         // by those not aside, since the last look
    double stream_had_ns_ = 0;           // by each of them, on average
    double stream_weight_ = 1;           // how many they are, roughly
};

}  // namespace millrace::runtime
