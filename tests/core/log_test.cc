// Goal: a line is one JSON object; floods cost few lines and stay countable.
#include "core/log.h"

#include <gtest/gtest.h>
#include <simdjson.h>

namespace millrace::core {
namespace {

struct Lines {
    std::vector<std::string> all;
    Log::Sink sink() {
        return [this](std::string_view line) { all.emplace_back(line); };
    }
};

TEST(Log, WritesOneJsonObjectALine) {
    ManualClock clock;
    Lines lines;
    Log log(clock, LogLevel::kInfo, lines.sink());
    log.info("a \"quoted\"\nthing",
             {{"n", 3}, {"big", UINT64_MAX}, {"text", "x"}, {"ok", true}, {"r", 0.5}});
    log.debug("not shown");
    ASSERT_EQ(lines.all.size(), 1u);
    EXPECT_EQ(lines.all[0],
              "{\"time\":\"2023-11-14T22:13:20.000Z\",\"level\":\"info\",\"message\":\"a "
              "\\\"quoted\\\"\\nthing\",\"n\":3,"
              "\"big\":18446744073709551615,\"text\":\"x\",\"ok\":true,\"r\":0.5}\n");
}

TEST(Log, WritesTextForPeople) {
    ManualClock clock;
    Lines lines;
    Log log(clock, LogLevel::kInfo, lines.sink(), LogFormat::kText);
    log.warn("two\nlines \x1b[31m", {{"n", -3}, {"text", "a\tb"}, {"ok", true}});
    log.info("none");
    ASSERT_EQ(lines.all.size(), 2u);
    EXPECT_EQ(lines.all[0],
              "2023-11-14 22:13:20.000 warn  two\n    lines \\x1b[31m (n: -3, text: a    b, ok: "
              "true)\n");
    EXPECT_EQ(lines.all[1], "2023-11-14 22:13:20.000 info  none\n");
}

TEST(Log, LimitsLinesPerSiteAndTellsHowManyWereLeftOut) {
    ManualClock clock;
    Lines lines;
    Log log(clock, LogLevel::kInfo, lines.sink());
    const auto flood = [&](int n) {
        for (int i = 0; i < n; ++i) log.warn("disk is slow");
    };
    flood(1000);
    EXPECT_EQ(lines.all.size(), Log::kLinesPerSitePerSecond);
    clock.advance_us(1'000'000);
    flood(1);
    ASSERT_EQ(lines.all.size(), Log::kLinesPerSitePerSecond + 1);
    EXPECT_NE(lines.all.back().find("\"suppressed\":980"), std::string::npos) << lines.all.back();
    log.info("another site speaks");
    EXPECT_EQ(lines.all.size(), Log::kLinesPerSitePerSecond + 2);
}

TEST(Log, CountsDistinctErrorsWithinABound) {
    ManualClock clock;
    Lines lines;
    Log log(clock, LogLevel::kInfo, lines.sink());
    for (int i = 0; i < 3; ++i) {
        log.error("first");
        clock.advance_us(5'000'000);
    }
    ASSERT_EQ(log.distinct_errors().size(), 1u);
    EXPECT_EQ(log.distinct_errors()[0].count, 3u);
    EXPECT_EQ(log.distinct_errors()[0].last_us - log.distinct_errors()[0].first_us, 10'000'000);
    EXPECT_EQ(log.distinct_errors()[0].site.substr(0, 17), "core/log_test.cc:");
    for (int i = 0; i < 1000; ++i) log.error("error " + std::to_string(i));
    EXPECT_EQ(log.distinct_errors().size(), Log::kDistinctErrorsMax + 1);
}

TEST(Log, CutsAnEndlessLine) {
    ManualClock clock;
    Lines lines;
    Log log(clock, LogLevel::kInfo, lines.sink());
    const std::string endless(1 << 20, 'x');
    log.info(endless, {{"field", endless}});
    EXPECT_LT(lines.all[0].size(), Log::kLineBytesMax);
    simdjson::dom::parser parser;
    EXPECT_EQ(parser.parse(lines.all[0]).error(), simdjson::SUCCESS);
}

TEST(Log, KeepsTheLastLinesTheNewestFirst) {
    ManualClock clock;
    Lines lines;
    Log log(clock, LogLevel::kInfo, lines.sink(), LogFormat::kText);
    EXPECT_TRUE(log.last_lines().empty());
    log.debug("not shown");
    log.info("one", {{"n", 1}});
    log.warn("two");
    ASSERT_EQ(log.last_lines().size(), 2u);
    EXPECT_EQ(log.last_lines()[0].level, LogLevel::kWarn);
    EXPECT_EQ(log.last_lines()[1].json,
              "{\"time\":\"2023-11-14T22:13:20.000Z\",\"level\":\"info\",\"message\":\"one\","
              "\"n\":1}");
    for (std::size_t i = 0; i < Log::kLastLines; ++i) {
        clock.advance_us(1'000'000);
        log.info("line " + std::to_string(i));
    }
    const auto last = log.last_lines();
    ASSERT_EQ(last.size(), Log::kLastLines);
    EXPECT_NE(last.front().json.find("\"line 199\""), std::string::npos) << last.front().json;
    EXPECT_NE(last.back().json.find("\"line 0\""), std::string::npos) << last.back().json;
}

TEST(Log, OfAKeptLineThatIsTooLongTheFieldsAreLeftOut) {
    ManualClock clock;
    Lines lines;
    Log log(clock, LogLevel::kInfo, lines.sink());
    const std::string odd(1 << 20, '\x01');
    log.info(odd, {{"field", odd}});
    ASSERT_EQ(log.last_lines().size(), 1u);
    const std::string kept = log.last_lines()[0].json;
    EXPECT_LE(kept.size(), Log::kLastLineBytesMax);
    simdjson::dom::parser parser;
    EXPECT_EQ(parser.parse(kept).error(), simdjson::SUCCESS);
}

}  // namespace
}  // namespace millrace::core
