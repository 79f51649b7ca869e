// Goal: a page of charts shows what happened: rates over what passed, percentiles of a step, a
// window that ends now and never more than is kept.
// Method: samples made by hand, read back as JSON.
#include "runtime/stream/stats_series.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

// One a second: 10 events in each, and one attempt of up to 1 ms.
StatsSeries series_of(std::size_t samples) {
    StatsSeries series;
    StatsSample sample;
    for (std::size_t i = 0; i < samples; ++i) {
        sample.at_us = static_cast<std::int64_t>(1000 + i) * kSecondUs;
        series.add(sample);
        sample.received += 10;
        ++sample.run[6];  // of kHistogramBoundsNs: 1 ms
        sample.waiting = i + 1;
    }
    return series;
}

std::string text_of(const StatsSeries& series, std::int64_t window_us, std::int64_t step_us) {
    std::string text;
    core::JsonWriter json(text);
    series.append_series(json, window_us, step_us);
    return text;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(StatsSeries, RatesArePerSecondWhateverTheStepIs) {
    const StatsSeries series = series_of(7);
    const std::string fine = text_of(series, 60 * kSecondUs, kSecondUs);
    EXPECT_TRUE(has(fine, R"("at":[1001,1002,1003,1004,1005,1006])")) << fine;
    EXPECT_TRUE(has(fine, R"("receivedPerSecond":[10,10,10,10,10,10])")) << fine;
    const std::string coarse = text_of(series, 60 * kSecondUs, 3 * kSecondUs);
    EXPECT_TRUE(has(coarse, R"("at":[1003,1006])")) << coarse;
    EXPECT_TRUE(has(coarse, R"("receivedPerSecond":[10,10])")) << coarse;
}

TEST(StatsSeries, LevelsAreThoseAtTheEndOfAStep) {
    const std::string text = text_of(series_of(4), 60 * kSecondUs, kSecondUs);
    EXPECT_TRUE(has(text, R"("waiting":[1,2,3])")) << text;
    EXPECT_TRUE(has(text, R"("runMsP99":[1,1,1])")) << text;
}

TEST(StatsSeries, WhoAddsUpSeveralIsToldWhatPercentilesAreMadeOf) {
    std::string text;
    core::JsonWriter json(text);
    series_of(3).append_series(json, 60 * kSecondUs, kSecondUs, StatsSeries::Buckets::kTold);
    EXPECT_TRUE(has(text, R"("buckets":{"run":[[6,1],[6,1]],"waited":[[],[]],"commit":[[],[]]})"))
        << text;
    EXPECT_FALSE(has(text_of(series_of(3), 60 * kSecondUs, kSecondUs), "buckets"));
}

TEST(StatsSeries, AWindowEndsWithTheNewestSample) {
    const std::string text = text_of(series_of(100), 5 * kSecondUs, kSecondUs);
    EXPECT_TRUE(has(text, R"("at":[1095,1096,1097,1098,1099])")) << text;
}

TEST(StatsSeries, TheOldestSampleLeaves) {
    const StatsSeries series = series_of(StatsSeries::kSamplesMax + 50);
    EXPECT_EQ(series.size(), StatsSeries::kSamplesMax);
    const std::string text = text_of(series, 3600 * kSecondUs, 449 * kSecondUs);
    EXPECT_TRUE(has(text, R"("receivedPerSecond":[10,10)")) << text;
}

TEST(StatsSeries, NothingIsAnEmptySeries) {
    EXPECT_TRUE(has(text_of(StatsSeries(), kSecondUs, kSecondUs), R"("at":[])"));
    std::string newest;
    core::JsonWriter json(newest);
    series_of(1).append_newest(json);
    EXPECT_EQ(newest, "{}");
}

TEST(StatsSeries, AGapOfTheClockIsNoRate) {
    StatsSeries series;
    StatsSample sample;
    sample.at_us = 10 * kSecondUs;
    sample.received = 100;
    series.add(sample);
    sample.at_us = 5 * kSecondUs;  // the wall clock was set back
    sample.received = 200;
    series.add(sample);
    std::string newest;
    core::JsonWriter json(newest);
    series.append_newest(json);
    EXPECT_TRUE(has(newest, R"("receivedPerSecond":0)")) << newest;
}

TEST(StatsSeries, APercentileIsTheBoundOfItsBucket) {
    HistogramCells before{}, after{};
    EXPECT_EQ(percentile_ms(before, after, 0.99), 0);
    after[0] = 98;  // 10 us
    after[9] = 2;   // 10 ms
    EXPECT_DOUBLE_EQ(percentile_ms(before, after, 0.5), 0.01);
    EXPECT_DOUBLE_EQ(percentile_ms(before, after, 0.99), 10);
    before = after;
    EXPECT_EQ(percentile_ms(before, after, 0.99), 0);
}

}  // namespace
}  // namespace millrace::runtime
