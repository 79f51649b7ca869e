// What: the executor of links: the event's whole envelope goes to the link's sink, which answers
//       when its peer has it. While the link is paused its deliveries wait.
// Threads: start(), do_work() and abandon() the lane's, sent() the links'.
// Lifetime: borrows the port; outlives its thread.
// Limits: kWindow of a subscription under way. Failure: an attempt's failure is its result.
#pragma once

#include "runtime/delivery/executor.h"
#include "runtime/delivery/kept_answers.h"
#include "runtime/executors/outside_executor.h"
#include "runtime/links/link_port.h"

#include <mutex>
#include <optional>
#include <unordered_set>

namespace millrace::runtime {

class LinkExecutor final : public Executor, public LinkReceiver {
public:
    static constexpr std::uint32_t kWindow = 1'000;
    static constexpr std::int64_t kTimeoutMs = 30'000;

    struct Deps {
        const core::Clock* clock = nullptr;
        LinkPort* links = nullptr;
        TraceRule traces{};
    };
    LinkExecutor(const Deps& deps, AnswerPort& port) : deps_(deps), answers_(port, *deps.clock) {}

    Start start(const AttemptInput& input, AttemptResult& result) override;
    PendingBounds bounds(const AttemptInput&) const override { return {kWindow, kTimeoutMs}; }
    void abandon(AttemptTicket ticket) override;
    std::size_t do_work() override { return answers_.do_work(); }
    std::optional<std::int64_t> next_work_ns() const override { return answers_.next_work_ns(); }

    // LinkReceiver
    void sent(std::uint64_t ticket, std::string&& error) override;

private:
    bool forget(std::uint64_t ticket) {
        const std::lock_guard lock(mutex_);
        return pending_.erase(ticket) != 0;
    }

    const Deps deps_;
    KeptAnswers answers_;
    OutgoingEvents outgoing_;

    std::mutex mutex_;
    std::unordered_set<std::uint64_t> pending_;  // tickets
};

}  // namespace millrace::runtime
