#include "core/timestamp.h"

namespace millrace::core {
namespace {

constexpr std::int64_t kUsPerSecond = 1'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

// Days between 1970-01-01 and a date of the proleptic Gregorian calendar, and back: Howard
// Hinnant's "chrono-compatible low-level date algorithms".
constexpr std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const auto year_of_era = static_cast<unsigned>(year - era * 400);
    const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const unsigned day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146'097 + static_cast<std::int64_t>(day_of_era) - 719'468;
}

struct Civil {
    std::int64_t year;
    unsigned month;
    unsigned day;
};

constexpr Civil civil_from_days(std::int64_t days) {
    days += 719'468;
    const std::int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
    const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
    const unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const unsigned day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const unsigned shifted_month = (5 * day_of_year + 2) / 153;
    const unsigned day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    return {static_cast<std::int64_t>(year_of_era) + era * 400 + (month <= 2), month, day};
}

static_assert(days_from_civil(1970, 1, 1) == 0);
static_assert(days_from_civil(2000, 3, 1) == 11'017);
static_assert(civil_from_days(11'016).month == 2 && civil_from_days(11'016).day == 29);

constexpr std::int64_t kUsMin = days_from_civil(0, 1, 1) * kSecondsPerDay * kUsPerSecond;
constexpr std::int64_t kUsMax = days_from_civil(10'000, 1, 1) * kSecondsPerDay * kUsPerSecond - 1;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads exactly `count` digits at `at`.
bool read_number(std::string_view text, std::size_t at, std::size_t count, unsigned& out) {
    if (at + count > text.size()) return false;
    unsigned value = 0;
    for (std::size_t i = at; i < at + count; ++i) {
        if (!is_digit(text[i])) return false;
        value = value * 10 + static_cast<unsigned>(text[i] - '0');
    }
    out = value;
    return true;
}

unsigned days_in_month(unsigned year, unsigned month) {
    constexpr unsigned char kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29u : kDays[month - 1];
}

// ".123456789" at `at`, if there is one; moves `at` behind it.
bool read_fraction(std::string_view text, std::size_t& at, std::int64_t& us) {
    us = 0;
    if (at >= text.size() || text[at] != '.') return true;
    const std::size_t start = ++at;
    std::int64_t scale = kUsPerSecond / 10;
    while (at < text.size() && is_digit(text[at])) {
        us += (text[at++] - '0') * scale;
        scale /= 10;
    }
    return at > start;
}

// "Z" or "+hh:mm" up to the end of the text, as seconds east of UTC.
bool read_offset(std::string_view text, std::size_t at, std::int64_t& seconds_east) {
    if (at >= text.size()) return false;
    if (text[at] == 'Z' || text[at] == 'z') {
        seconds_east = 0;
        return at + 1 == text.size();
    }
    unsigned hour = 0, minute = 0;
    if ((text[at] != '+' && text[at] != '-') || text.size() != at + 6 || text[at + 3] != ':')
        return false;
    if (!read_number(text, at + 1, 2, hour) || !read_number(text, at + 4, 2, minute)) return false;
    if (hour > 23 || minute > 59) return false;
    seconds_east =
        static_cast<std::int64_t>(hour * 3600 + minute * 60) * (text[at] == '-' ? -1 : 1);
    return true;
}

char* put_digits(char* out, std::uint64_t value, int count) {
    for (int i = count - 1; i >= 0; --i) {
        out[i] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    return out + count;
}

}  // namespace

bool parse_timestamp(std::string_view text, std::int64_t& us_since_1970) noexcept {
    // 0123456789012345678
    // 2023-11-14T22:13:20
    if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':')
        return false;
    if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return false;
    unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (!read_number(text, 0, 4, year) || !read_number(text, 5, 2, month) ||
        !read_number(text, 8, 2, day) || !read_number(text, 11, 2, hour) ||
        !read_number(text, 14, 2, minute) || !read_number(text, 17, 2, second)) {
        return false;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
    if (hour > 23 || minute > 59 || second > 60) return false;
    std::size_t at = 19;
    std::int64_t fraction_us = 0, seconds_east = 0;
    if (!read_fraction(text, at, fraction_us) || !read_offset(text, at, seconds_east)) return false;
    const std::int64_t seconds = days_from_civil(year, month, day) * kSecondsPerDay +
                                 static_cast<std::int64_t>(hour * 3600 + minute * 60 + second) -
                                 seconds_east;
    us_since_1970 = seconds * kUsPerSecond + fraction_us;
    return true;
}

std::size_t format_timestamp(std::int64_t us_since_1970, char* out) noexcept {
    // Times beyond the four-digit years are shown as the nearest one that can be written.
    const std::int64_t us = us_since_1970 < kUsMin   ? kUsMin
                            : us_since_1970 > kUsMax ? kUsMax
                                                     : us_since_1970;
    std::int64_t seconds = us / kUsPerSecond;
    std::int64_t fraction_us = us % kUsPerSecond;
    if (fraction_us < 0) {
        fraction_us += kUsPerSecond;
        --seconds;
    }
    std::int64_t days = seconds / kSecondsPerDay;
    std::int64_t second_of_day = seconds % kSecondsPerDay;
    if (second_of_day < 0) {
        second_of_day += kSecondsPerDay;
        --days;
    }
    const Civil date = civil_from_days(days);
    const auto clock = static_cast<std::uint64_t>(second_of_day);
    char* p = put_digits(out, static_cast<std::uint64_t>(date.year), 4);
    *p++ = '-';
    p = put_digits(p, date.month, 2);
    *p++ = '-';
    p = put_digits(p, date.day, 2);
    *p++ = 'T';
    p = put_digits(p, clock / 3600, 2);
    *p++ = ':';
    p = put_digits(p, clock / 60 % 60, 2);
    *p++ = ':';
    p = put_digits(p, clock % 60, 2);
    *p++ = '.';
    const bool whole_ms = fraction_us % 1000 == 0;
    p = put_digits(p, static_cast<std::uint64_t>(whole_ms ? fraction_us / 1000 : fraction_us),
                   whole_ms ? 3 : 6);
    *p++ = 'Z';
    return static_cast<std::size_t>(p - out);
}

std::string format_timestamp(std::int64_t us_since_1970) {
    char text[kTimestampBytesMax];
    return std::string(text, format_timestamp(us_since_1970, text));
}

}  // namespace millrace::core
