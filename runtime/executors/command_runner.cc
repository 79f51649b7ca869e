#include "runtime/executors/command_runner.h"

#include "core/assert.h"
#include "core/listed.h"

#include <algorithm>
#include <csignal>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace::runtime {

core::Result<CommandRunner::Options> CommandRunner::read_options(std::string_view allow,
                                                                 const std::string& user) {
    Options options;
    auto found = CommandUser::find(user);
    if (!found) return core::fail(std::move(found.error()));
    options.user = *found;
    auto paths = core::listed_paths(allow, "executors.command.allow");
    if (!paths) return core::fail(std::move(paths.error()));
    for (std::string& path : *paths) options.allow.insert(std::move(path));
    return options;
}

CommandRunner::CommandRunner(const core::Clock& clock, Options options)
    : clock_(clock),
      options_(std::move(options)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    MR_ASSERT(wake_fd_ >= 0);
}

CommandRunner::~CommandRunner() {
    running_.clear();
    ::close(wake_fd_);
}

bool CommandRunner::run(CommandReceiver& receiver, std::uint64_t ticket, CommandJob&& job) {
    if (!orders_.try_push({&receiver, ticket, std::move(job), false})) return false;
    wake();
    return true;
}

void CommandRunner::cancel(CommandReceiver& receiver, std::uint64_t ticket) {
    orders_.push_beyond({&receiver, ticket, {}, true});  // bounded by the commands themselves
    wake();
}

void CommandRunner::wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);
}

void CommandRunner::wait(std::int64_t timeout_us) {
    std::vector<pollfd> fds = {{wake_fd_, POLLIN, 0}};
    const std::int64_t now_ns = clock_.monotonic_ns();
    for (const Running& one : running_) {
        const CommandProcess& process = *one.process;
        if (process.input() >= 0) fds.push_back({process.input(), POLLOUT, 0});
        if (process.output() >= 0) fds.push_back({process.output(), POLLIN, 0});
        if (process.errors() >= 0) fds.push_back({process.errors(), POLLIN, 0});
        if (!one.over && process.exit() >= 0) fds.push_back({process.exit(), POLLIN, 0});
        if (!one.over && process.exit() < 0) timeout_us = std::min<std::int64_t>(timeout_us, 5'000);
        const std::int64_t at_ns = one.over ? one.closed_at_ns : one.stop_at_ns;
        timeout_us = std::clamp<std::int64_t>((at_ns - now_ns) / 1000 + 1, 0, timeout_us);
    }
    ::poll(fds.data(), fds.size(), static_cast<int>((timeout_us + 999) / 1000));
    std::uint64_t count = 0;
    (void)!::read(wake_fd_, &count, sizeof count);
}

std::size_t CommandRunner::do_work() {
    std::size_t done = take_orders();
    while (!waiting_.empty() && running_.size() < options_.running_max) {
        Order order = std::move(waiting_.front());
        waiting_.pop_front();
        begin(std::move(order));
        ++done;
    }
    const std::int64_t now_ns = clock_.monotonic_ns();
    for (auto at = running_.begin(); at != running_.end();) {
        if (!look_at(*at, now_ns)) {
            ++at;
            continue;
        }
        Running one = std::move(*at);
        at = running_.erase(at);
        one.process.reset();
        one.receiver->ended(one.ticket, std::move(one.end));
        ++done;
    }
    running_figure_.store(running_.size(), std::memory_order_relaxed);  // figures
    waiting_figure_.store(waiting_.size() + orders_.size(), std::memory_order_relaxed);
    return done;
}

std::size_t CommandRunner::take_orders() {
    std::size_t done = 0;
    Order order;
    while (waiting_.size() < kWaitingMax && orders_.try_pop(order)) {
        ++done;
        if (order.cancels)
            forget(order.receiver, order.ticket);
        else
            waiting_.push_back(std::move(order));
    }
    return done;
}

void CommandRunner::begin(Order&& order) {
    CommandEnd end;
    if (!options_.allow.contains(order.job.path)) {
        end.how = CommandEnd::How::kRefused;
        end.why = order.job.path + " is not among the programs of executors.command.allow";
        return order.receiver->ended(order.ticket, std::move(end));
    }
    auto process = CommandProcess::spawn(order.job, options_.user);
    if (!process) {
        end.why = process.error().message;
        return order.receiver->ended(order.ticket, std::move(end));
    }
    Running& one = running_.emplace_back();
    one.receiver = order.receiver;
    one.ticket = order.ticket;
    one.process = std::move(*process);
    one.end.timeout_ms = order.job.timeout_ms;
    one.stop_at_ns = clock_.monotonic_ns() + order.job.timeout_ms * 1'000'000;
}

// Whether there is nothing more to come of it.
bool CommandRunner::look_at(Running& one, std::int64_t now_ns) {
    one.process->pump(one.end);
    if (!one.over && one.process->over(one.end)) {
        one.over = true;
        one.closed_at_ns = now_ns + kLastWordsNs;
        one.process->pump(one.end);
    }
    if (one.over) {
        if (one.told_to_stop) one.end.how = CommandEnd::How::kTimeout;
        const bool silent = one.process->output() < 0 && one.process->errors() < 0;
        return silent || now_ns >= one.closed_at_ns;
    }
    if (now_ns < one.stop_at_ns) return false;
    one.process->signal_group(one.told_to_stop ? SIGKILL : SIGTERM);
    one.told_to_stop = true;
    one.stop_at_ns = now_ns + kKillAfterNs;
    return false;
}

void CommandRunner::forget(const CommandReceiver* receiver, std::uint64_t ticket) {
    const auto is_it = [&](const auto& one) {
        return one.receiver == receiver && one.ticket == ticket;
    };
    std::erase_if(waiting_, is_it);
    running_.remove_if(is_it);
}

}  // namespace millrace::runtime
