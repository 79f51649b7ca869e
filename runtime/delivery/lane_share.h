// What: who has the lane next: tenants share its time, and of each its subscriptions share the
//       tenant's part (time_share.h, twice). Deliveries are made as they come while nobody takes
//       more than a little of the lane or nothing else waits. A tenant that does is set aside: all
//       its deliveries queue up here in their order, and it has its turns beside the others. A
//       subscription that burns is set aside within its tenant. So what waits of one delays
//       another's by its share, not by its backlog.
// Threads: the lane's. Lifetime: value; jobs outlive what is in here of them.
// Limits: what queues here is bounded by the lane's open jobs. A handler is not interrupted: others
//       wait for the run that goes on.
// Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/pending_attempts.h"
#include "runtime/delivery/time_share.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace millrace::runtime {

class LaneShare {
public:
    // Others may stand behind a tenant's next delivery, unseen: it has this much and then a queue.
    static constexpr std::int64_t kTenantAllowanceNs = 1'000'000;
    // Of its tenant's others: deliveries that take less than kNoticedNs are not looked at.
    static constexpr std::int64_t kSubscriptionAllowanceNs = 10'000'000;
    static constexpr std::int64_t kNoticedNs = 100'000;

    // There are other tenants: what waits behind a backlog may be theirs, and is not seen here.
    void expect_others(bool others) { tenants_.expect_others(others); }

    // A delivery that is not aside took so long; the clock stands at `now_ns`. `more`: something
    // else waits for the lane.
    void charge(core::TenantId tenant, core::SubscriptionId subscription, std::int64_t took_ns,
                std::int64_t now_ns, bool more) {
        tenants_.charge(tenant.value, took_ns, now_ns, more);
        tenants_.of(tenant.value).own.charge(subscription.value, took_ns, now_ns, more);
    }
    bool is_aside(core::TenantId tenant, core::SubscriptionId subscription) {
        const Tenant& of = tenants_.of(tenant.value);
        return of.aside || of.own.is_aside(subscription.value);
    }
    void push(core::TenantId tenant, core::SubscriptionId subscription,
              const WaitingDelivery& delivery);

    bool has_waiting() const { return tenants_.has_waiting(); }
    std::size_t live_waiting() const { return live_; }
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
    // What take() gave took so long; the clock stands at `now_ns`.
    void charge_taken(std::int64_t took_ns, std::int64_t now_ns);
    void clear();

private:
    struct Queued {
        core::SubscriptionId subscription;
        WaitingDelivery delivery;
    };
    struct Line {
        std::deque<WaitingDelivery> line;
        std::size_t live = 0;  // of them
    };
    using Subscriptions = TimeShare<Line>;
    struct OfTenant {
        Subscriptions own{{kSubscriptionAllowanceNs, kNoticedNs}};
        std::deque<Queued> queue;  // while it is aside: what would have come as it came
    };
    using Tenants = TimeShare<OfTenant>;
    using Tenant = Tenants::Party;

    // The part of a tenant's share that is for what waits of it.
    static double weight(const Tenant& of) { return of.aside ? 1 : of.own.part_of_aside(); }
    void push_aside(Tenant& of, core::SubscriptionId subscription, const WaitingDelivery& delivery);
    bool queue_is_next(Tenant& of);
    void end_if_idle(Subscriptions& own, Subscriptions::Party& of);
    void end_if_idle(Tenant& of);

    Tenants tenants_{{kTenantAllowanceNs, 0}};
    std::size_t live_ = 0;
    // Whose delivery take() gave: of the tenant's queue, or of a line.
    Tenant* taken_ = nullptr;
    Subscriptions::Party* taken_line_ = nullptr;
    core::SubscriptionId taken_subscription_;
    double taken_weight_ = 1;
};

}  // namespace millrace::runtime
