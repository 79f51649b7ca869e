#include "runtime/schedule/cron.h"

#include <bit>
#include <chrono>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kDaySeconds = 86'400;

struct Month {
    int year = 0;
    unsigned month = 1;
    unsigned length = 31;
    unsigned first_weekday = 0;  // of its first day; 0: Sunday
    std::int64_t first_day = 0;  // since 1970
};

Month month_of(int year, unsigned month) {
    namespace ch = std::chrono;
    const ch::year_month in{ch::year(year), ch::month(month)};
    const ch::sys_days first{in / 1};
    return {year, month, static_cast<unsigned>((in / ch::last).day()),
            ch::weekday(first).c_encoding(), first.time_since_epoch().count()};
}

unsigned weekday_of(const Month& month, unsigned day) {
    return (month.first_weekday + day - 1) % 7;
}

// Of Monday to Friday, the one nearest to this day within the month; 0: the month has no such day.
unsigned nearest_weekday(const Month& month, unsigned day) {
    if (day > 31) {
        day = month.length;
        while (weekday_of(month, day) % 6 == 0) --day;
        return day;
    }
    if (day > month.length) return 0;
    const unsigned weekday = weekday_of(month, day);
    if (weekday == 6) return day == 1 ? 3 : day - 1;
    if (weekday == 0) return day == month.length ? day - 2 : day + 1;
    return day;
}

bool names_day(const CronSpec& cron, const Month& month, unsigned day) {
    return (cron.days >> day & 1) != 0 || (cron.last_day && day == month.length) ||
           (cron.nearest_weekday != 0 && nearest_weekday(month, cron.nearest_weekday) == day);
}

bool names_weekday(const CronSpec& cron, const Month& month, unsigned day) {
    const unsigned weekday = weekday_of(month, day);
    if ((cron.weekdays >> weekday & 1) != 0) return true;
    const std::uint8_t nth = cron.weekday_nth[weekday];
    if (nth == 0) return false;
    return (nth >> ((day - 1) / 7 + 1) & 1) != 0 ||
           ((nth & kCronLastOfMonth) != 0 && day + 7 > month.length);
}

bool has_day(const CronSpec& cron, const Month& month, unsigned day) {
    if (cron.any_day && cron.any_weekday) return true;
    if (cron.any_day) return names_weekday(cron, month, day);
    if (cron.any_weekday) return names_day(cron, month, day);
    const bool by_day = names_day(cron, month, day);
    const bool by_weekday = names_weekday(cron, month, day);
    return cron.both ? by_day && by_weekday : by_day || by_weekday;
}

// The lowest bit at or above `from`; 64: there is none.
unsigned bit_from(std::uint64_t bits, unsigned from) {
    if (from > 63) return 64;
    return static_cast<unsigned>(std::countr_zero(bits >> from << from));
}

// The first second of a day that is named, at or behind `from`; none: -1.
std::int64_t time_of_day(const CronSpec& cron, std::int64_t from) {
    auto hour = static_cast<unsigned>(from / 3600);
    auto minute = static_cast<unsigned>(from / 60 % 60);
    auto second = static_cast<unsigned>(from % 60);
    if (const unsigned next = bit_from(cron.hours, hour); next != hour) {
        if (next > 23) return -1;
        hour = next;
        minute = second = 0;
    }
    if (const unsigned next = bit_from(cron.minutes, minute); next != minute) {
        if (next > 59) return time_of_day(cron, (std::int64_t{hour} + 1) * 3600);
        minute = next;
        second = 0;
    }
    second = bit_from(cron.seconds, second);
    if (second > 59) {
        const std::int64_t next = std::int64_t{hour} * 3600 + (std::int64_t{minute} + 1) * 60;
        return next < kDaySeconds ? time_of_day(cron, next) : -1;
    }
    return std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second;
}

}  // namespace

std::optional<std::int64_t> next_local(const CronSpec& cron, std::int64_t from_s) {
    namespace ch = std::chrono;
    if (cron.at_start) return std::nullopt;
    if (from_s < 0) from_s = 0;
    const std::int64_t from_day = from_s / kDaySeconds;
    const ch::year_month_day begin{ch::sys_days(ch::days(from_day))};
    const std::int64_t first_of_day = time_of_day(cron, 0);
    if (first_of_day < 0) return std::nullopt;
    for (int year = static_cast<int>(begin.year()); year <= kCronYearMax; ++year) {
        if (!cron.has_year(year)) continue;
        const bool same_year = year == static_cast<int>(begin.year());
        const unsigned first_month = same_year ? static_cast<unsigned>(begin.month()) : 1;
        for (unsigned number = first_month; number <= 12; ++number) {
            if ((cron.months >> number & 1) == 0) continue;
            const Month month = month_of(year, number);
            const std::int64_t skipped = from_day - month.first_day;
            for (unsigned day = skipped > 0 ? static_cast<unsigned>(skipped) + 1 : 1;
                 day <= month.length; ++day) {
                if (!has_day(cron, month, day)) continue;
                const std::int64_t date = month.first_day + day - 1;
                const std::int64_t time =
                    date == from_day ? time_of_day(cron, from_s % kDaySeconds) : first_of_day;
                if (time >= 0) return date * kDaySeconds + time;
            }
        }
    }
    return std::nullopt;
}

}  // namespace millrace::runtime
