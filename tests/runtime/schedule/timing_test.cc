// Times that are due: the case file, held against rules one by one, and random expressions against
// an evaluator that asks the C library minute by minute.
#include "runtime/schedule/timing.h"

#include "core/json_reader.h"
#include "core/timestamp.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kUs = 1'000'000;

Timing cron_timing(const std::string& text, const std::string& zone) {
    Timing timing;
    auto cron = parse_cron(text);
    EXPECT_TRUE(cron) << text;
    if (cron) timing.cron = *cron;
    auto found = Zone::find(zone);
    EXPECT_TRUE(found) << zone;
    if (found) timing.zone = *found;
    return timing;
}

std::int64_t at(const std::string& text) {
    std::int64_t us = 0;
    EXPECT_TRUE(core::parse_timestamp(text, us)) << text;
    return us;
}

std::vector<std::string> due(const Timing& timing, const std::string& from, int count) {
    std::vector<std::string> out;
    std::int64_t after_us = at(from);
    for (int i = 0; i < count; ++i) {
        const auto next = next_due(timing, after_us);
        if (!next) break;
        out.push_back(core::format_timestamp(*next));
        after_us = *next;
    }
    return out;
}

using Texts = std::vector<std::string>;

// ---- the case file

void hold(const std::string& line) {
    core::JsonDocument document;
    auto row = document.parse_object(line);
    ASSERT_TRUE(row) << line;
    std::string expr, tz = "UTC", from, moment, gap = "end", overlap = "first";
    std::vector<std::string> next;
    bool invalid = false, fires = false;
    row->text("expr", expr);
    row->boolean("invalid", invalid);
    if (invalid) {
        EXPECT_FALSE(parse_cron(expr)) << line;
        return;
    }
    row->text("tz", tz);
    row->text("gap", gap);
    row->text("overlap", overlap);
    if (gap == "shift" || overlap == "second") return;  // others' rules
    Timing timing = cron_timing(expr, tz);
    if (gap == "skip") timing.gap = GapRule::kSkip;
    if (overlap == "both") timing.overlap = OverlapHourRule::kBoth;
    if (row->text("at", moment)) {
        row->boolean("fires", fires);
        EXPECT_EQ(next_due(timing, at(moment) - 1) == at(moment), fires) << line;
        return;
    }
    row->text("from", from);
    ASSERT_TRUE(row->text_list("next", next, 100)) << line;
    std::int64_t after_us = at(from);
    for (const std::string& wanted : next) {
        const auto found = next_due(timing, after_us);
        ASSERT_TRUE(found) << line;
        EXPECT_EQ(core::format_timestamp(*found), core::format_timestamp(at(wanted))) << line;
        after_us = at(wanted);
    }
    if (next.empty()) {
        EXPECT_FALSE(next_due(timing, after_us)) << line;
    }
}

TEST(Timing, HoldsTheCaseFile) {
    std::ifstream file(std::string(MILLRACE_SOURCE_DIR) + "/tests/data/schedule/cron.jsonl");
    int rows = 0;
    for (std::string line; std::getline(file, line); ++rows) hold(line);
    EXPECT_GT(rows, 50);
}

// ---- rule by rule

TEST(Timing, RunsAFixedTimeWhenTheGapEnds) {
    const Timing timing = cron_timing("30 2 * * *", "America/New_York");
    EXPECT_EQ(due(timing, "2026-03-07T12:00:00Z", 2),
              (Texts{"2026-03-08T07:00:00.000Z", "2026-03-09T06:30:00.000Z"}));
    EXPECT_EQ(due(cron_timing("0,15,30 2,3 * * *", "America/New_York"), "2026-03-08T00:00:00Z", 2),
              (Texts{"2026-03-08T07:00:00.000Z", "2026-03-08T07:15:00.000Z"}))
        << "one moment is due once";
}

TEST(Timing, LeavesTheGapOutWhereThatIsAskedFor) {
    Timing timing = cron_timing("30 2 * * *", "America/New_York");
    timing.gap = GapRule::kSkip;
    EXPECT_EQ(due(timing, "2026-03-07T12:00:00Z", 1), (Texts{"2026-03-09T06:30:00.000Z"}));
}

