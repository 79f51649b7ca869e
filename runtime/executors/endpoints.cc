#include "runtime/executors/endpoints.h"

#include "core/json_reader.h"
#include "core/json_writer.h"

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

// The highest step that was reached and not told.
void Endpoints::alert(Endpoint& endpoint, std::int64_t now_us, AttemptResult& result) {
    const std::int64_t failing_us = now_us - endpoint.failing_since_us;
    for (const std::uint32_t percent : kAlertPercents) {
        if (percent <= endpoint.alerted_percent) continue;
        if (failing_us < kFailingUsMax / 100 * percent) return;
        endpoint.alerted_percent = percent;
        result.failing_percent = percent;
        result.failing_since_us = endpoint.failing_since_us;
    }
}

void Endpoints::ended(core::SubscriptionId subscription, std::int64_t now_ns, std::int64_t now_us,
                      AttemptResult& result) {
    const std::lock_guard lock(mutex_);
    if (endpoints_.size() >= kEndpointsMax)
        std::erase_if(endpoints_, [](const auto& one) { return one.second.well(); });
    Endpoint& endpoint = endpoints_[subscription.value];
    const bool was_well = endpoint.well();
    const std::int64_t was_open_until_ns = endpoint.breaker.open_until_ns();
    const std::uint32_t was_alerted = endpoint.alerted_percent;
    if (result.outcome == AttemptOutcome::kOk) {
        endpoint.breaker.succeeded(now_ns);
        endpoint.failing_since_us = 0;
        endpoint.alerted_percent = 0;
    } else if (result.outcome != AttemptOutcome::kFailed) {  // it is there, and has its reasons
        endpoint.breaker.passed();
    } else {
        endpoint.breaker.failed(now_ns);
        if (endpoint.failing_since_us == 0) endpoint.failing_since_us = now_us;
        alert(endpoint, now_us, result);
        if (now_us - endpoint.failing_since_us >= kFailingUsMax) {
            endpoint.failing_since_us = 0;
            endpoint.alerted_percent = 0;
            result.pauses = true;
        }
    }
    const bool same = was_well == endpoint.well() &&
                      was_open_until_ns == endpoint.breaker.open_until_ns() &&
                      was_alerted == endpoint.alerted_percent;
    if (result.pauses || !same) result.kept_state = row_of(endpoint, result.pauses, now_ns, now_us);
}

// By the wall clock: the other one begins anew with the machine.
std::string Endpoints::row_of(const Endpoint& endpoint, bool pauses, std::int64_t now_ns,
                              std::int64_t now_us) {
    std::string out;
    if (endpoint.well() && !pauses) return out;
    core::JsonWriter json(out);
    json.begin_object().field("failingSinceUs", endpoint.failing_since_us);
    json.field("alertedPercent", endpoint.alerted_percent);
    if (endpoint.breaker.open()) {
        json.field("openUntilUs", now_us + (endpoint.breaker.open_until_ns() - now_ns) / 1000);
        json.field("openUs", endpoint.breaker.open_ns() / 1000);
    }
    json.field("pauses", pauses).end_object();
    return out;
}

core::Result<bool> Endpoints::restore(core::SubscriptionId subscription, std::string_view row,
                                      std::int64_t now_ns, std::int64_t now_us) {
    core::JsonDocument document;
    auto in = document.parse_object(row, "executor state");
    if (!in) return core::fail(std::move(in.error()));
    std::int64_t since_us = 0, until_us = 0, open_us = 0;
    std::uint32_t alerted_percent = 0;
    bool pauses = false;
    in->integer("failingSinceUs", since_us, INT64_MIN, INT64_MAX);
    in->integer_as("alertedPercent", alerted_percent, 0, 100);
    in->integer("openUntilUs", until_us, INT64_MIN, INT64_MAX);
    in->integer("openUs", open_us, 0, CircuitBreaker::kOpenNsMax / 1000);
    in->boolean("pauses", pauses);
    if (auto read = in->finish(); !read) return core::fail(std::move(read.error()));
    const std::lock_guard lock(mutex_);
    Endpoint& endpoint = endpoints_[subscription.value];
    endpoint.failing_since_us = since_us;
    endpoint.alerted_percent = alerted_percent;
    if (open_us > 0) {
        const std::int64_t left_us = std::clamp<std::int64_t>(until_us - now_us, 0, open_us);
        endpoint.breaker.restore(open_us * 1000, now_ns + left_us * 1000 + 1);
    }
    return pauses;
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
