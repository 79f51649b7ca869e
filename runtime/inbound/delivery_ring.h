// What: the last webhooks that came for one source, with what became of them.
// Threads: any; a lock is held for a few moves of text.
// Lifetime: shared by those who write and those who look.
// Limits: kDeliveriesKept; texts of kDeliveryTextBytesMax. The oldest leaves.
// Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::inbound {

inline constexpr std::size_t kDeliveriesKept = 100;
inline constexpr std::size_t kDeliveryTextBytesMax = 256;

struct HookDelivery {
    std::uint64_t number = 0;  // from 1, in the order in which they ended
    std::int64_t at_us = 0;
    std::string_view outcome;  // a constant: accepted, duplicate, dropped, challenge, refused
    int status = 0;            // of the answer
    std::string reason;        // of a refusal
    std::string delivery_id;
    std::string kind;
    std::string event_id;
    std::string peer;
    std::size_t bytes = 0;
};

class DeliveryRing {
public:
    void add(HookDelivery delivery) {
        for (std::string* text : {&delivery.reason, &delivery.delivery_id, &delivery.kind,
                                  &delivery.event_id, &delivery.peer}) {
            if (text->size() > kDeliveryTextBytesMax) text->resize(kDeliveryTextBytesMax);
        }
        std::lock_guard lock(mutex_);
        delivery.number = ++count_;
        kept_.push_back(std::move(delivery));
        if (kept_.size() > kDeliveriesKept) kept_.pop_front();
    }
    // The newest first, those before `before` (0: all).
    std::vector<HookDelivery> list(std::uint64_t before, std::size_t limit) const {
        std::vector<HookDelivery> out;
        std::lock_guard lock(mutex_);
        for (auto at = kept_.rbegin(); at != kept_.rend() && out.size() < limit; ++at) {
            if (before == 0 || at->number < before) out.push_back(*at);
        }
        return out;
    }

private:
    mutable std::mutex mutex_;
    std::deque<HookDelivery> kept_;
    std::uint64_t count_ = 0;
};

// A webhook under way: what is to be told of it when it has an answer.
struct HookArrival {
    std::shared_ptr<DeliveryRing> ring;
    HookDelivery delivery;

    void tell(std::string_view outcome, int status, std::string_view reason = {}) {
        delivery.outcome = outcome;
        delivery.status = status;
        delivery.reason = reason;
        if (ring) ring->add(std::move(delivery));
        ring = nullptr;
    }
};

}  // namespace millrace::runtime::inbound
