// Goal: figures of several partitions are one server's figures: what counts adds up, what is copied
// to all counts once, ages and percentiles are the whole's, and steps go together by their times.
// Method: answers by hand, and series made of the same samples apart and together.
#include "runtime/node/stats_merge.h"

#include "runtime/stream/stats_series.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::node {
namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string merged(const std::vector<std::string>& bodies,
                   const std::vector<std::size_t>& missing = {}) {
    std::vector<PartPage> parts;
    for (std::size_t p = 0; p < bodies.size(); ++p) parts.push_back({p, bodies[p]});
    const auto out = merge_stats(parts, missing);
    EXPECT_TRUE(out);
    return out ? *out : std::string();
}

TEST(StatsMerge, CountsAddUpAndCopiesCountOnce) {
    const std::string text = merged(
        {R"({"ready":true,"reason":null,"subscriptions":3,"events":{"kept":10,"received":4},)"
         R"("disk":{"freeBytes":90},"memory":{"level":"calm","heldBytes":5},"uptimeSeconds":7,)"
         R"("shards":[{"cursor":1}],"retention":{"bytesDropped":1}})",
         R"({"ready":false,"reason":"draining","subscriptions":3,"events":{"kept":1,"received":2},)"
         R"("disk":{"freeBytes":80},"memory":{"level":"tight","heldBytes":6},"uptimeSeconds":5,)"
         R"("shards":[{"cursor":2}],"retention":{"bytesDropped":2}})"});
    EXPECT_EQ(text, R"({"ready":false,"reason":"draining","subscriptions":3,)"
                    R"("events":{"kept":11,"received":6},"disk":{"freeBytes":80},)"
                    R"("memory":{"level":"tight","heldBytes":11},"uptimeSeconds":5,)"
                    R"("shards":[{"cursor":1,"partition":0},{"cursor":2,"partition":1}],)"
                    R"("retention":{"bytesDropped":3}})");
}

TEST(StatsMerge, SaysWhoseAreNotInIt) {
    EXPECT_EQ(merged({R"({"ready":true})"}, {2, 5}), R"({"ready":true,"missing":[2,5]})");
}

TEST(StatsMerge, AnErrorOfOnePlaceIsOne) {
    const std::string one = R"({"errors":[{"level":"warn","message":"m","site":"a.cc:1","count":2,)"
                            R"("first":"2026-01-01T00:00:02Z","last":"2026-01-01T00:00:03Z"}]})";
    const std::string other =
        R"({"errors":[{"level":"warn","message":"m","site":"a.cc:1","count":3,)"
        R"("first":"2026-01-01T00:00:01Z","last":"2026-01-01T00:00:02Z"}]})";
    EXPECT_EQ(merged({one, other}),
              R"({"errors":[{"level":"warn","message":"m","site":"a.cc:1","count":5,)"
              R"("first":"2026-01-01T00:00:01Z","last":"2026-01-01T00:00:03Z",)"
              R"("partitions":[0,1]}]})");
}

TEST(StatsMerge, NamesWhoseAnswerDoesNotRead) {
    const std::vector<PartPage> parts = {{0, "{}"}, {7, "nothing"}};
    const auto out = merge_stats(parts, {});
    ASSERT_FALSE(out);
    EXPECT_TRUE(has(out.error().message, "partition 7"));
}

std::string series_of(const std::vector<StatsSample>& samples, std::int64_t step_seconds,
                      StatsSeries::Buckets buckets = StatsSeries::Buckets::kTold) {
    StatsSeries series;
    for (const StatsSample& sample : samples) series.add(sample);
    std::string text = "{\"series\":";
    core::JsonWriter json(text);
    series.append_series(json, 60'000'000, step_seconds * 1'000'000, buckets);
    return text + "}";
}

// Attempts of about `bucket`, ten a second.
std::vector<StatsSample> samples_of(std::int64_t first_us, std::size_t bucket, std::size_t count) {
    std::vector<StatsSample> out(count);
    for (std::size_t i = 0; i < count; ++i) {
        StatsSample& sample = out[i];
        if (i != 0) sample = out[i - 1];
        sample.at_us = first_us + static_cast<std::int64_t>(i) * 1'000'000;
        sample.received += 10;
        sample.run[bucket] += 10;
        sample.waiting = bucket;
        sample.oldest_us = static_cast<std::int64_t>(bucket) * 1000;
    }
    return out;
}

TEST(StatsMerge, StepsGoTogetherByTheirTimes) {
    // The second began three seconds later, and its clock's seconds end later.
    const std::string text = merged(
        {series_of(samples_of(100'000'000, 2, 7), 1), series_of(samples_of(103'900'000, 4, 3), 1)});
    EXPECT_TRUE(has(text, R"("at":[101,102,103,104,105,106])")) << text;
    EXPECT_TRUE(has(text, R"("receivedPerSecond":[10,10,10,10,20,20])")) << text;
    EXPECT_TRUE(has(text, R"("oldestMs":[2,2,2,2,4,4])")) << text;
    EXPECT_FALSE(has(text, "buckets"));
}

TEST(StatsMerge, PercentilesAreOfAllThatWasCounted) {
    // Ten quick ones and ten slow ones: half of them are quick.
    const std::vector<StatsSample> quick = samples_of(100'000'000, 0, 3);
    const std::vector<StatsSample> slow = samples_of(100'000'000, 10, 3);
    const std::string text = merged({series_of(quick, 1), series_of(slow, 1)});
    EXPECT_TRUE(has(text, R"("runMsP50":[0.01,0.01])")) << text;
    EXPECT_TRUE(has(text, R"("runMsP99":[25,25])")) << text;
    // Where nothing is told of what they are made of, they are not below the whole's.
    const std::string rough = merged({series_of(quick, 1, StatsSeries::Buckets::kLeftOut),
                                      series_of(slow, 1, StatsSeries::Buckets::kLeftOut)});
    EXPECT_TRUE(has(rough, R"("runMsP50":[25,25])")) << rough;
}

TEST(StatsMerge, TheNewestStepIsOneObject) {
    const std::string text = merged({series_of(samples_of(100'000'000, 2, 3), 1)}, {4});
    const std::string newest = newest_of(text);
    EXPECT_TRUE(newest.starts_with(R"({"at":102,"receivedPerSecond":10,)")) << newest;
    EXPECT_TRUE(newest.ends_with(R"("missing":[4]})")) << newest;
    EXPECT_EQ(newest_of(merged({series_of({}, 1)})), "{}");
}

}  // namespace
}  // namespace millrace::runtime::node