TEST(Timing, RunsAFixedTimeOnceInTheHourThatComesTwice) {
    Timing timing = cron_timing("30 1 * * *", "America/New_York");
    EXPECT_EQ(due(timing, "2026-11-01T00:00:00Z", 2),
              (Texts{"2026-11-01T05:30:00.000Z", "2026-11-02T06:30:00.000Z"}));
    timing.overlap = OverlapHourRule::kBoth;
    EXPECT_EQ(due(timing, "2026-11-01T00:00:00Z", 2),
              (Texts{"2026-11-01T05:30:00.000Z", "2026-11-01T06:30:00.000Z"}));
}

TEST(Timing, KeepsARhythmThroughBothHours) {
    const Timing timing = cron_timing("*/30 * * * *", "America/New_York");
    EXPECT_EQ(due(timing, "2026-03-08T06:00:00Z", 3),
              (Texts{"2026-03-08T06:30:00.000Z", "2026-03-08T07:00:00.000Z",
                     "2026-03-08T07:30:00.000Z"}));
    EXPECT_EQ(
        due(timing, "2026-11-01T04:59:00Z", 5),
        (Texts{"2026-11-01T05:00:00.000Z", "2026-11-01T05:30:00.000Z", "2026-11-01T06:00:00.000Z",
               "2026-11-01T06:30:00.000Z", "2026-11-01T07:00:00.000Z"}));
}

TEST(Timing, KnowsHalfAnHourOfLordHoweAndADayThatApiaLeftOut) {
    EXPECT_EQ(due(cron_timing("15 2 * * *", "Australia/Lord_Howe"), "2026-10-03T00:00:00Z", 1),
              (Texts{"2026-10-03T15:30:00.000Z"}));
    EXPECT_EQ(due(cron_timing("0 12 * * *", "Pacific/Apia"), "2011-12-29T00:00:00Z", 2),
              (Texts{"2011-12-29T22:00:00.000Z", "2011-12-30T22:00:00.000Z"}));
}

TEST(Timing, GoesOnWithAZonesRuleBehindTheYearsThatItLists) {
    EXPECT_EQ(due(cron_timing("0 12 1 7 *", "America/New_York"), "2049-01-01T00:00:00Z", 2),
              (Texts{"2049-07-01T16:00:00.000Z", "2050-07-01T16:00:00.000Z"}));
    EXPECT_EQ(due(cron_timing("30 2 8-14 3 +SUN", "America/New_York"), "2050-01-01T00:00:00Z", 1),
              (Texts{"2050-03-13T07:00:00.000Z"}));
}

TEST(Timing, TakesNoZoneThatIsNotListed) {
    for (const char* name : {"", "Nowhere/City", "../../../etc/passwd", "/etc/localtime",
                             "posix/UTC", "europe/berlin", "UTC\n"})
        EXPECT_FALSE(Zone::find(name)) << name;
    EXPECT_TRUE(Zone::find("Europe/Berlin"));
}

TEST(Timing, StandsOnAGridWhateverTheLastRunTook) {
    Timing timing;
    timing.type = TimingType::kInterval;
    timing.interval_us = 90 * kUs;
    timing.anchor_us = at("2026-01-01T00:00:00.250Z");
    EXPECT_EQ(due(timing, "2025-12-01T00:00:00Z", 2),
              (Texts{"2026-01-01T00:00:00.250Z", "2026-01-01T00:01:30.250Z"}));
    EXPECT_EQ(due(timing, "2026-01-01T00:10:00Z", 1), (Texts{"2026-01-01T00:10:30.250Z"}));
}

TEST(Timing, EndsWhereItIsToldTo) {
    Timing timing = cron_timing("0 * * * *", "UTC");
    timing.from_us = at("2026-01-01T10:00:00Z");
    timing.to_us = at("2026-01-01T11:00:00Z");
    EXPECT_EQ(due(timing, "2025-01-01T00:00:00Z", 9),
              (Texts{"2026-01-01T10:00:00.000Z", "2026-01-01T11:00:00.000Z"}));
    Timing once;
    once.type = TimingType::kOnce;
    once.at_us = at("2026-01-01T10:00:00Z");
    EXPECT_EQ(due(once, "2025-01-01T00:00:00Z", 9), (Texts{"2026-01-01T10:00:00.000Z"}));
}

