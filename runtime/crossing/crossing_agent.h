// What: the thread of a partition whose tenants' events are spread by key: it drives the calls to
//       the other partitions, sends what the outbox holds, and lets deliveries begin: until what is
//       registered elsewhere is here, the lease that it shows is over.
// Threads: its own; port() any, lease() any.
// Lifetime: borrows all of Deps. Limits: those of its parts. Failure: make(): the address of the
//       node's listener is none.
#pragma once

#include "core/agent.h"
#include "core/result.h"
#include "runtime/courier/courier.h"
#include "runtime/crossing/outbox_sender.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace millrace::runtime::crossing {

class CrossingAgent final : public core::Agent {
public:
    struct Deps {
        // Its port is the agent's own.
        OutboxSender::Deps sender;
        std::function<bool()> caught_up;
        // Monotonic: until when the log is known to answer.
        const std::atomic<std::int64_t>* lease_until_ns = nullptr;
    };
    static core::Result<std::unique_ptr<CrossingAgent>> make(Deps deps);

    std::string_view name() const override { return "crossing"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override { courier_->wake(); }

    courier::HttpPort& port() { return *courier_; }
    // In the place of the partition's own.
    const std::atomic<std::int64_t>& lease() const { return lease_; }
    // From now on nothing is sent.
    void stop_sending() { stopping_.store(true, std::memory_order_relaxed); }

private:
    static constexpr std::int64_t kPollUs = 20'000;

    CrossingAgent(Deps&& deps, std::unique_ptr<courier::Courier> courier);

    const std::unique_ptr<courier::Courier> courier_;
    const std::function<bool()> caught_up_;
    const std::atomic<std::int64_t>* const lease_until_ns_;
    OutboxSender sender_;
    std::atomic<std::int64_t> lease_{0};
    std::atomic<bool> stopping_{false};
};

}  // namespace millrace::runtime::crossing
