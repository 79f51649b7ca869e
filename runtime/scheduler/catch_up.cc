#include "runtime/scheduler/catch_up.h"

#include <algorithm>
#include <deque>

namespace millrace::runtime {
namespace {

// Times in [first, before); 0 when there are more than are counted.
std::int64_t count_times(const Timing& timing, std::int64_t first_us, std::int64_t before_us) {
    std::int64_t count = 0;
    for (auto at = std::optional(first_us); at && *at < before_us; at = next_due(timing, *at)) {
        if (++count > kCountedMax) return 0;
    }
    return count;
}

}  // namespace

Missed missed_times(const Timing& timing, const CatchUp& rule, std::int64_t due_us,
                    std::int64_t now_us) {
    Missed out;
    out.rule = "catchUp:" + std::string(catch_up_text(rule.mode));
    const std::int64_t last_us = last_due(timing, due_us - 1, now_us).value_or(due_us);
    out.next = next_due(timing, last_us);
    const std::int64_t window_us = std::max(due_us, now_us - rule.window_ms * 1000);
    std::deque<std::int64_t> run;
    if (rule.mode == CatchUpMode::kOne && last_us >= window_us) run.push_back(last_us);
    if (rule.mode == CatchUpMode::kAll) {
        // From the newest back: of a year of seconds only those that run are looked at.
        for (auto at = std::optional(last_us);
             at && *at >= window_us && run.size() < static_cast<std::size_t>(rule.runs_max);
             at = last_due(timing, window_us - 1, *at - 1)) {
            run.push_front(*at);
        }
    }
    out.run.assign(run.begin(), run.end());
    const std::int64_t kept_us = out.run.empty() ? last_us + 1 : out.run.front();
    if (due_us >= kept_us) return out;
    out.skipped_first_us = due_us;
    out.skipped_last_us = last_due(timing, due_us - 1, kept_us - 1).value_or(due_us);
    out.skipped_count = count_times(timing, due_us, kept_us);
    return out;
}

}  // namespace millrace::runtime
