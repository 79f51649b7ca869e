#include "tools/cli/progress.h"

#include <algorithm>
#include <cstdio>

namespace millrace::tools {

namespace {
constexpr std::size_t kBarColumns = 24;
constexpr std::chrono::milliseconds kRedrawEvery{100};
}  // namespace

std::string short_count(double value) {
    constexpr struct {
        double from;
        const char* suffix;
    } kUnits[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    char text[32];
    for (const auto& unit : kUnits) {
        if (value < unit.from) continue;
        std::snprintf(text, sizeof text, "%.1f%s", value / unit.from, unit.suffix);
        return text;
    }
    std::snprintf(text, sizeof text, "%.0f", value);
    return text;
}

std::string short_duration(double seconds) {
    constexpr double kMinute = 60, kHour = 3600;
    char text[32];
    if (seconds < 2 * kMinute)
        std::snprintf(text, sizeof text, "%.0f s", seconds);
    else if (seconds < 2 * kHour)
        std::snprintf(text, sizeof text, "%.0f min", seconds / kMinute);
    else
        std::snprintf(text, sizeof text, "%.1f h", seconds / kHour);
    return text;
}

Progress::Progress(std::ostream& out, Options options)
    : out_(out), options_(std::move(options)), started_(options_.now()), drawn_(started_) {}

void Progress::update(std::uint64_t done, std::uint64_t units) {
    done_ = done;
    units_ = units;
    if (!options_.enabled || finished_) return;
    const auto now = options_.now();
    if (drawn_once_ && now - drawn_ < kRedrawEvery) return;
    drawn_ = now;
    draw();
}

void Progress::draw() {
    const std::chrono::duration<double> spent = options_.now() - started_;
    std::string line = options_.label;
    if (options_.total > 0) {
        const double part =
            std::min(1.0, static_cast<double>(done_) / static_cast<double>(options_.total));
        const auto filled = static_cast<std::size_t>(part * static_cast<double>(kBarColumns));
        char percent[16];
        std::snprintf(percent, sizeof percent, "%3.0f%%", part * 100.0);
        line += "  [" + std::string(filled, '#') + std::string(kBarColumns - filled, '.') + "]  " +
                percent;
    }
    line += "  " + short_count(static_cast<double>(units_)) + " " + options_.unit;
    if (options_.rate && spent.count() > 0.05) {
        line += "  " + short_count(static_cast<double>(units_) / spent.count()) + "/s";
    }
    // From the pace so far; of the very beginning nothing can be said.
    constexpr double kSaysSeconds = 0.5;
    if (options_.total > 0 && done_ > 0 && done_ < options_.total && spent.count() > kSaysSeconds &&
        !finished_) {
        const auto left = static_cast<double>(options_.total - done_);
        line += "  " + short_duration(spent.count() * left / static_cast<double>(done_)) + " left";
    }
    out_ << '\r' << line << "\x1b[K" << std::flush;
    drawn_once_ = true;
}

void Progress::finish() {
    if (finished_) return;
    finished_ = true;
    if (!options_.enabled || !drawn_once_) return;
    draw();
    out_ << '\n' << std::flush;
}

}  // namespace millrace::tools
