#include "runtime/lua/lua_watchdog.h"

#include "core/assert.h"
#include "core/clock.h"
#include "runtime/lua/lua_vm_state.h"

#include <lua.hpp>

#include <algorithm>
#include <chrono>

#include <signal.h>

// ThreadSanitizer keeps a signal until its thread calls something that it intercepts, and a script
// in a loop calls nothing. It does not intercept glibc's other name of sigaction; what runs in the
// handler is not instrumented then, since it may come in the middle of its own work.
#if defined(__SANITIZE_THREAD__)
extern "C" int __sigaction(int, const struct sigaction*, struct sigaction*) noexcept;  // NOLINT
#define MILLRACE_IN_SIGNAL __attribute__((no_sanitize("thread")))
#else
#define MILLRACE_IN_SIGNAL
#endif

namespace millrace::runtime {
namespace {

int set_handler(int number, const struct sigaction& action) {
#if defined(__SANITIZE_THREAD__)
    return __sigaction(number, &action, nullptr);
#else
    return sigaction(number, &action, nullptr);
#endif
}

// Ignored by default and used by nobody here, so that a stray one does no harm.
constexpr int kSignal = SIGURG;

// The slot whose run is on this thread. A signal handler has no other way to find it.
thread_local LuaWatchdogSlot* current_slot = nullptr;

// Called before every Lua instruction from the deadline on, until the run has ended: what a pcall
// catches is raised again at its next instruction.
void on_hook(lua_State* L, lua_Debug*) { luaL_error(L, "stopped: the run is past its deadline"); }

}  // namespace

MILLRACE_IN_SIGNAL void arm_kill_hook(lua_State* L) { lua_sethook(L, on_hook, LUA_MASKCOUNT, 1); }

MILLRACE_IN_SIGNAL void LuaWatchdogSlot::on_signal(int) {
    if (current_slot) current_slot->arm_if_wanted();
}

// In the signal handler, on the thread that runs Lua: lua_sethook is made to be called from there.
MILLRACE_IN_SIGNAL void LuaWatchdogSlot::arm_if_wanted() {
    const std::uint64_t running =
        sequence_.load(std::memory_order_relaxed);  // written by this thread
    if ((running & 1) == 0 || kill_sequence_.load(std::memory_order_acquire) != running) return;
    if (*kill_ == kKillNone) *kill_ = kKillTimeout;
    // Again at every signal: the first may have come while LuaJIT was changing its own dispatch.
    arm_kill_hook(state_);
}

void LuaWatchdogSlot::bind_thread() {
    thread_ = pthread_self();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, kSignal);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void LuaWatchdogSlot::enter(lua_State* state, volatile int* kill, std::uint32_t timeout_ms) {
    if (!pthread_equal(thread_, pthread_self())) [[unlikely]]
        bind_thread();
    outer_ = current_slot;
    current_slot = this;
    state_ = state;
    kill_ = kill;
    timeout_ms_.store(timeout_ms, std::memory_order_relaxed);  // published by the release below
    const std::uint64_t next = sequence_.load(std::memory_order_relaxed) + 1;
    MR_DCHECK((next & 1) == 1);
    sequence_.store(next, std::memory_order_release);  // pairs with the acquire in do_work
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

void LuaWatchdogSlot::leave() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    const std::uint64_t next = sequence_.load(std::memory_order_relaxed) + 1;
    sequence_.store(next, std::memory_order_release);
    current_slot = outer_;
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

LuaWatchdog::LuaWatchdog(Options options) : options_(options) {
    struct sigaction action {};
    action.sa_handler = &LuaWatchdogSlot::on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    MR_ASSERT(set_handler(kSignal, action) == 0);
}

LuaWatchdog::~LuaWatchdog() { stop(); }

LuaWatchdogSlot* LuaWatchdog::add_slot() {
    std::lock_guard lock(mutex_);
    slots_.push_back(std::make_unique<LuaWatchdogSlot>());
    return slots_.back().get();
}

void LuaWatchdog::remove_slot(LuaWatchdogSlot* slot) {
    std::lock_guard lock(mutex_);
    std::erase_if(slots_, [&](const auto& one) { return one.get() == slot; });
}

bool LuaWatchdog::busy(const LuaWatchdogSlot& slot) {
    std::lock_guard lock(mutex_);
    const std::uint64_t running = slot.sequence_.load(std::memory_order_acquire);
    return (running & 1) != 0 && !(running == slot.seen_sequence_ && slot.counted_stuck_);
}

std::size_t LuaWatchdog::do_work(std::int64_t now_ns) {
    std::lock_guard lock(mutex_);
    std::size_t told = 0;
    for (auto& slot : slots_) {
        const std::uint64_t running = slot->sequence_.load(std::memory_order_acquire);
        if ((running & 1) == 0) continue;
        if (running != slot->seen_sequence_) {
            slot->seen_sequence_ = running;
            slot->seen_at_ns_ = now_ns;
            slot->counted_stuck_ = false;
            continue;
        }
        const std::int64_t over_ns =
            now_ns - slot->seen_at_ns_ -
            static_cast<std::int64_t>(slot->timeout_ms_.load(std::memory_order_relaxed)) *
                1'000'000;
        if (over_ns < 0) continue;
        if (slot->kill_sequence_.load(std::memory_order_relaxed) != running) {
            killed_runs_.fetch_add(1, std::memory_order_relaxed);
            slot->kill_sequence_.store(running,
                                       std::memory_order_release);  // pairs with arm_if_wanted
        }
        ++told;
        // The run is inside, so its thread is alive; should it leave meanwhile, the handler sees
        // another sequence and does nothing.
        pthread_kill(slot->thread_, kSignal);
        if (over_ns > static_cast<std::int64_t>(options_.stuck_after_ms) * 1'000'000 &&
            !slot->counted_stuck_) {
            slot->counted_stuck_ = true;
            stuck_runs_.fetch_add(1, std::memory_order_relaxed);
        }
    }
    return told;
}

void LuaWatchdog::start() {
    if (thread_.joinable()) return;
    stopping_.store(false, std::memory_order_relaxed);
    thread_ = std::thread([this] {
        const core::RealClock clock;
        while (!stopping_.load(std::memory_order_relaxed)) {  // a stop may be seen one tick late
            do_work(clock.monotonic_ns());
            std::this_thread::sleep_for(std::chrono::milliseconds(options_.tick_ms));
        }
    });
}

void LuaWatchdog::stop() {
    stopping_.store(true, std::memory_order_relaxed);
    if (thread_.joinable()) thread_.join();
}

}  // namespace millrace::runtime
