// What: a cron expression, read: 5, 6 (seconds first) or 7 (year last) fields after OCPS 1.0 to
//       1.4, with L, W, # and, before the weekday, + for "and" instead of "or"; or a name as
//       @daily. Beyond OCPS "5/15" is "from 5 to the end, every 15th".
// Threads: a value; pure functions, any thread. Lifetime: none.
// Limits: kCronTextBytesMax; years kCronYearMin to kCronYearMax, both ends of every search.
// Failure: kValidation with the byte at which the expression stops making sense.
#pragma once

#include "core/result.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kCronTextBytesMax = 512;
inline constexpr int kCronYearMin = 1970;
inline constexpr int kCronYearMax = 2199;

// Bits of CronSpec::weekday_nth.
inline constexpr std::uint8_t kCronLastOfMonth = 1u << 6;

struct CronSpec {
    std::uint64_t seconds = 0;  // bit n: second n
    std::uint64_t minutes = 0;
    std::uint32_t hours = 0;
    std::uint32_t days = 0;  // bit 1 to 31
    std::uint16_t months = 0;
    std::uint8_t weekdays = 0;  // bit 0: Sunday
    // By weekday, the first (bit 1) to the fifth (bit 5) of a month, or its last.
    std::array<std::uint8_t, 7> weekday_nth{};
    bool last_day = false;                 // L
    std::uint8_t nearest_weekday = 0;      // the day before W; 32: LW
    std::array<std::uint64_t, 4> years{};  // bit n: kCronYearMin + n

    bool any_day = false;      // the field is * or ?
    bool any_weekday = false;  // likewise
    bool both = false;         // +: day and weekday, not one of them
    // No *, range or step in second, minute and hour: it stands for times of the day, which a
    // change of the clock does not take away or double.
    bool fixed_time = false;
    bool at_start = false;  // @reboot: once at each start of the server, at no time of the clock

    bool has_year(int year) const {
        const auto bit = static_cast<unsigned>(year - kCronYearMin);
        return bit < years.size() * 64 && (years[bit / 64] >> (bit % 64) & 1) != 0;
    }
};

core::Result<CronSpec> parse_cron(std::string_view text);

// Seconds since 1970 as a clock on the wall shows them, whatever its zone: the first at or behind
// `from_s` that the expression names; none up to the end of kCronYearMax.
std::optional<std::int64_t> next_local(const CronSpec& cron, std::int64_t from_s);

}  // namespace millrace::runtime
