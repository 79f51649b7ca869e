// What: the executor of links: the event's whole envelope, or what the link's transform makes of
//       it, goes to the link's sink, which answers when its peer has it. While the link is paused,
//       or its transform is deactivated, its deliveries wait.
// Threads: start(), do_work() and abandon() the lane's, sent() the links'.
// Lifetime: borrows the port; outlives its thread.
// Limits: kWindow of a subscription under way. Failure: an attempt's failure is its result.
#pragma once

#include "runtime/delivery/executor.h"
#include "runtime/delivery/kept_answers.h"
#include "runtime/executors/outside_executor.h"
#include "runtime/executors/webhook_transform.h"
#include "runtime/links/link_port.h"

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

class LinkExecutor final : public Executor, public LinkReceiver {
public:
    static constexpr std::uint32_t kWindow = 1'000;
    static constexpr std::int64_t kTimeoutMs = 30'000;

    struct Deps {
        const core::Clock* clock = nullptr;
        LinkPort* links = nullptr;
        TraceRule traces{};
        LuaWatchdogSlot* watchdog_slot = nullptr;  // of transforms; null: no deadlines
        std::uint64_t seed = 0;
    };
    LinkExecutor(const Deps& deps, AnswerPort& port)
        : deps_(deps), answers_(port, *deps.clock), transform_(deps.watchdog_slot, deps.seed) {}

    Start start(const AttemptInput& input, AttemptResult& result) override;
    PendingBounds bounds(const AttemptInput&) const override { return {kWindow, kTimeoutMs}; }
    void abandon(AttemptTicket ticket) override;
    std::size_t do_work() override { return answers_.do_work(); }
    std::optional<std::int64_t> next_work_ns() const override { return answers_.next_work_ns(); }

    // LinkReceiver
    void sent(std::uint64_t ticket, std::string&& error) override;

private:
    // What its transform has logged; nothing: nobody waits for it.
    std::optional<std::string> forget(std::uint64_t ticket) {
        const std::lock_guard lock(mutex_);
        const auto at = pending_.find(ticket);
        if (at == pending_.end()) return std::nullopt;
        std::string logs = std::move(at->second);
        pending_.erase(at);
        return logs;
    }
    Start reshape(const AttemptInput& input, const Link& link, const OutgoingEvent& event,
                  Reshaped& out, AttemptResult& result);

    const Deps deps_;
    KeptAnswers answers_;
    OutgoingEvents outgoing_;
    WebhookTransform transform_;

    std::mutex mutex_;
    std::unordered_map<std::uint64_t, std::string> pending_;  // by ticket: what was logged
};

}  // namespace millrace::runtime
