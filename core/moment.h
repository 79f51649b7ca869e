// What: a moment as people write it: an RFC 3339 time, "now", or how long ago: "1h", "-2d", "90s".
// Threads: pure. Lifetime: none. Limits: those of core/duration.h; a number needs its unit.
// Failure: parse_moment returns false and leaves the output alone.
#pragma once

#include "core/duration.h"
#include "core/timestamp.h"

#include <cstdint>
#include <string_view>

namespace millrace::core {

inline constexpr std::string_view kMomentForms =
    "an RFC 3339 time such as 2026-01-31T12:00:00Z, or how long ago, such as 1h or -2d";

inline bool parse_moment(std::string_view text, std::int64_t now_us, std::int64_t& us) {
    if (parse_timestamp(text, us)) return true;
    std::int64_t ago_us = 0;
    if (text.starts_with('-')) text.remove_prefix(1);
    if (text == "now") text = "0s";
    if (text == "0" || !parse_told_duration_us(text, ago_us)) return false;
    us = now_us - ago_us;
    return true;
}

}  // namespace millrace::core
