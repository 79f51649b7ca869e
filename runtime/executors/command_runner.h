// What: the agent that runs commands: starts them, feeds and reads their streams, stops those that
//       take too long (TERM to the group, KILL kKillAfterNs later), and kills the whole group of
//       one that has ended. Only programs on its list run.
// Threads: run() and cancel() any; the rest its own, on which the children hang (they die with it).
// Lifetime: receivers outlive its thread.
// Limits: running_max at once, kWaitingMax wait (overflow policy: refuse, the caller says so).
// Failure: told as the command's end.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "core/task_queue.h"
#include "runtime/executors/command_process.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace millrace::runtime {

class CommandRunner final : public core::Agent, public CommandPort {
public:
    static constexpr std::size_t kWaitingMax = 1'024;
    static constexpr std::int64_t kKillAfterNs = 5'000'000'000;

    struct Options {
        std::set<std::string, std::less<>> allow;  // absolute paths
        std::size_t running_max = 10;
        CommandUser user;
    };
    // `allow`: absolute paths with commas between them; `user`: whom they run as under root.
    static core::Result<Options> read_options(std::string_view allow, const std::string& user);

    CommandRunner(const core::Clock& clock, Options options);
    ~CommandRunner() override;

    bool run(CommandReceiver& receiver, std::uint64_t ticket, CommandJob&& job) override;
    void cancel(CommandReceiver& receiver, std::uint64_t ticket) override;

    std::string_view name() const override { return "commands"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override;

    // Any thread; figures.
    std::size_t running() const { return running_figure_.load(std::memory_order_relaxed); }
    std::size_t waiting() const { return waiting_figure_.load(std::memory_order_relaxed); }

private:
    struct Order {
        CommandReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        CommandJob job;
        bool cancels = false;
    };
    struct Running {
        CommandReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        std::unique_ptr<CommandProcess> process;
        CommandEnd end;
        std::int64_t stop_at_ns = 0;  // its time is over, or the last of it
        bool told_to_stop = false;
        bool over = false;
        std::int64_t closed_at_ns = 0;  // over: its streams are read until then at most
    };
    // How long a stream is read that outlives its command's group.
    static constexpr std::int64_t kLastWordsNs = 200'000'000;

    std::size_t take_orders();
    void begin(Order&& order);
    bool look_at(Running& one, std::int64_t now_ns);
    void forget(const CommandReceiver* receiver, std::uint64_t ticket);

    const core::Clock& clock_;
    const Options options_;
    int wake_fd_ = -1;
    core::TaskQueue<Order> orders_{kWaitingMax};
    std::deque<Order> waiting_;
    std::list<Running> running_;
    std::atomic<std::size_t> running_figure_{0};
    std::atomic<std::size_t> waiting_figure_{0};
};

}  // namespace millrace::runtime
