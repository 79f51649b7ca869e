#include "runtime/delivery/fair_share.h"

#include "core/assert.h"

#include <algorithm>
#include <bit>

namespace millrace::runtime {

std::size_t FairShare::others() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < seen_.size(); ++i)
        count += static_cast<std::size_t>(std::popcount(seen_[i] | seen_before_[i]));
    return std::max<std::size_t>(1, count);
}

void FairShare::notice(core::SubscriptionId subscription, std::int64_t took_ns,
                       std::int64_t now_ns) {
    const std::int64_t window = now_ns / kWindowNs;
    if (window != window_) {
        if (window_ != 0) {
            seen_before_ = seen_;
            seen_ = {};
        }
        window_ = window;
        if (parties_.size() > kPartiesMax)
            std::erase_if(parties_, [](const auto& one) { return !one.second.aside; });
    }
    Party& party = parties_[subscription.value];
    // What a long run began with counts where it ended.
    if (window - party.window > 1) party.used_ns = 0;
    party.window = window;
    party.used_ns += took_ns;
    // Alone it has what there is.
    if (party.used_ns <= kUsedNsMax || others() < 2) return;
    party.aside = true;
    others_ns_ = std::max<std::int64_t>(0, others_ns_ - party.used_ns);
    settle_others();
    party.had_ns = std::max(party.had_ns, others_had_ns_ + party.used_ns);
    ++aside_;
}

void FairShare::push(core::SubscriptionId subscription, const WaitingDelivery& delivery) {
    Party& party = parties_[subscription.value];
    party.waiting.push_back(delivery);
    party.live += delivery.live;
    live_waiting_ += delivery.live;
    ++waiting_;
}

std::pair<core::SubscriptionId, std::size_t> FairShare::longest() const {
    std::pair<core::SubscriptionId, std::size_t> most{{}, 0};
    for (const auto& [subscription, party] : parties_) {
        if (party.live > most.second) most = {core::SubscriptionId(subscription), party.live};
    }
    return most;
}

void FairShare::take_live(core::SubscriptionId subscription, std::deque<WaitingDelivery>& out) {
    const auto at = parties_.find(subscription.value);
    if (at == parties_.end() || at->second.live == 0) return;
    Party& party = at->second;
    std::deque<WaitingDelivery> others;
    for (const WaitingDelivery& delivery : party.waiting)
        (delivery.live ? out : others).push_back(delivery);
    waiting_ -= party.live;
    live_waiting_ -= party.live;
    party.live = 0;
    party.waiting.swap(others);
    end_if_idle(party);
}

FairShare::Parties::iterator FairShare::least() {
    auto best = parties_.end();
    for (auto at = parties_.begin(); at != parties_.end(); ++at) {
        if (at->second.waiting.empty()) continue;
        if (best == parties_.end() || at->second.had_ns < best->second.had_ns) best = at;
    }
    MR_DCHECK(best != parties_.end());
    return best;
}

void FairShare::settle_others() {
    const auto count = static_cast<std::int64_t>(others());
    others_had_ns_ += others_ns_ / count;
    others_ns_ %= count;
}

bool FairShare::is_turn_of_aside() {
    if (waiting_ == 0) return false;
    settle_others();
    return least()->second.had_ns <= others_had_ns_;
}

void FairShare::others_are_idle() {
    if (waiting_ != 0)
        others_had_ns_ = std::max(others_had_ns_, least()->second.had_ns - kCreditNsMax);
}

const WaitingDelivery& FairShare::first() { return least()->second.waiting.front(); }

WaitingDelivery FairShare::take() {
    const auto at = least();
    Party& party = at->second;
    const WaitingDelivery delivery = party.waiting.front();
    party.waiting.pop_front();
    --waiting_;
    party.live -= delivery.live;
    live_waiting_ -= delivery.live;
    taken_ = at->first;
    end_if_idle(party);
    return delivery;
}

// What comes next is delivered where it stands.
void FairShare::end_if_idle(Party& party) {
    if (!party.aside || !party.waiting.empty()) return;
    party.aside = false;
    party.used_ns = 0;
    --aside_;
}

void FairShare::charge_taken(std::int64_t took_ns) { parties_[taken_].had_ns += took_ns; }

void FairShare::clear() {
    parties_.clear();
    aside_ = 0;
    waiting_ = 0;
    live_waiting_ = 0;
}

}  // namespace millrace::runtime
