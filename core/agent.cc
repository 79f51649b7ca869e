#include "core/agent.h"

#include <chrono>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace::core {

namespace {

// About a third of the share of a thread that is not nice, where both want the same core.
constexpr int kChoresNice = 5;
// The kernel's shortest slice. A thread that wakes up takes the core from one with a longer slice;
// otherwise that one keeps it until the next tick, 4 ms.
constexpr std::uint64_t kBriefSliceNs = 100'000;
// Longer than that of any thread that asks for none, which is 0.7 to 2.8 ms by the number of cores.
constexpr std::uint64_t kLongSliceNs = 4'000'000;

// sched_setattr(2), which has no declaration in Debian 12's <sched.h>; the kernel's own header
// defines sched_param a second time.
struct SchedAttributes {
    std::uint32_t size = 0;
    std::uint32_t policy = 0;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = 0;  // of an ordinary thread: its slice
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};

// Of the calling thread; no right is needed for it. An older kernel takes it and does nothing.
void ask_for_slices(std::uint64_t ns) {
    SchedAttributes attributes;
    if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
    attributes.size = sizeof(attributes);
    attributes.runtime_ns = ns;
    ::syscall(SYS_sched_setattr, 0, &attributes, 0);  // refusal only costs smoothness
}

}  // namespace

AgentThread::AgentThread(Agent& agent, int cpu, Priority priority)
    : agent_(agent), thread_([this, cpu, priority] { run(cpu, priority); }) {}

void AgentThread::stop() {
    stopping_.store(true, std::memory_order_release);  // pairs with the acquire in run()
    agent_.wake();
    if (thread_.joinable()) thread_.join();
}

bool AgentThread::stop_within(std::int64_t most_us) {
    constexpr std::int64_t kLookUs = 1'000;
    stopping_.store(true, std::memory_order_release);  // as in stop()
    agent_.wake();
    for (std::int64_t waited_us = 0; !ended_.load(std::memory_order_acquire);
         waited_us += kLookUs) {
        if (waited_us >= most_us) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(kLookUs));
    }
    stop();
    return true;
}

void AgentThread::run(int cpu, Priority priority) {
    // The kernel's limit is 15 characters and a zero.
    const std::string name(agent_.name().substr(0, 15));
    pthread_setname_np(pthread_self(), name.c_str());
    if (cpu != kNotPinned) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // refusal only costs speed
    }
    if (priority == Priority::kChores) {
        // On Linux this is of the calling thread alone; refusal only costs smoothness.
        static_cast<void>(setpriority(PRIO_PROCESS, 0, kChoresNice));
    }
    if (priority == Priority::kBrief) ask_for_slices(kBriefSliceNs);
    if (priority == Priority::kLong) ask_for_slices(kLongSliceNs);
    while (!stopping_.load(std::memory_order_acquire)) {
        if (agent_.do_work() == 0) agent_.wait(kIdleWaitUsMax);
        turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    ended_.store(true, std::memory_order_release);  // pairs with stop_within()
}

}  // namespace millrace::core
