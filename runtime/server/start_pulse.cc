#include "runtime/server/start_pulse.h"

#include <chrono>
#include <system_error>

#include <sys/resource.h>

namespace millrace::runtime {

namespace {

// Time on a core and blocks of the disk: what a start does shows in one of them.
std::int64_t done_so_far() {
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    constexpr std::int64_t kMs = 1'000;
    const std::int64_t cpu_ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * kMs +
                                (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / kMs;
    return cpu_ms / 10 + usage.ru_inblock + usage.ru_oublock;
}

}  // namespace

StartPulse::StartPulse(const ServiceNotify& notify) : notify_(notify) {
    if (!notify_.asked()) return;
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
        return;  // the start itself will say that threads are refused
    }
}

StartPulse::~StartPulse() {
    if (!thread_.joinable()) return;
    {
        std::lock_guard lock(mutex_);
        end_ = true;
    }
    ended_.notify_one();
    thread_.join();
}

void StartPulse::run() {
    std::unique_lock lock(mutex_);
    std::int64_t before = done_so_far();
    while (!ended_.wait_for(lock, std::chrono::milliseconds(kLookMs), [this] { return end_; })) {
        const std::int64_t now = done_so_far();
        if (now != before) notify_.extend(kExtendUs, "opening the data folder");
        before = now;
    }
}

}  // namespace millrace::runtime
