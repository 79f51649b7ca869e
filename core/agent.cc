#include "core/agent.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

namespace millrace::core {

namespace {

// About a third of the share of a thread that is not nice, where both want the same core.
constexpr int kChoresNice = 5;

}  // namespace

AgentThread::AgentThread(Agent& agent, int cpu, Priority priority)
    : agent_(agent), thread_([this, cpu, priority] { run(cpu, priority); }) {}

void AgentThread::stop() {
    stopping_.store(true, std::memory_order_release);  // pairs with the acquire in run()
    agent_.wake();
    if (thread_.joinable()) thread_.join();
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
    while (!stopping_.load(std::memory_order_acquire)) {
        if (agent_.do_work() == 0) agent_.wait(kIdleWaitUsMax);
    }
}

}  // namespace millrace::core
