#include "tools/cli/timed_progress.h"

#include "tools/cli/progress.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace::tools {

namespace {
constexpr double kStepsPerSecond = 1000;
constexpr std::chrono::milliseconds kDrawEvery{200};
}  // namespace

TimedProgress::TimedProgress(std::ostream& out, std::string label, double seconds, bool enabled) {
    if (!enabled) return;
    thread_ =
        std::thread([this, &out, label = std::move(label), seconds] { draw(out, label, seconds); });
}

void TimedProgress::finish() {
    if (!thread_.joinable()) return;
    {
        std::lock_guard lock(mutex_);
        ended_ = true;
    }
    ended_now_.notify_one();
    thread_.join();
}

void TimedProgress::draw(std::ostream& out, const std::string& label, double seconds) {
    const auto total = static_cast<std::uint64_t>(seconds * kStepsPerSecond);
    Progress progress(
        out, {.label = label, .unit = "s", .total = total, .rate = false, .enabled = true});
    const auto begin = std::chrono::steady_clock::now();
    std::unique_lock lock(mutex_);
    while (!ended_) {
        const double spent =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        auto done = static_cast<std::uint64_t>(spent * kStepsPerSecond);
        // What takes longer than was thought has not ended.
        if (total > 0) done = std::min(done, total - 1);
        progress.update(done, static_cast<std::uint64_t>(spent));
        ended_now_.wait_for(lock, kDrawEvery);
    }
}

}  // namespace millrace::tools
