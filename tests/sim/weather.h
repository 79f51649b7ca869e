// What: what the machine does to the server beside its disk: the whole process stands still for a
//       while (both clocks go on), the wall clock is set forward or back (the monotonic one goes
//       on), and a crowd of connections is open that says little. Each in a part of the seeds.
// Threads: one. Lifetime: of a run. Limits: kCrowdMax connections, kStepDaysMax days.
// Failure: none; what it brings to light is wrong with the server.
#pragma once

#include "core/random.h"
#include "tests/sim/world.h"

#include <cstdint>
#include <vector>

namespace millrace::sim {

class Weather {
public:
    Weather(World& world, std::uint64_t seed);

    bool stalls() const { return stall_one_in_ != 0; }
    bool steps() const { return step_one_in_ != 0; }
    // Executors that answer late have their time, too: no stall is longer than it.
    void spare_late_executors() { stall_ms_max_ = 600'000; }

    // Before a step of the world.
    void turn();
    void server_gone() { crowd_.clear(); }
    // Whoever is in the middle of a request goes: a stop waits for them.
    void going_down();
    // The end of the run: the clocks run as they should, and what was due some time is due.
    void calm();

private:
    static constexpr std::size_t kCrowdMax = 40;
    static constexpr std::int64_t kStepDaysMax = 400;

    void come();
    std::int64_t draw_stall_us();
    std::int64_t draw_step_us();

    World& world_;
    core::Random random_;
    std::uint64_t stall_one_in_ = 0;  // 0: never
    std::uint64_t step_one_in_ = 0;
    std::size_t crowd_max_ = 0;
    std::uint64_t stall_ms_max_ = 3'600'000;
    std::int64_t set_by_us_ = 0;  // what the wall clock is ahead
    std::int64_t ahead_us_max_ = 0;
    struct Visitor {
        int socket = -1;
        bool asking = false;  // and will never come to the end of it
    };
    std::vector<Visitor> crowd_;
};

}  // namespace millrace::sim
