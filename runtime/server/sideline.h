// What: the agent for work that reads or copies much and that the conductor must not wait for. One
//       task after the other, on a thread of its own. There are three: `sideline` for what somebody
//       looks at (long searches, traces, previews, views of the past), `haul` for what may take
//       minutes (backups, retention), so that no look waits behind a copy of the folder, and
//       `compiler` for expressions, which touches nothing that is stopped and may be left at it.
// Threads: post() any; tasks on its own. Lifetime: tasks may refer to whatever is stopped later.
// Limits: tasks_max waiting tasks (overflow policy: refuse, the caller answers 429).
// Failure: none of its own.
#pragma once

#include "core/agent.h"
#include "core/task_queue.h"

#include <functional>
#include <string_view>
#include <utility>

namespace millrace::runtime {

class Sideline final : public core::Agent {
public:
    Sideline(std::string_view name, std::size_t tasks_max) : name_(name), tasks_(tasks_max) {}

    bool post(std::function<void()> task) {
        if (!tasks_.try_push(std::move(task))) return false;
        wake();
        return true;
    }

    std::string_view name() const override { return name_; }
    std::size_t do_work() override {
        std::function<void()> task;
        if (!tasks_.try_pop(task)) return 0;
        task();
        return 1;
    }

private:
    const std::string_view name_;  // a literal
    core::TaskQueue<std::function<void()>> tasks_;
};

}  // namespace millrace::runtime
