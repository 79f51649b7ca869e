// What: what is known of the receivers of webhooks, one a subscription, for all lanes: its breaker,
//       and since when nothing has gone well. Where nothing has for kFailingUsMax, the subscription
//       is to be paused; at each of kAlertPercents of that time it is told once.
//       Where one comes to be in bad health, or well again, or is given up, that is written in the
//       commit of the outcome (executor_state rows) and read at the next start; the count of
//       failures of a receiver that is still called is not.
// Threads: any, under a mutex that is held briefly. Lifetime: of the server.
// Limits: kEndpointsMax are remembered; beyond that those in good health are forgotten.
// Failure: none.
#pragma once

#include "core/ids.h"
#include "core/result.h"
#include "runtime/delivery/attempt_result.h"
#include "runtime/executors/circuit_breaker.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace millrace::runtime {

class Endpoints {
public:
    static constexpr std::int64_t kFailingUsMax = 5LL * 86'400'000'000;
    static constexpr std::array<std::uint32_t, 4> kAlertPercents = {50, 70, 90, 100};
    static constexpr std::size_t kEndpointsMax = 100'000;

    bool lets_through(core::SubscriptionId subscription, std::int64_t now_ns);
    // How long it is left alone, in milliseconds; 0: it is not, or a probe may begin.
    std::int64_t left_alone_ms(core::SubscriptionId subscription, std::int64_t now_ns) const;
    // An attempt that was let through has ended: sets what is to be kept of it, and whether the
    // subscription is to be paused.
    void ended(core::SubscriptionId subscription, std::int64_t now_ns, std::int64_t now_us,
               AttemptResult& result);
    // A row of the last process. True: its subscription was to be paused.
    core::Result<bool> restore(core::SubscriptionId subscription, std::string_view row,
                               std::int64_t now_ns, std::int64_t now_us);
    // It came to nothing that says anything about the receiver.
    void passed(core::SubscriptionId subscription);
    std::size_t open() const;

private:
    struct Endpoint {
        bool well() const { return !breaker.open() && failing_since_us == 0; }

        CircuitBreaker breaker;
        std::int64_t failing_since_us = 0;  // 0: it is not
        std::uint32_t alerted_percent = 0;  // what was told of it
    };
    static void alert(Endpoint& endpoint, std::int64_t now_us, AttemptResult& result);
    static std::string row_of(const Endpoint& endpoint, bool pauses, std::int64_t now_ns,
                              std::int64_t now_us);

    mutable std::mutex mutex_;
    std::unordered_map<std::uint32_t, Endpoint> endpoints_;
};

}  // namespace millrace::runtime
