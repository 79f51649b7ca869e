#include "runtime/executors/endpoints.h"

#include <algorithm>

namespace millrace::runtime {

bool Endpoints::lets_through(core::SubscriptionId subscription, std::int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    const auto at = endpoints_.find(subscription.value);
    return at == endpoints_.end() || at->second.breaker.lets_through(now_ns);
}

std::int64_t Endpoints::left_alone_ms(core::SubscriptionId subscription,
                                      std::int64_t now_ns) const {
    const std::lock_guard lock(mutex_);
    const auto at = endpoints_.find(subscription.value);
    if (at == endpoints_.end()) return 0;
    return std::max<std::int64_t>(0, at->second.breaker.open_until_ns() - now_ns) / 1'000'000;
}

bool Endpoints::ended(core::SubscriptionId subscription, AttemptOutcome outcome,
                      std::int64_t now_ns, std::int64_t now_us) {
    const std::lock_guard lock(mutex_);
    if (endpoints_.size() >= kEndpointsMax) {
        std::erase_if(endpoints_, [](const auto& one) {
            return !one.second.breaker.open() && one.second.failing_since_us == 0;
        });
    }
    Endpoint& endpoint = endpoints_[subscription.value];
    if (outcome == AttemptOutcome::kOk) {
        endpoint.breaker.succeeded(now_ns);
        endpoint.failing_since_us = 0;
        return false;
    }
    if (outcome != AttemptOutcome::kFailed) {  // it is there, and has its reasons
        endpoint.breaker.passed();
        return false;
    }
    endpoint.breaker.failed(now_ns);
    if (endpoint.failing_since_us == 0) endpoint.failing_since_us = now_us;
    if (now_us - endpoint.failing_since_us < kFailingUsMax) return false;
    endpoint.failing_since_us = 0;
    return true;
}

void Endpoints::passed(core::SubscriptionId subscription) {
    const std::lock_guard lock(mutex_);
    const auto at = endpoints_.find(subscription.value);
    if (at != endpoints_.end()) at->second.breaker.passed();
}

std::size_t Endpoints::open() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(endpoints_.begin(), endpoints_.end(),
                      [](const auto& one) { return one.second.breaker.open(); }));
}

}  // namespace millrace::runtime
