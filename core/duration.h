// What: durations as people write them: "500ms", "1m", "1h30m", "250us". A bare number counts
//       milliseconds where a text stands for a number of them (parse_duration_us); of what a person
//       writes (parse_told_duration_us) only 0 has no unit: "30" may mean seconds.
// Threads: pure functions. Lifetime: none.
// Limits: units us, ms, s, m, h, d; whole numbers; at most 100 years.
// Failure: parse_duration_us returns false and leaves the output alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::core {

inline constexpr std::int64_t kDurationUsMax = 100LL * 366 * 86'400 * 1'000'000;

inline bool parse_duration_us(std::string_view text, std::int64_t& us) {
    struct Unit {
        std::string_view name;
        std::int64_t us;
    };
    // Longer names first, so that "ms" is not read as "m".
    constexpr Unit kUnits[] = {{"us", 1},         {"ms", 1000},         {"s", 1'000'000},
                               {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}};
    std::int64_t total_us = 0;
    if (text.empty()) return false;
    while (!text.empty()) {
        std::int64_t number = 0;
        std::size_t digits = 0;
        while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
            number = number * 10 + (text[digits++] - '0');
            if (number > kDurationUsMax) return false;
        }
        if (digits == 0) return false;
        text.remove_prefix(digits);
        std::int64_t unit_us = 0;
        if (text.empty() && total_us == 0) unit_us = 1000;
        for (const Unit& unit : kUnits) {
            if (unit_us == 0 && text.substr(0, unit.name.size()) == unit.name) {
                unit_us = unit.us;
                text.remove_prefix(unit.name.size());
            }
        }
        if (unit_us == 0 || number > (kDurationUsMax - total_us) / unit_us) return false;
        total_us += number * unit_us;
    }
    us = total_us;
    return true;
}

inline bool parse_told_duration_us(std::string_view text, std::int64_t& us) {
    const bool bare = !text.empty() && text.back() >= '0' && text.back() <= '9';
    return (!bare || text == "0") && parse_duration_us(text, us);
}

// In the largest unit that divides it: 90'000'000 -> "90s".
inline std::string format_duration(std::int64_t us) {
    if (us != 0 && us % 3'600'000'000 == 0) return std::to_string(us / 3'600'000'000) + "h";
    if (us != 0 && us % 60'000'000 == 0) return std::to_string(us / 60'000'000) + "m";
    if (us != 0 && us % 1'000'000 == 0) return std::to_string(us / 1'000'000) + "s";
    if (us % 1000 == 0) return std::to_string(us / 1000) + "ms";
    return std::to_string(us) + "us";
}

}  // namespace millrace::core
