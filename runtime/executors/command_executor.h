// What: the executor of commands: fills the templates, hands the command to the runner, and judges
//       how it ended. Exit code 0 is well (what it wrote, as JSON, is the result), 65 ends the
//       delivery, everything else is tried again.
// Threads: start(), do_work() and abandon() the lane's, ended() the runner's.
// Lifetime: borrows the runner; outlives its thread.
// Limits: the runner's. Failure: an attempt's failure is its result.
#pragma once

#include "runtime/delivery/executor.h"
#include "runtime/delivery/kept_answers.h"
#include "runtime/executors/command_port.h"
#include "runtime/executors/outside_executor.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_set>

namespace millrace::runtime {

// What a command's end means.
void judge_command(const CommandEnd& end, std::int64_t now_us, AttemptResult& result);

class CommandExecutor final : public Executor, public CommandReceiver {
public:
    struct Deps : OutsideDeps {
        CommandPort* commands = nullptr;
        std::uint32_t running_max = 10;
    };
    CommandExecutor(const Deps& deps, AnswerPort& port)
        : deps_(deps), answers_(port, *deps.clock) {}

    Start start(const AttemptInput& input, AttemptResult& result) override;
    PendingBounds bounds(const AttemptInput& input) const override;
    void abandon(AttemptTicket ticket) override;
    std::size_t do_work() override { return answers_.do_work(); }
    std::optional<std::int64_t> next_work_ns() const override { return answers_.next_work_ns(); }

    // CommandReceiver
    void ended(std::uint64_t ticket, CommandEnd&& end) override;

private:
    // The runner ends every command; the lane is a second pair of eyes, for those that wait too.
    static constexpr std::int64_t kGraceMs = 24LL * 3'600'000;

    const Deps deps_;
    KeptAnswers answers_;
    OutgoingEvents outgoing_;

    std::mutex mutex_;
    std::unordered_set<std::uint64_t> pending_;  // tickets
};

}  // namespace millrace::runtime
