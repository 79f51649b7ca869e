// What: a progress line for long work
//       ("loading  [#####.....]  51%  1.2M events  310k/s  12 s left").
// Threads: one. Lifetime: borrows the stream. Limits: redraws at most ten times a second.
// Failure: none; when not enabled (no terminal) it prints nothing at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

namespace millrace::tools {

class Progress {
public:
    using Clock = std::chrono::steady_clock;
    struct Options {
        std::string label{};
        std::string unit = "events";
        std::uint64_t total = 0;  // in steps; 0 when unknown: no bar, only counts
        bool rate = true;         // units a second, too
        bool enabled = false;
        std::function<Clock::time_point()> now = [] { return Clock::now(); };
    };

    Progress(std::ostream& out, Options options);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { finish(); }

    // `done` of the total (bytes, positions), and how many units that made.
    void update(std::uint64_t done, std::uint64_t units);
    // Draws the last state and ends the line; further calls do nothing.
    void finish();

private:
    void draw();

    std::ostream& out_;
    Options options_;
    Clock::time_point started_;
    Clock::time_point drawn_;
    std::uint64_t done_ = 0;
    std::uint64_t units_ = 0;
    bool drawn_once_ = false;
    bool finished_ = false;
};

// "12 s", "5 min", "3 h": how long something takes, for people.
std::string short_duration(double seconds);

// 950 -> "950", 12345 -> "12.3k", 4200000 -> "4.2M".
std::string short_count(double value);

}  // namespace millrace::tools
