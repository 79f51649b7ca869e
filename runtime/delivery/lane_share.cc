#include "runtime/delivery/lane_share.h"

#include <unordered_map>
#include <vector>

namespace millrace::runtime {

void LaneShare::push_aside(Tenant& of, core::SubscriptionId subscription,
                           const WaitingDelivery& delivery) {
    Subscriptions::Party& party = of.own.of(subscription.value);
    party.line.push_back(delivery);
    party.live += delivery.live;
    of.own.begin_wait(party);
}

void LaneShare::push(core::TenantId tenant, core::SubscriptionId subscription,
                     const WaitingDelivery& delivery) {
    Tenant& of = tenants_.of(tenant.value);
    if (of.aside)
        of.queue.push_back({subscription, delivery});
    else
        push_aside(of, subscription, delivery);
    live_ += delivery.live;
    tenants_.begin_wait(of);
}

std::pair<core::SubscriptionId, std::size_t> LaneShare::longest() const {
    std::pair<core::SubscriptionId, std::size_t> most{{}, 0};
    if (live_ == 0) return most;
    std::unordered_map<std::uint32_t, std::size_t> live;
    tenants_.for_each_waiting([&](const Tenant& of) {
        of.own.for_each_waiting(
            [&](const Subscriptions::Party& party) { live[party.id] += party.live; });
        for (const Queued& one : of.queue) live[one.subscription.value] += one.delivery.live;
    });
    for (const auto& [subscription, count] : live) {
        if (count > most.second) most = {core::SubscriptionId(subscription), count};
    }
    return most;
}

void LaneShare::take_live(core::SubscriptionId subscription, std::deque<WaitingDelivery>& out) {
    const std::size_t before = out.size();
    std::vector<Tenant*> tenants;
    tenants_.for_each_waiting([&](Tenant& of) { tenants.push_back(&of); });
    for (Tenant* of : tenants) {
        if (auto* party = of->own.find(subscription.value); party && party->live != 0) {
            std::deque<WaitingDelivery> others;
            for (const WaitingDelivery& delivery : party->line)
                (delivery.live ? out : others).push_back(delivery);
            party->live = 0;
            party->line.swap(others);
            end_if_idle(of->own, *party);
        }
        std::deque<Queued> others;
        for (const Queued& one : of->queue) {
            if (one.subscription == subscription && one.delivery.live)
                out.push_back(one.delivery);
            else
                others.push_back(one);
        }
        of->queue.swap(others);
        end_if_idle(*of);
    }
    live_ -= out.size() - before;
}

bool LaneShare::is_turn_of_aside() {
    if (!tenants_.has_waiting()) return false;
    Tenant& of = tenants_.least();
    if (tenants_.alone() && !of.aside) return of.own.is_turn_of_waiting();
    return tenants_.is_turn_of_waiting();
}

void LaneShare::others_are_idle() {
    if (!tenants_.has_waiting()) return;
    Tenant& of = tenants_.least();
    if (of.queue.empty()) of.own.stream_is_idle();
    tenants_.stream_is_idle(weight(of));
}

// What was queued of a subscription that has been set aside since waits with it.
bool LaneShare::queue_is_next(Tenant& of) {
    while (!of.queue.empty() && of.own.is_aside(of.queue.front().subscription.value)) {
        push_aside(of, of.queue.front().subscription, of.queue.front().delivery);
        of.queue.pop_front();
    }
    if (of.queue.empty()) {
        of.own.stream_is_idle();
        return false;
    }
    return !of.own.is_turn_of_waiting();
}

const WaitingDelivery& LaneShare::first() {
    Tenant& of = tenants_.least();
    return queue_is_next(of) ? of.queue.front().delivery : of.own.least().line.front();
}

WaitingDelivery LaneShare::take() {
    Tenant& of = tenants_.least();
    taken_ = &of;
    taken_line_ = nullptr;
    taken_weight_ = weight(of);  // as it was while this one waited
    WaitingDelivery delivery;
    if (queue_is_next(of)) {
        delivery = of.queue.front().delivery;
        taken_subscription_ = of.queue.front().subscription;
        of.queue.pop_front();
    } else {
        taken_line_ = &of.own.least();
        delivery = taken_line_->line.front();
        taken_line_->line.pop_front();
        taken_line_->live -= delivery.live;
        end_if_idle(of.own, *taken_line_);
    }
    live_ -= delivery.live;
    end_if_idle(of);
    return delivery;
}

void LaneShare::charge_taken(std::int64_t took_ns, std::int64_t now_ns) {
    Tenant& of = *std::exchange(taken_, nullptr);
    tenants_.charge_waited(of, took_ns, taken_weight_);
    if (taken_line_)
        of.own.charge_waited(*taken_line_, took_ns);
    else
        of.own.charge(taken_subscription_.value, took_ns, now_ns, !of.queue.empty());
}

void LaneShare::end_if_idle(Subscriptions& own, Subscriptions::Party& of) {
    if (of.line.empty()) own.end_wait(of);
}

// What comes next of it is delivered where it stands.
void LaneShare::end_if_idle(Tenant& of) {
    if (!of.queue.empty()) return;
    if (of.own.has_waiting())
        tenants_.rejoin(of);
    else
        tenants_.end_wait(of);
}

void LaneShare::clear() {
    tenants_.clear();
    live_ = 0;
    taken_ = nullptr;
    taken_line_ = nullptr;
}

}  // namespace millrace::runtime
