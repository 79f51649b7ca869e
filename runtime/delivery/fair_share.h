// What: who has the lane next, of a tenant's subscriptions (among tenants: tenant_share.h). Those
//       that take little time share it by the order in which their deliveries come. One that takes
//       much is set aside: its deliveries queue up here, and it has its turns beside the others, by
//       deficit round robin over measured time: each subscription the same share. So a handler that
//       burns 50 ms an event delays a hundred quick ones by its share, not by its backlog.
// Threads: the lane's. Lifetime: value; jobs outlive what is in here of them.
// Limits: what queues here is bounded by the lane's open jobs. A handler is not interrupted: others
//       wait for the run that goes on.
// Failure: none.
#pragma once

#include "core/ids.h"
#include "runtime/delivery/pending_attempts.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

class FairShare {
public:
    // Deliveries that take less are not looked at one by one.
    static constexpr std::int64_t kNoticedNs = 100'000;
    // Who uses more than this of a window of kWindowNs, and is not alone, is set aside.
    static constexpr std::int64_t kWindowNs = 100'000'000;
    static constexpr std::int64_t kUsedNsMax = 10'000'000;

    // A delivery of a subscription that is not aside took so long; the clock stands at `now_ns`.
    void charge(core::SubscriptionId subscription, std::int64_t took_ns, std::int64_t now_ns) {
        seen_[subscription.value % kSeenBits / 64] |= std::uint64_t{1} << (subscription.value % 64);
        others_ns_ += took_ns;
        if (took_ns >= kNoticedNs) [[unlikely]]
            notice(subscription, took_ns, now_ns);
    }
    bool is_aside(core::SubscriptionId subscription) const {
        if (aside_ == 0) [[likely]]
            return false;
        const auto at = parties_.find(subscription.value);
        return at != parties_.end() && at->second.aside;
    }
    void push(core::SubscriptionId subscription, const WaitingDelivery& delivery);

    bool has_waiting() const { return waiting_ != 0; }
    // What those that are aside have of the time, where all have the same.
    double part_of_aside() const {
        if (aside_ == 0) return 0;
        return static_cast<double>(aside_) / static_cast<double>(others() + aside_);
    }
    std::size_t live_waiting() const { return live_waiting_; }
    // The subscription of which most live deliveries wait, and how many.
    std::pair<core::SubscriptionId, std::size_t> longest() const;
    // Its live ones leave, in their order.
    void take_live(core::SubscriptionId subscription, std::deque<WaitingDelivery>& out);
    // Whether one that is aside has its turn, though the others have something to do.
    bool is_turn_of_aside();
    // They have nothing to do: what they do not use now they do not save up.
    void others_are_idle();
    // The next delivery of the one that has had the least; only while has_waiting().
    const WaitingDelivery& first();
    WaitingDelivery take();
    // What take() gave took so long.
    void charge_taken(std::int64_t took_ns);
    void clear();

private:
    struct Party {
        bool aside = false;
        std::int64_t window = 0;   // in which it used
        std::int64_t used_ns = 0;  // so much, while not aside
        std::int64_t had_ns = 0;   // while aside: on the scale of others_had_ns_
        std::deque<WaitingDelivery> waiting;
        std::size_t live = 0;  // of them
    };
    // What the others may save up while they have nothing to do.
    static constexpr std::int64_t kCreditNsMax = 5'000'000;
    static constexpr std::size_t kPartiesMax = 4096;
    static constexpr std::size_t kSeenBits = 1024;
    using Parties = std::unordered_map<std::uint32_t, Party>;

    void notice(core::SubscriptionId subscription, std::int64_t took_ns, std::int64_t now_ns);
    std::size_t others() const;
    void settle_others();
    Parties::iterator least();
    void end_if_idle(Party& party);

    Parties parties_;
    std::size_t aside_ = 0;
    std::size_t waiting_ = 0;
    std::size_t live_waiting_ = 0;
    std::uint32_t taken_ = 0;  // whose delivery take() gave
    std::int64_t window_ = 0;
    std::int64_t others_ns_ = 0;      // used by the others since the last look
    std::int64_t others_had_ns_ = 0;  // by each of them, on average
    // Which the others are, roughly: of this window and the one before.
    std::array<std::uint64_t, kSeenBits / 64> seen_{}, seen_before_{};
};

}  // namespace millrace::runtime
