// What: the agent for everything that may take its time: REST resources, registry changes and the
//       matcher's upkeep, event streams. Runs tasks one after the other, and chores in between.
// Threads: post() any; tasks and chores on its own.
// Lifetime: tasks may refer to whatever the server stops after it.
// Limits: kTasksMax waiting tasks (overflow policy: refuse, the edge answers 503); answers beside
//         them, at most as many as there are open streams and calls that were let in.
// Failure: none of its own.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/drain_meter.h"
#include "core/task_queue.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {

class Conductor final : public core::Agent {
public:
    static constexpr std::size_t kTasksMax = 8192;
    static constexpr std::int64_t kChoreUs = 5'000;

    // A chore returns how much it did; it is called at least every kChoreUs while it does something
    // and otherwise at the pace of idle waits.
    void add_chore(std::function<std::size_t()> chore) { chores_.push_back(std::move(chore)); }
    // From its own thread: runs the task when that time of `clock` (the monotonic one) has come.
    void run_at(std::int64_t at_ns, std::function<void()> task) {
        timers_.emplace(at_ns, std::move(task));
    }
    void set_clock(const core::Clock* clock) { clock_ = clock; }
    // Called before a wait.
    void set_offline(std::function<void()> offline) { offline_ = std::move(offline); }

    bool post(std::function<void()> task) {
        if (!tasks_.try_push(std::move(task))) return false;
        wake();
        return true;
    }

    // How long what waits now will take, at the pace of the last seconds; any thread.
    std::int64_t drain_seconds() const {
        if (!clock_) return core::DrainMeter::kSecondsMin;
        return drain_.seconds_for(static_cast<std::int64_t>(tasks_.size()), clock_->monotonic_ns());
    }

    // What somebody who was let in waits for: an event stream's next step, the end of a script's
    // run. Refused, it would never come, so that it always goes in.
    void post_answer(std::function<void()> task) {
        tasks_.push_beyond(std::move(task));
        wake();
    }

    // Once its thread is stopped: what waits holds bodies that belong to the shards.
    void drop_tasks() {
        timers_.clear();
        std::function<void()> task;
        while (tasks_.try_pop(task)) {
        }
    }

    std::string_view name() const override { return "conductor"; }
    std::size_t do_work() override {
        std::size_t done = 0;
        for (std::size_t i = 0; i < kTasksPerCycle; ++i) {
            std::function<void()> task;
            if (!tasks_.try_pop(task)) break;
            task();
            ++done;
        }
        if (clock_ && done != 0)
            drain_.drained(static_cast<std::int64_t>(done), clock_->monotonic_ns());
        for (const auto& chore : chores_) done += chore();
        return done + run_timers();
    }
    void wait(std::int64_t timeout_us) override {
        if (offline_) offline_();
        if (!timers_.empty()) {
            const std::int64_t due_us = (timers_.begin()->first - clock_->monotonic_ns()) / 1000;
            timeout_us = std::clamp<std::int64_t>(due_us, 0, timeout_us);
        }
        core::Agent::wait(timeout_us);
    }

private:
    static constexpr std::size_t kTasksPerCycle = 32;
    std::size_t run_timers() {
        std::size_t done = 0;
        while (!timers_.empty() && timers_.begin()->first <= clock_->monotonic_ns()) {
            const std::function<void()> task = std::move(timers_.begin()->second);
            timers_.erase(timers_.begin());
            task();
            ++done;
        }
        return done;
    }
    const core::Clock* clock_ = nullptr;
    std::multimap<std::int64_t, std::function<void()>> timers_;
    core::TaskQueue<std::function<void()>> tasks_{kTasksMax};
    std::vector<std::function<std::size_t()>> chores_;
    std::function<void()> offline_;
    core::DrainMeter drain_;  // of tasks
};

}  // namespace millrace::runtime
