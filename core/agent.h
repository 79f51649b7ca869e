// What: the contract of every long-lived part. do_work() does a bounded amount and says how much;
//       in production a runner thread calls it for ever, in the simulator one thread calls all.
// Threads: do_work() and wait() by the owning thread only; wake() by any.
// Lifetime: the AgentThread is stopped (and joined) before its agent is destroyed.
// Limits: an idle agent is called again after kIdleWaitUsMax at the latest.
// Failure: an agent that can't go on reports through its own interface; do_work() never throws.
#pragma once

#include "core/parker.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

namespace millrace::core {

inline constexpr std::int64_t kIdleWaitUsMax = 100'000;

class Agent {
public:
    virtual ~Agent() = default;
    virtual std::string_view name() const = 0;
    virtual std::size_t do_work() = 0;

    // Sleep until wake() or the time is over. A shard waits in its ring instead.
    virtual void wait(std::int64_t timeout_us) { parker_.park(timeout_us); }
    virtual void wake() { parker_.unpark(); }

private:
    Parker parker_;
};

// Runs one agent on its own thread until stop().
class AgentThread {
public:
    static constexpr int kNotPinned = -1;
    // Chores let those go first whom a client waits for. Brief work has a core at once where the
    // kernel does as it is asked (Linux 6.12 and newer): a thread that only starts others' waits
    // and ends them is not kept from it for somebody's whole time slice. Long work has its share in
    // longer slices, and leaves the core at once to whoever wakes up there, of other processes too.
    enum class Priority : std::uint8_t { kNormal, kChores, kBrief, kLong };

    AgentThread(Agent& agent, int cpu, Priority priority = Priority::kNormal);
    AgentThread(const AgentThread&) = delete;
    AgentThread& operator=(const AgentThread&) = delete;
    ~AgentThread() { stop(); }

    void stop();
    // As stop(), but waits so long at most. False: the agent is still in the midst of something,
    // and the thread has to be stopped again.
    bool stop_within(std::int64_t most_us);

    // How often the agent has come back from its work; any thread. One that stands still for longer
    // than kIdleWaitUsMax is in the middle of something.
    std::uint64_t turns() const { return turns_.load(std::memory_order_relaxed); }

private:
    void run(int cpu, Priority priority);

    Agent& agent_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> ended_{false};
    std::atomic<std::uint64_t> turns_{0};  // written by its thread alone; nothing is ordered by it
    std::thread thread_;
};

}  // namespace millrace::core