TEST(Timing, FindsTheLastOfManyWithoutVisitingAll) {
    const Timing dense = cron_timing("* * * * * *", "Europe/Berlin");
    EXPECT_EQ(last_due(dense, at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z") + 7),
              at("2026-01-01T00:00:00Z"));
    const Timing rare = cron_timing("0 0 29 2 *", "Europe/Berlin");
    EXPECT_EQ(last_due(rare, at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")),
              at("2024-02-28T23:00:00Z"));
    EXPECT_FALSE(last_due(rare, at("2025-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")));
    const Timing season = cron_timing("* * * * 1 *", "UTC");
    EXPECT_EQ(last_due(season, at("2020-01-01T00:00:00Z"), at("2025-12-24T00:00:00Z")),
              at("2025-01-31T23:59:59Z"));
}

TEST(Timing, TheLastIsTheOneThatNothingFollows) {
    std::mt19937_64 random(11);
    for (const char* text : {"*/7 3-5 * * * *", "0 */11 * * 3,10 *", "* 30 2 * * *", "0 0 1 1 *",
                             "15,16,17 1 2 * * *"}) {
        for (const char* zone : {"UTC", "Europe/Berlin", "Australia/Lord_Howe"}) {
            const Timing timing = cron_timing(text, zone);
            for (int i = 0; i < 40; ++i) {
                const std::int64_t until_us =
                    at("2026-01-01T00:00:00Z") +
                    static_cast<std::int64_t>(random() % (400LL * 86'400 * kUs));
                const std::int64_t after_us =
                    until_us - static_cast<std::int64_t>(random() % (2LL * 86'400 * kUs));
                std::optional<std::int64_t> last;
                for (auto next = next_due(timing, after_us); next && *next <= until_us;
                     next = next_due(timing, *next))
                    last = next;
                EXPECT_EQ(last_due(timing, after_us, until_us), last) << text << " " << zone;
            }
        }
    }
}

// ---- random expressions

// A field as a set of numbers, read the simplest way; random() only writes what this reads.
std::set<int> numbers_of(const std::string& field, int min, int max) {
    std::set<int> out;
    std::stringstream list(field);
    for (std::string item; std::getline(list, item, ',');) {
        int step = 1;
        if (const auto slash = item.find('/'); slash != std::string::npos) {
            step = std::stoi(item.substr(slash + 1));
            item.resize(slash);
        }
        int from = min, to = max;
        if (item != "*") {
            const auto dash = item.find('-');
            from = std::stoi(item);
            to = dash == std::string::npos ? from : std::stoi(item.substr(dash + 1));
        }
        for (int n = from; n <= to; n += step) out.insert(n);
    }
    return out;
}

struct Naive {
    std::string text;
    std::string fields[5];
    std::set<int> minutes, hours, days, months, weekdays;
    bool fixed = false;

    bool matches(const std::tm& time) const {
        if (!minutes.contains(time.tm_min) || !hours.contains(time.tm_hour) ||
            !months.contains(time.tm_mon + 1))
            return false;
        const bool day = days.contains(time.tm_mday);
        const bool weekday = weekdays.contains(time.tm_wday);
        if (fields[2] == "*") return weekday;
        if (fields[4] == "*") return day;
        return day || weekday;
    }
};

class Random {
public:
    explicit Random(unsigned seed) : engine_(seed) {}
    int below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(engine_); }
    std::string field(int min, int max) {
        const auto value = [&] { return min + below(max - min + 1); };
        switch (below(6)) {
            case 0: return "*";
            case 1: return "*/" + std::to_string(1 + below(max - min + 1));
            case 2: {
                const int a = value(), b = value();
                return std::to_string(std::min(a, b)) + "-" + std::to_string(std::max(a, b));
            }
            case 3: return std::to_string(value()) + "," + std::to_string(value());
            default: return std::to_string(value());
        }
    }

private:
    std::mt19937 engine_;
};

Naive random_naive(Random& random) {
    Naive naive;
    constexpr int kMin[] = {0, 0, 1, 1, 0};
    constexpr int kMax[] = {59, 23, 31, 12, 6};
    for (int i = 0; i < 5; ++i) {
        naive.fields[i] = random.field(kMin[i], kMax[i]);
        // Mostly something is due within the days that are looked at, at hours of the night.
        if (i == 1 && random.below(2) == 0) naive.fields[i] = std::to_string(random.below(4));
        if (i >= 2 && random.below(4) != 0) naive.fields[i] = "*";
        naive.text += (i ? " " : "") + naive.fields[i];
    }
    naive.minutes = numbers_of(naive.fields[0], 0, 59);
    naive.hours = numbers_of(naive.fields[1], 0, 23);
    naive.days = numbers_of(naive.fields[2], 1, 31);
    naive.months = numbers_of(naive.fields[3], 1, 12);
    naive.weekdays = numbers_of(naive.fields[4], 0, 6);
    naive.fixed = (naive.fields[0] + naive.fields[1]).find_first_of("*-/") == std::string::npos;
    return naive;
}

std::tm local(std::int64_t second) {
    const std::time_t time = second;
    std::tm out{};
    localtime_r(&time, &out);
    return out;
}

std::tm wall(std::int64_t local_second) {
    const std::time_t time = local_second;
    std::tm out{};
    gmtime_r(&time, &out);
    return out;
}

std::vector<std::int64_t> every_minute(const Naive& naive, std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> out;
    std::set<std::int64_t> shown;  // by the clocks of the zone, lately
    for (std::int64_t t = from - 4 * 3600; t <= to; t += 60) {
        const std::tm now = local(t);
        const std::int64_t offset = now.tm_gmtoff;
        const std::int64_t before = local(t - 60).tm_gmtoff;
        bool fires = naive.matches(now);
        if (naive.fixed && !shown.insert(t + offset).second) fires = false;
        if (naive.fixed && offset > before && offset - before < 86'400) {
            for (std::int64_t lost = t + before; lost < t + offset; lost += 60)
                fires |= naive.matches(wall(lost));
        }
        if (fires && t > from) out.push_back(t);
    }
    return out;
}

TEST(Timing, AgreesWithTheClocksMinuteByMinute) {
    constexpr const char* kZones[] = {
        "America/New_York",    "Europe/London",     "Asia/Kolkata",    "Pacific/Apia",
        "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo",    "Asia/Tehran",
        "Europe/Dublin",       "America/St_Johns",  "Pacific/Chatham", "Asia/Gaza"};
    constexpr std::int64_t kHour = 3600, kDay = 24 * kHour;
    Random random(20261);
    const char* before = std::getenv("TZ");
    const std::string kept = before ? before : "";
    std::size_t compared = 0;
    for (int round = 0; round < 400; ++round) {
        const char* zone = kZones[random.below(std::size(kZones))];
        setenv("TZ", (std::string(":") + zone).c_str(), 1);
        tzset();
        std::int64_t from =
            (1976 + random.below(90) - 1970) * 365 * kDay + random.below(365) * kDay;
        // Mostly a time at which the clocks are about to be changed.
        for (int day = 0; round % 4 != 0 && day < 400; ++day, from += kDay) {
            if (local(from).tm_gmtoff != local(from + kDay).tm_gmtoff) break;
        }
        from += random.below(20) * kHour / 2 - 4 * kHour;
        const std::int64_t to = from + 2 * kDay;
        const Naive naive = random_naive(random);
        const Timing timing = cron_timing(naive.text, zone);
        std::int64_t after_us = from * kUs;
        for (const std::int64_t wanted : every_minute(naive, from, to)) {
            const auto next = next_due(timing, after_us);
            ASSERT_TRUE(next) << naive.text << " " << zone;
            ASSERT_EQ(core::format_timestamp(*next), core::format_timestamp(wanted * kUs))
                << naive.text << " in " << zone << " behind " << core::format_timestamp(after_us);
            after_us = *next;
            ++compared;
        }
        const auto next = next_due(timing, after_us);
        ASSERT_TRUE(!next || *next > to * kUs)
            << naive.text << " in " << zone << ": " << core::format_timestamp(next.value_or(0));
    }
    EXPECT_GT(compared, 2000u);
    kept.empty() ? unsetenv("TZ") : setenv("TZ", kept.c_str(), 1);
    tzset();
}

}  // namespace
}  // namespace millrace::runtime
