#include "tests/sim/weather.h"

#include <algorithm>

namespace millrace::sim {

namespace {

constexpr std::int64_t kDayUs = 86'400'000'000;

}  // namespace

Weather::Weather(World& world, std::uint64_t seed) : world_(world), random_(seed) {
    if (random_.below(2) == 0) stall_one_in_ = 300 + random_.below(3000);
    if (random_.below(3) == 0) step_one_in_ = 300 + random_.below(3000);
    if (random_.below(2) == 0) crowd_max_ = 1 + random_.below(kCrowdMax);
}

// From what a laptop's lid takes down to what a quota of the CPU does.
std::int64_t Weather::draw_stall_us() {
    const std::uint64_t top_ms = std::uint64_t{300} << random_.below(15);
    return static_cast<std::int64_t>(150 + random_.below(std::min(top_ms, stall_ms_max_))) * 1000;
}

// Half of them put right what is wrong.
std::int64_t Weather::draw_step_us() {
    if (set_by_us_ != 0 && random_.below(2) == 0) return -set_by_us_;
    const std::int64_t most_us = random_.below(2) == 0 ? kStepDaysMax * kDayUs : 5'000'000;
    const auto by_us =
        static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most_us)));
    return (random_.below(2) == 0 ? by_us : -by_us) - set_by_us_;
}

// Some ask one thing, some begin to, some say nothing: all stay.
void Weather::come() {
    const int socket = world_.network().connect(world_.http());
    if (socket < 0) return;
    static constexpr std::string_view kWhole = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    std::size_t bytes = 0;
    if (random_.below(3) != 0)
        bytes = random_.below(2) == 0 ? kWhole.size() : random_.below(kWhole.size());
    world_.network().write(socket, kWhole.substr(0, bytes));
    crowd_.push_back({socket, bytes != 0 && bytes != kWhole.size()});
}

void Weather::turn() {
    if (crowd_max_ != 0 && random_.below(20) == 0) {
        std::erase_if(crowd_, [this](const Visitor& one) {
            (void)world_.network().read(one.socket);
            return world_.network().ended(one.socket);
        });
        if (crowd_.size() < crowd_max_) come();
    }
    if (stall_one_in_ != 0 && random_.below(stall_one_in_) == 0)
        world_.clock().advance_us(draw_stall_us());
    if (step_one_in_ != 0 && random_.below(step_one_in_) == 0) {
        const std::int64_t by_us = draw_step_us();
        world_.clock().step_wall_us(by_us);
        set_by_us_ += by_us;
        ahead_us_max_ = std::max(ahead_us_max_, set_by_us_);
    }
}

void Weather::going_down() {
    std::erase_if(crowd_, [this](const Visitor& one) {
        if (one.asking) world_.network().reset(one.socket);
        return one.asking;
    });
}

void Weather::calm() {
    stall_one_in_ = step_one_in_ = 0;
    crowd_max_ = 0;
    // What its sender put off to a moment of a clock that was ahead waits for that one.
    world_.clock().step_wall_us(ahead_us_max_ - set_by_us_);
    set_by_us_ = ahead_us_max_;
}

}  // namespace millrace::sim
