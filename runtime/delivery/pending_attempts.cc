#include "runtime/delivery/pending_attempts.h"

#include "core/assert.h"

#include <algorithm>

namespace millrace::runtime {

namespace {

std::int64_t deadline_of(const PendingAttempt& attempt) {
    return attempt.began_ns + attempt.timeout_ms * 1'000'000;
}

}  // namespace

bool PendingAttempts::full(const Line& line) const {
    if (line.pending + line.let_out >= line.window) return true;
    if (attempts_.size() + ready_.size() < kPendingMax) return false;
    const auto of = of_tenant_.find(line.tenant);
    return of != of_tenant_.end() && of->second + line.let_out >= kOfTenantMin;
}

void PendingAttempts::add(PendingAttempt&& attempt, std::uint32_t window) {
    MR_DCHECK(attempt.ticket == next_ticket());
    last_ticket_ = attempt.ticket.value;
    if (attempt.subscription) {
        const DeliveryPlace place{attempt.subscription->number, attempt.key_hash, attempt.keyed};
        Line& line = lines_[place.subscription.value];
        ++line.pending;
        line.tenant = attempt.subscription->tenant.value;
        ++of_tenant_[line.tenant];
        line.type = attempt.subscription->executor.type;
        line.window = std::max(window, 1u);
        if (place.keyed) keys_.try_emplace(key_of(place));
        let_out(place.subscription.value, line);
    }
    deadlines_.insert({deadline_of(attempt), attempt.ticket.value});
    attempts_.emplace(attempt.ticket.value, std::move(attempt));
}

// Behind those of its priority, and behind those that were let out already.
void PendingAttempts::stand_in_line(Line& line, const WaitingDelivery& delivery) {
    std::size_t at = line.waiting.size();
    const std::size_t first = std::max(line.come_back, at - std::min(at, kPassedMax));
    for (; at > first; --at) {
        const WaitingDelivery& before = line.waiting[at - 1];
        if (before.priority >= delivery.priority) break;
        if (before.keyed && delivery.keyed && before.key_hash == delivery.key_hash) break;
    }
    line.waiting.insert(line.waiting.begin() + static_cast<std::ptrdiff_t>(at), delivery);
}

bool PendingAttempts::make_wait(const WaitingDelivery& delivery, const DeliveryPlace& place,
                                const PriorityOf& priority_of) {
    using Turn = WaitingDelivery::Turn;
    const auto at = lines_.find(place.subscription.value);
    if (at == lines_.end()) return false;
    Line& line = at->second;
    // Those who wait for room, or were let out and have not been tried, came before this one, and
    // behind those who wait for their key.
    const bool behind_others =
        delivery.turn == Turn::kFirst && (!line.waiting.empty() || line.let_out != 0);
    if (!behind_others && place.keyed && delivery.turn != Turn::kFromKey) {
        if (const auto key = keys_.find(key_of(place)); key != keys_.end()) {
            key->second.push_back(delivery);
            ++line.waiting_keys;
            begins_to_wait(line, delivery);
            let_out(place.subscription.value, line);
            return true;
        }
    }
    if (!behind_others && !full(line)) return false;
    if (delivery.turn == Turn::kFirst) {
        WaitingDelivery standing = delivery;
        standing.priority = priority_of ? priority_of() : 0;
        standing.key_hash = place.key_hash;
        standing.keyed = place.keyed;
        stand_in_line(line, standing);
    } else {
        // It has been here before, and so have those who come back behind it. One of its key that
        // finds room where it found none waits for it.
        const auto behind = line.waiting.begin() + static_cast<std::ptrdiff_t>(line.come_back);
        const auto again = line.waiting.insert(behind, delivery);
        if (place.keyed && keys_.try_emplace(key_of(place)).second) again->turn = Turn::kFromKey;
        ++line.come_back;
    }
    begins_to_wait(line, delivery);
    note_stalled(place.subscription.value, line);
    // What was let out counts on the lane until it is tried: its room is another's now.
    if (delivery.turn != Turn::kFirst) serve_stalled();
    return true;
}

void PendingAttempts::begins_to_wait(Line& line, const WaitingDelivery& delivery) {
    ++waiting_;
    ++waiting_by_type_[static_cast<std::size_t>(line.type)];
    line.live += delivery.live;
    live_waiting_ += delivery.live;
}

void PendingAttempts::no_longer_waits(Line& line, const WaitingDelivery& delivery) {
    --waiting_;
    --waiting_by_type_[static_cast<std::size_t>(line.type)];
    line.live -= delivery.live;
    live_waiting_ -= delivery.live;
}

std::pair<core::SubscriptionId, std::size_t> PendingAttempts::longest() const {
    std::pair<core::SubscriptionId, std::size_t> most{{}, 0};
    for (const auto& [subscription, line] : lines_) {
        if (line.live > most.second) most = {core::SubscriptionId(subscription), line.live};
    }
    return most;
}

template <typename Waiting>
void PendingAttempts::let_out_live(core::SubscriptionId subscription, Line& line,
                                   Waiting& waiting) {
    Waiting others;
    for (WaitingDelivery& delivery : waiting) {
        if (!delivery.live) {
            others.push_back(delivery);
            continue;
        }
        no_longer_waits(line, delivery);
        ready_.push_back({delivery, subscription.value});
        WaitingDelivery& out = ready_.back().delivery;
        if (out.turn == WaitingDelivery::Turn::kFirst) out.turn = WaitingDelivery::Turn::kFromLine;
        ++line.let_out;
    }
    waiting.swap(others);
}

void PendingAttempts::let_out_live(core::SubscriptionId subscription) {
    const auto at = lines_.find(subscription.value);
    if (at == lines_.end()) return;
    Line& line = at->second;
    // Those who wait for their key came before those who wait for room.
    for (auto& [key, waiting] : keys_) {
        if (key >> 32 != subscription.value) continue;
        const std::size_t before = waiting.size();
        let_out_live(subscription, line, waiting);
        line.waiting_keys -= before - waiting.size();
    }
    let_out_live(subscription, line, line.waiting);
    line.come_back = std::min(line.come_back, line.waiting.size());
    note_stalled(subscription.value, line);
}

void PendingAttempts::note_stalled(std::uint32_t subscription, const Line& line) {
    if (line.waiting.empty() || line.pending + line.let_out >= line.window)
        stalled_.erase(subscription);
    else
        stalled_.insert(subscription);
}

// As long as the lane has room, nobody waits for it. Lines take turns.
void PendingAttempts::serve_stalled() {
    while (!stalled_.empty() && attempts_.size() + ready_.size() < kPendingMax) {
        auto next = stalled_.upper_bound(served_last_);
        if (next == stalled_.end()) next = stalled_.begin();
        served_last_ = *next;
        let_out(served_last_, lines_[served_last_]);
    }
}

// It has less than what is its own on a lane that is full: none of its lines waits for the lane.
void PendingAttempts::serve_tenant(std::uint32_t tenant) {
    for (auto at = stalled_.begin(); at != stalled_.end();) {
        const std::uint32_t subscription = *at;
        ++at;
        Line& line = lines_[subscription];
        if (line.tenant == tenant) let_out(subscription, line);
    }
}

void PendingAttempts::let_out(std::uint32_t subscription, Line& line) {
    while (!line.waiting.empty() && !full(line)) {
        ready_.push_back({line.waiting.front(), subscription});
        WaitingDelivery& out = ready_.back().delivery;
        if (out.turn == WaitingDelivery::Turn::kFirst) out.turn = WaitingDelivery::Turn::kFromLine;
        no_longer_waits(line, line.waiting.front());
        line.waiting.pop_front();
        if (line.come_back != 0) --line.come_back;
        ++line.let_out;
    }
    note_stalled(subscription, line);
}

// The key's first is over: the next one may try, whatever room there is.
void PendingAttempts::next_of_key(const DeliveryPlace& place) {
    const auto at = keys_.find(key_of(place));
    if (at == keys_.end()) return;
    std::list<WaitingDelivery>& waiting = at->second;
    if (waiting.empty()) {
        keys_.erase(at);
        return;
    }
    Line& line = lines_[place.subscription.value];
    ready_.push_back({waiting.front(), place.subscription.value});
    ready_.back().delivery.turn = WaitingDelivery::Turn::kFromKey;
    no_longer_waits(line, waiting.front());
    waiting.pop_front();
    --line.waiting_keys;
    ++line.let_out;
}

void PendingAttempts::ended(const DeliveryPlace& place) {
    if (place.keyed) next_of_key(place);
    let_out_or_drop(place.subscription.value);
    serve_stalled();
}

void PendingAttempts::let_out_or_drop(std::uint32_t subscription) {
    const auto at = lines_.find(subscription);
    if (at == lines_.end()) return;
    Line& line = at->second;
    let_out(subscription, line);
    if (line.pending + line.let_out + line.waiting_keys + line.waiting.size() == 0)
        lines_.erase(at);
}

std::optional<PendingAttempt> PendingAttempts::take(AttemptTicket ticket) {
    const auto at = attempts_.find(ticket.value);
    if (at == attempts_.end()) return std::nullopt;
    std::optional<PendingAttempt> taken(std::move(at->second));
    attempts_.erase(at);
    deadlines_.erase({deadline_of(*taken), ticket.value});
    if (taken->subscription) {
        const DeliveryPlace place{taken->subscription->number, taken->key_hash, taken->keyed};
        --lines_[place.subscription.value].pending;
        const std::uint32_t tenant = taken->subscription->tenant.value;
        const auto of = of_tenant_.find(tenant);
        const std::size_t left = --of->second;
        if (left == 0) of_tenant_.erase(of);
        ended(place);
        if (left < kOfTenantMin && !stalled_.empty()) serve_tenant(tenant);
    } else {
        serve_stalled();
    }
    return taken;
}

std::optional<AttemptTicket> PendingAttempts::overdue(std::int64_t now_ns) const {
    if (deadlines_.empty() || deadlines_.begin()->first > now_ns) return std::nullopt;
    return AttemptTicket(deadlines_.begin()->second);
}

std::optional<std::int64_t> PendingAttempts::next_deadline_ns() const {
    if (deadlines_.empty()) return std::nullopt;
    return deadlines_.begin()->first;
}

WaitingDelivery PendingAttempts::take_ready() {
    const Ready ready = ready_.front();
    ready_.pop_front();
    --lines_[ready.subscription].let_out;
    return ready.delivery;
}

const PendingAttempt* PendingAttempts::find(AttemptTicket ticket) const {
    const auto at = attempts_.find(ticket.value);
    return at == attempts_.end() ? nullptr : &at->second;
}

}  // namespace millrace::runtime
