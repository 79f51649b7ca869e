// What: the agent for everything that may take its time: REST resources, registry changes and the
//       matcher's upkeep, event streams. Runs tasks one after the other, and chores in between.
// Threads: post() any; tasks and chores on its own.
// Lifetime: tasks may refer to whatever the server stops after it.
// Limits: kTasksMax waiting tasks (overflow policy: refuse, the edge answers 503); answers beside
//         them, at most as many as there are open streams and calls that were let in.
// Failure: none of its own.
#pragma once

#include "core/agent.h"
#include "core/task_queue.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::runtime {

class Conductor final : public core::Agent {
public:
    static constexpr std::size_t kTasksMax = 8192;
    static constexpr std::int64_t kChoreUs = 5'000;

    // A chore returns how much it did; it is called at least every kChoreUs while it does something
    // and otherwise at the pace of idle waits.
    void add_chore(std::function<std::size_t()> chore) { chores_.push_back(std::move(chore)); }
    // Called before a wait.
    void set_offline(std::function<void()> offline) { offline_ = std::move(offline); }

    bool post(std::function<void()> task) {
        if (!tasks_.try_push(std::move(task))) return false;
        wake();
        return true;
    }

    // What somebody who was let in waits for: an event stream's next step, the end of a script's
    // run. Refused, it would never come, so that it always goes in.
    void post_answer(std::function<void()> task) {
        tasks_.push_beyond(std::move(task));
        wake();
    }

    // Once its thread is stopped: what waits holds bodies that belong to the shards.
    void drop_tasks() {
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
        for (const auto& chore : chores_) done += chore();
        return done;
    }
    void wait(std::int64_t timeout_us) override {
        if (offline_) offline_();
        core::Agent::wait(timeout_us);
    }

private:
    static constexpr std::size_t kTasksPerCycle = 32;
    core::TaskQueue<std::function<void()>> tasks_{kTasksMax};
    std::vector<std::function<std::size_t()>> chores_;
    std::function<void()> offline_;
};

}  // namespace millrace::runtime
