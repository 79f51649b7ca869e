// What: the agent for work that reads or copies much and that the conductor must not wait for. One
//       task after the other, on a thread of its own. There are two: `sideline` for what somebody
//       looks at (long searches, traces, previews, views of the past) and `haul` for what may take
//       minutes (backups, retention), so that no look waits behind a copy of the folder.
// Threads: post() any; tasks on its own. Lifetime: tasks may refer to whatever is stopped later.
// Limits: kTasksMax waiting tasks (overflow policy: refuse, the caller answers 429).
// Failure: none of its own.
#pragma once

#include "core/agent.h"

#include <deque>
#include <functional>
#include <mutex>
#include <utility>

namespace millrace::runtime {

class Sideline final : public core::Agent {
public:
    static constexpr std::size_t kTasksMax = 32;

    explicit Sideline(std::string_view name) : name_(name) {}

    bool post(std::function<void()> task) {
        {
            std::lock_guard lock(mutex_);
            if (tasks_.size() >= kTasksMax) return false;
            tasks_.push_back(std::move(task));
        }
        wake();
        return true;
    }

    std::string_view name() const override { return name_; }
    std::size_t do_work() override {
        std::function<void()> task;
        {
            std::lock_guard lock(mutex_);
            if (tasks_.empty()) return 0;
            task = std::move(tasks_.front());
            tasks_.pop_front();
        }
        task();
        return 1;
    }

private:
    const std::string_view name_;  // a literal
    std::mutex mutex_;
    std::deque<std::function<void()>> tasks_;
};

}  // namespace millrace::runtime
