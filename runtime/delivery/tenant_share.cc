#include "runtime/delivery/tenant_share.h"

#include "core/assert.h"

#include <algorithm>

namespace millrace::runtime {

namespace {

// What the others may save up while they have nothing to do.
constexpr double kCreditNs = 5'000'000;
constexpr double kWeightMin = 0.001;
// A lane that has more rest than a tenth of the time has room for all.
constexpr std::int64_t kBusyOfTen = 9;

}  // namespace

TenantShare::Group& TenantShare::find(core::TenantId tenant) {
    last_tenant_ = tenant;
    last_ = &tenants_[tenant.value];
    return *last_;
}

void TenantShare::set_active(std::size_t active) {
    active_ = others_ ? std::max<std::size_t>(2, active) : active;
    active = active_;
    share_ns_ = std::max(kUsedNsMin,
                         kWindowNs / static_cast<std::int64_t>(std::max<std::size_t>(1, active)));
}

void TenantShare::begin_use(Group& group) {
    group.active = true;
    if (!group.active_before) set_active(++seen_);
}

void TenantShare::roll(std::int64_t now_ns) {
    window_begin_ns_ = now_ns - now_ns % kWindowNs;
    window_end_ns_ = window_begin_ns_ + kWindowNs;
    used_ns_ = 0;
    last_ = nullptr;
    std::size_t active = 0;
    double weight = 0;
    for (auto at = tenants_.begin(); at != tenants_.end();) {
        Group& group = at->second;
        const bool gone = !group.active && !group.aside && !group.waits() && &group != taken_;
        if (gone) {
            at = tenants_.erase(at);
            continue;
        }
        group.active_before = std::exchange(group.active, false);
        group.used_ns = 0;
        active += group.active_before;
        if (group.active_before && !group.aside) weight += 1 - group.share.part_of_aside();
        ++at;
    }
    stream_weight_ = std::max(weight, kWeightMin);
    seen_ = active;
    set_active(active);
}

// It uses more than its share, and the others want theirs.
void TenantShare::notice(Group& group) {
    if (group.aside || used_ns_ * 10 < (now_ns_ - window_begin_ns_) * kBusyOfTen) return;
    stream_ns_ = std::max<std::int64_t>(0, stream_ns_ - group.used_ns);
    settle_stream();
    group.aside = true;
    group.had_ns = std::max(group.had_ns, stream_had_ns_ + static_cast<double>(group.used_ns));
    stream_weight_ = std::max(stream_weight_ - 1, kWeightMin);
}

void TenantShare::push(core::TenantId tenant, core::SubscriptionId subscription,
                       const WaitingDelivery& delivery) {
    Group& group = group_of(tenant);
    if (!group.waits()) {
        waiting_.push_back(&group);
        if (!group.aside) group.had_ns = std::max(group.had_ns, stream_had_ns_);
    }
    if (!group.aside) return group.share.push(subscription, delivery);
    group.queue.push_back({subscription, delivery});
    group.live += delivery.live;
}

std::size_t TenantShare::live_waiting() const {
    std::size_t live = 0;
    for (const Group* group : waiting_) live += group->live + group->share.live_waiting();
    return live;
}

std::pair<core::SubscriptionId, std::size_t> TenantShare::longest() const {
    std::pair<core::SubscriptionId, std::size_t> most{{}, 0};
    std::unordered_map<std::uint32_t, std::size_t> queued;
    for (const Group* group : waiting_) {
        if (const auto one = group->share.longest(); one.second > most.second) most = one;
        for (const Queued& one : group->queue) {
            if (!one.delivery.live) continue;
            if (const std::size_t count = ++queued[one.subscription.value]; count > most.second)
                most = {one.subscription, count};
        }
    }
    return most;
}

void TenantShare::take_live(core::SubscriptionId subscription, std::deque<WaitingDelivery>& out) {
    const std::vector<Group*> groups = waiting_;
    for (Group* group : groups) {
        group->share.take_live(subscription, out);
        std::deque<Queued> others;
        for (const Queued& one : group->queue) {
            if (one.subscription == subscription && one.delivery.live)
                out.push_back(one.delivery);
            else
                others.push_back(one);
        }
        group->live -= group->queue.size() - others.size();
        group->queue.swap(others);
        end_if_idle(*group);
    }
}

TenantShare::Group& TenantShare::least() const {
    MR_DCHECK(!waiting_.empty());
    return **std::min_element(waiting_.begin(), waiting_.end(),
                              [](const Group* a, const Group* b) { return a->had_ns < b->had_ns; });
}

void TenantShare::settle_stream() {
    stream_had_ns_ += static_cast<double>(stream_ns_) / stream_weight_;
    stream_ns_ = 0;
}

bool TenantShare::is_turn_of_aside() {
    if (waiting_.empty()) return false;
    settle_stream();
    Group& group = least();
    if (alone() && !group.aside) return group.share.is_turn_of_aside();
    return group.had_ns <= stream_had_ns_;
}

void TenantShare::others_are_idle() {
    if (waiting_.empty()) return;
    Group& group = least();
    if (group.queue.empty()) group.share.others_are_idle();
    stream_had_ns_ =
        std::max(stream_had_ns_, group.had_ns - kCreditNs / std::max(group.weight(), kWeightMin));
}

// What was queued of a subscription that has been set aside since waits with it.
bool TenantShare::queue_is_next(Group& group) {
    while (!group.queue.empty() && group.share.is_aside(group.queue.front().subscription)) {
        const Queued& one = group.queue.front();
        group.share.push(one.subscription, one.delivery);
        group.live -= one.delivery.live;
        group.queue.pop_front();
    }
    if (group.queue.empty()) {
        group.share.others_are_idle();
        return false;
    }
    return !group.share.has_waiting() || !group.share.is_turn_of_aside();
}

const WaitingDelivery& TenantShare::first() {
    Group& group = least();
    return queue_is_next(group) ? group.queue.front().delivery : group.share.first();
}

WaitingDelivery TenantShare::take() {
    Group& group = least();
    taken_ = &group;
    taken_from_queue_ = queue_is_next(group);
    if (!taken_from_queue_) {
        const WaitingDelivery delivery = group.share.take();
        end_if_idle(group);
        return delivery;
    }
    const Queued one = group.queue.front();
    group.queue.pop_front();
    group.live -= one.delivery.live;
    taken_subscription_ = one.subscription;
    end_if_idle(group);
    return one.delivery;
}

void TenantShare::charge_taken(std::int64_t took_ns) {
    Group& group = *std::exchange(taken_, nullptr);
    group.had_ns += static_cast<double>(took_ns) / std::max(group.weight(), kWeightMin);
    if (taken_from_queue_)
        group.share.charge(taken_subscription_, took_ns, now_ns_ + took_ns);
    else
        group.share.charge_taken(took_ns);
    use(group, took_ns, now_ns_ + took_ns);
    if (now_ns_ >= window_end_ns_) roll(now_ns_);
}

// What comes next of it is delivered where it stands.
void TenantShare::end_if_idle(Group& group) {
    if (group.queue.empty()) group.aside = false;
    if (group.waits()) return;
    group.used_ns = 0;
    std::erase(waiting_, &group);
}

void TenantShare::clear() {
    tenants_.clear();
    waiting_.clear();
    last_ = taken_ = nullptr;
}

}  // namespace millrace::runtime
