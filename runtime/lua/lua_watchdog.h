// What: the deadline of running handlers. One thread looks at a slot per lane every few
//       milliseconds; a run that stays too long gets a signal on its own thread, whose handler arms
//       the Lua hook. Entering and leaving a run costs two stores and no clock.
// Threads: enter() and leave() on the lane's thread; do_work() on the watchdog's, or by hand in a
//       test. add_slot() and remove_slot() from any thread.
// Lifetime: the watchdog outlives its slots; a slot outlives every VM that uses it.
// Limits: a run is stopped between its deadline and one tick later. A single long C call is
//       bounded by its own step counts, not by this.
// Failure: where the signal can't be sent the run goes on and stuck_runs() counts it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <pthread.h>

struct lua_State;

namespace millrace::runtime {

class LuaWatchdogSlot {
public:
    LuaWatchdogSlot() = default;
    LuaWatchdogSlot(const LuaWatchdogSlot&) = delete;
    LuaWatchdogSlot& operator=(const LuaWatchdogSlot&) = delete;

    // A run begins, maybe inside of another slot's on the same thread. `state` is what the hook is
    // armed on; `kill` becomes 1 when it was.
    void enter(lua_State* state, volatile int* kill, std::uint32_t timeout_ms);
    void leave();

private:
    friend class LuaWatchdog;
    static void on_signal(int);
    void bind_thread();
    void arm_if_wanted();

    // Odd while a run is inside. Release in enter/leave pairs with acquire in do_work.
    alignas(64) std::atomic<std::uint64_t> sequence_{0};
    std::atomic<std::uint32_t> timeout_ms_{0};
    std::atomic<std::uint64_t> kill_sequence_{0};  // which run the watchdog wants stopped
    pthread_t thread_{};
    lua_State* state_ = nullptr;  // lane's thread and its signal handler only
    volatile int* kill_ = nullptr;
    LuaWatchdogSlot* outer_ = nullptr;  // whose run this one is inside of
    // Watchdog's own.
    alignas(64) std::uint64_t seen_sequence_ = 0;
    std::int64_t seen_at_ns_ = 0;
    bool counted_stuck_ = false;
};

class LuaWatchdog {
public:
    struct Options {
        std::uint32_t tick_ms = 5;
        std::uint32_t stuck_after_ms = 2'000;  // past the deadline
    };
    LuaWatchdog() : LuaWatchdog(Options{}) {}
    explicit LuaWatchdog(Options options);
    LuaWatchdog(const LuaWatchdog&) = delete;
    LuaWatchdog& operator=(const LuaWatchdog&) = delete;
    ~LuaWatchdog();

    LuaWatchdogSlot* add_slot();
    void remove_slot(LuaWatchdogSlot* slot);

    void start();  // its own thread
    void stop();
    // A run is inside and in its time, or not long after it: its thread is busy, it does not hang.
    // Any thread.
    bool busy(const LuaWatchdogSlot& slot);
    // One look at every slot; returns how many runs were told to stop.
    std::size_t do_work(std::int64_t monotonic_ns);

    std::uint64_t killed_runs() const { return killed_runs_.load(std::memory_order_relaxed); }
    std::uint64_t stuck_runs() const { return stuck_runs_.load(std::memory_order_relaxed); }

private:
    const Options options_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<LuaWatchdogSlot>> slots_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
    std::atomic<std::uint64_t> killed_runs_{0};  // counters: nothing is ordered by them
    std::atomic<std::uint64_t> stuck_runs_{0};
};

}  // namespace millrace::runtime
