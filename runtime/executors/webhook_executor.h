// What: the executor of webhooks: makes the call of an attempt (what a transform leaves of it),
//       hands it to the courier, and judges the answer. While a receiver's breaker is open, or the
//       transform is deactivated, its deliveries wait.
// Threads: start(), do_work() and abandon() the lane's, receive() the courier's.
// Lifetime: borrows port and endpoints; outlives the courier's thread.
// Limits: the window of a subscription is its concurrency; the courier lets no more than that and
//       its rate begin. Failure: an attempt's failure is its result.
#pragma once

#include "runtime/courier/http_port.h"
#include "runtime/delivery/executor.h"
#include "runtime/delivery/kept_answers.h"
#include "runtime/executors/endpoints.h"
#include "runtime/executors/outside_executor.h"
#include "runtime/executors/webhook_transform.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace millrace::runtime {

class WebhookExecutor final : public Executor, public courier::HttpReceiver {
public:
    struct Deps : OutsideDeps {
        courier::HttpPort* http = nullptr;
        Endpoints* endpoints = nullptr;
        LuaWatchdogSlot* watchdog_slot = nullptr;  // of transforms; null: no deadlines
        std::uint64_t seed = 0;
        std::string epoch{};  // OutgoingAttempt's
    };
    WebhookExecutor(const Deps& deps, AnswerPort& port)
        : deps_(deps), answers_(port, *deps.clock), transform_(deps.watchdog_slot, deps.seed) {}

    Start start(const AttemptInput& input, AttemptResult& result) override;
    PendingBounds bounds(const AttemptInput& input) const override;
    void abandon(AttemptTicket ticket) override;
    std::size_t do_work() override { return answers_.do_work(); }
    std::optional<std::int64_t> next_work_ns() const override { return answers_.next_work_ns(); }

    // courier::HttpReceiver
    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;

private:
    // The courier itself says when an attempt's time is over, also of one that waits for its turn
    // there: the lane is a second pair of eyes.
    static constexpr std::int64_t kGraceMs = 600'000;

    struct Pending {
        core::SubscriptionId subscription;
        std::uint32_t silent = 0;
        std::string logs_json;  // of its transform
    };
    Start not_sent(const AttemptInput& input, Start how);

    const Deps deps_;
    KeptAnswers answers_;
    OutgoingEvents outgoing_;
    WebhookTransform transform_;

    std::mutex mutex_;
    std::unordered_map<std::uint64_t, Pending> pending_;  // by ticket
};

}  // namespace millrace::runtime
