#include "runtime/registry/schedule_timing.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

core::Status make_schedule_timing(Schedule& schedule) {
    Timing timing;
    timing.type = schedule.type;
    auto zone = Zone::find(schedule.timezone);
    if (zone) {
        timing.zone = *zone;
    } else if (!schedule.from_row) {
        return core::fail(std::move(zone.error()));
    } else if (!schedule.paused) {
        // tzdata has lost it: what was kept is not thrown away.
        schedule.paused = true;
        schedule.pause_reason = zone.error().message;
    }
    if (schedule.type == TimingType::kCron) {
        auto cron = parse_cron(schedule.cron);
        if (!cron) return core::fail(std::move(cron.error()));
        timing.cron = *cron;
    }
    timing.gap = schedule.gap;
    timing.overlap = schedule.overlap_hour;
    timing.interval_us = schedule.interval_ms * 1000;
    timing.at_us = schedule.at_us;
    timing.from_us = std::max(schedule.start_at_us, schedule.not_before_us);
    if (schedule.end_at_us != 0) timing.to_us = schedule.end_at_us;
    timing.anchor_us = schedule.start_at_us != 0     ? schedule.start_at_us
                       : schedule.not_before_us != 0 ? schedule.not_before_us
                                                     : schedule.created_at_us + timing.interval_us;
    schedule.timing = timing;
    return {};
}

std::optional<std::int64_t> first_due(const Schedule& schedule, std::int64_t done_us) {
    const std::int64_t after_us = std::max(schedule.updated_at_us, done_us);
    // The clock may have been set back behind it meanwhile.
    if (schedule.type == TimingType::kOnce && done_us != 0 && schedule.at_us <= done_us)
        return std::nullopt;
    // A time that lies in the past when it is asked for is due at once.
    if (schedule.type == TimingType::kOnce && schedule.at_us > after_us - 1)
        return next_due(schedule.timing, schedule.at_us - 1);
    if (schedule.type == TimingType::kOnce && schedule.version == 1) {
        Timing timing = schedule.timing;
        timing.from_us = 0;
        return next_due(timing, schedule.at_us - 1);
    }
    // The grid's first point, though it was past when it was asked for.
    if (schedule.type == TimingType::kInterval && schedule.not_before_us != 0 &&
        schedule.version == 1)
        return next_due(schedule.timing, std::min(after_us, schedule.timing.anchor_us - 1));
    return next_due(schedule.timing, after_us);
}

}  // namespace millrace::runtime
