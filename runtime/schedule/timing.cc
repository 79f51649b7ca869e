#include "runtime/schedule/timing.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kDaySeconds = 86'400;

std::int64_t floor_seconds(std::int64_t us) {
    const std::int64_t seconds = us / kSecondUs;
    return us % kSecondUs < 0 ? seconds - 1 : seconds;
}

// A stretch of time with one offset, and what the clocks did where it begins.
struct Stretch {
    Zone::Period period;
    std::int64_t shift_s = 0;  // > 0: put forward by so much, < 0: back
};

Stretch stretch_at(const Zone& zone, std::int64_t second) {
    Stretch stretch{zone.at(second), 0};
    if (stretch.period.begin_s > 0)
        stretch.shift_s = stretch.period.offset_s - zone.at(stretch.period.begin_s - 1).offset_s;
    return stretch;
}

// The first due second of a stretch at or behind `from_s`; may lie behind the stretch's end.
std::optional<std::int64_t> next_of_stretch(const Timing& timing, const Stretch& stretch,
                                            std::int64_t from_s) {
    const auto& [period, shift_s] = stretch;
    const bool fixed = timing.cron.fixed_time;
    const std::int64_t wall_at_begin = period.begin_s + period.offset_s;
    if (fixed && shift_s > 0 && shift_s < kDaySeconds && from_s == period.begin_s &&
        timing.gap == GapRule::kRun) {
        const auto lost = next_local(timing.cron, wall_at_begin - shift_s);
        if (lost && *lost < wall_at_begin) return period.begin_s;
    }
    std::int64_t wall_from = from_s + period.offset_s;
    if (fixed && shift_s < 0 && timing.overlap == OverlapHourRule::kFirst)
        wall_from = std::max(wall_from, wall_at_begin - shift_s);
    const auto wall = next_local(timing.cron, wall_from);
    if (!wall) return std::nullopt;
    return *wall - period.offset_s;
}

std::optional<std::int64_t> next_cron(const Timing& timing, std::int64_t after_us) {
    std::int64_t from_s = floor_seconds(after_us) + 1;
    while (true) {
        const Stretch stretch = stretch_at(timing.zone, from_s);
        const auto next = next_of_stretch(timing, stretch, from_s);
        if (!next) return std::nullopt;
        if (*next < stretch.period.end_s) return *next * kSecondUs;
        from_s = stretch.period.end_s;
    }
}

std::optional<std::int64_t> next_of_type(const Timing& timing, std::int64_t after_us) {
    switch (timing.type) {
        case TimingType::kOnce:
            return timing.at_us > after_us ? std::optional(timing.at_us) : std::nullopt;
        case TimingType::kInterval: {
            if (timing.anchor_us > after_us) return timing.anchor_us;
            const std::int64_t steps = (after_us - timing.anchor_us) / timing.interval_us + 1;
            return timing.anchor_us + steps * timing.interval_us;
        }
        case TimingType::kCron: break;
    }
    return next_cron(timing, after_us);
}

// The last due time till `until_us`, where `due_us` is one.
std::int64_t last_from(const Timing& timing, std::int64_t due_us, std::int64_t until_us) {
    constexpr int kFew = 8;  // mostly it is one of those
    for (int i = 0; i < kFew; ++i) {
        const auto next = next_due(timing, due_us);
        if (!next || *next > until_us) return due_us;
        due_us = *next;
    }
    while (due_us < until_us) {  // nothing is due between there and the end
        const std::int64_t middle_us = due_us + (until_us - due_us) / 2;
        const auto next = next_due(timing, middle_us);
        if (next && *next <= until_us)
            due_us = *next;
        else
            until_us = middle_us;
    }
    return due_us;
}

}  // namespace

std::optional<std::int64_t> next_due(const Timing& timing, std::int64_t after_us) {
    const auto next = next_of_type(timing, std::max(after_us, timing.from_us - 1));
    return next && *next <= timing.to_us ? next : std::nullopt;
}

// Looks back over growing stretches of time, and halves the one that holds it, so that it costs
// little however dense the times are, there or elsewhere.
std::optional<std::int64_t> last_due(const Timing& timing, std::int64_t after_us,
                                     std::int64_t until_us) {
    for (std::int64_t back_us = 60 * kSecondUs;; back_us *= 8) {
        const bool whole = until_us - after_us <= back_us;
        const auto first = next_due(timing, whole ? after_us : until_us - back_us);
        if (first && *first <= until_us) return last_from(timing, *first, until_us);
        if (whole) return std::nullopt;
    }
}

}  // namespace millrace::runtime
