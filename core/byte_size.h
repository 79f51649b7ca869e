// What: amounts of bytes as people write them: "1048576", "512MiB", "10GB".
// Threads: pure functions. Lifetime: none.
// Limits: whole numbers; KB, MB, GB, TB count in thousands, KiB, MiB, GiB, TiB in 1024s.
// Failure: parse_byte_size returns false and leaves the output alone.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace millrace::core {

inline bool parse_byte_size(std::string_view text, std::int64_t& bytes) {
    struct Unit {
        std::string_view name;
        std::int64_t bytes;
    };
    constexpr Unit kUnits[] = {{"", 1},
                               {"B", 1},
                               {"KB", 1000},
                               {"MB", 1'000'000},
                               {"GB", 1'000'000'000},
                               {"TB", 1'000'000'000'000},
                               {"KiB", 1LL << 10},
                               {"MiB", 1LL << 20},
                               {"GiB", 1LL << 30},
                               {"TiB", 1LL << 40}};
    std::int64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || number < 0) return false;
    std::string_view unit(stop, static_cast<std::size_t>(end - stop));
    if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
    for (const Unit& each : kUnits) {
        if (each.name != unit) continue;
        if (number > INT64_MAX / each.bytes) return false;
        bytes = number * each.bytes;
        return true;
    }
    return false;
}

}  // namespace millrace::core
