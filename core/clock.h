// What: time as an interface, so that the simulator and the tests can move it by hand.
// Threads: RealClock from any thread; ManualClock from one, reads from any.
// Lifetime: outlives every part that holds a reference. Limits: none.
// Failure: none; wall time may jump, monotonic time never does.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

namespace millrace::core {

class Clock {
public:
    virtual ~Clock() = default;
    virtual std::int64_t wall_us() const = 0;       // microseconds since 1970-01-01T00:00:00Z
    virtual std::int64_t monotonic_ns() const = 0;  // for durations and deadlines
};

class RealClock final : public Clock {
public:
    std::int64_t wall_us() const override { return read(CLOCK_REALTIME) / 1000; }
    std::int64_t monotonic_ns() const override { return read(CLOCK_MONOTONIC); }

private:
    static std::int64_t read(clockid_t id) {
        timespec t{};
        clock_gettime(id, &t);
        return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
    }
};

class ManualClock final : public Clock {
public:
    explicit ManualClock(std::int64_t start_wall_us = 1'700'000'000'000'000)
        : wall_us_(start_wall_us) {}
    std::int64_t wall_us() const override { return wall_us_.load(std::memory_order_relaxed); }
    std::int64_t monotonic_ns() const override {
        return monotonic_ns_.load(std::memory_order_relaxed);
    }
    void advance_us(std::int64_t us) {
        wall_us_.fetch_add(us, std::memory_order_relaxed);
        monotonic_ns_.fetch_add(us * 1000, std::memory_order_relaxed);
    }
    void step_wall_us(std::int64_t us) { wall_us_.fetch_add(us, std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> wall_us_;
    std::atomic<std::int64_t> monotonic_ns_{1};
};

}  // namespace millrace::core
