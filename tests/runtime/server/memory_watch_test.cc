// Goal: events are refused before the limit is reached and taken again when there is room, with one
// line each; free memory is given back before anybody is refused; without a limit nothing is looked
// at.
#include "runtime/server/memory_watch.h"

#include "core/clock.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::uint64_t kWatchMiB = 1u << 20;
constexpr std::int64_t kWatchSecondNs = 1'000'000'000;

struct WatchWorld {
    explicit WatchWorld(std::uint64_t limit) : plan(*plan_memory(limit, {1, 2})) {}

    core::RealClock clock;
    std::vector<std::string> lines;
    core::Log log{clock, core::LogLevel::kInfo,
                  [this](std::string_view line) { lines.emplace_back(line); }};
    core::Metrics metrics;
    std::atomic<bool> refuse{false};
    MemoryPlan plan;
    std::uint64_t held = 0;
    std::uint64_t looks = 0;
    std::uint64_t free = 0;  // what a trim gives back
    std::uint64_t trims = 0;
    MemoryWatch watch{{.plan = plan,
                       .metrics = &metrics,
                       .log = &log,
                       .refuse = &refuse,
                       .held =
                           [this] {
                               ++looks;
                               return held;
                           },
                       .trim =
                           [this] {
                               ++trims;
                               held -= free;
                               free = 0;
                           }}};
};

TEST(MemoryWatch, RefusesBeforeTheLimitAndTakesAgainWithRoom) {
    WatchWorld world(256 * kWatchMiB);
    world.held = 200 * kWatchMiB;
    world.watch.look(1 * kWatchSecondNs);
    EXPECT_EQ(world.watch.level(), MemoryLevel::kCalm);
    world.held = 232 * kWatchMiB;
    world.watch.look(2 * kWatchSecondNs);
    EXPECT_TRUE(world.refuse);
    ASSERT_EQ(world.lines.size(), 1u);
    EXPECT_NE(world.lines[0].find("memory is short"), std::string::npos);
    world.held = 226 * kWatchMiB;
    world.watch.look(3 * kWatchSecondNs);
    EXPECT_TRUE(world.refuse) << "no flapping at the mark";
    world.held = 215 * kWatchMiB;
    world.watch.look(4 * kWatchSecondNs);
    EXPECT_FALSE(world.refuse);
    EXPECT_EQ(world.watch.level(), MemoryLevel::kTight);
    ASSERT_EQ(world.lines.size(), 2u);
    EXPECT_NE(world.lines[1].find("taken"), std::string::npos);
    EXPECT_EQ(world.metrics.sum(core::Metric::kMemoryShort), 1);
}

TEST(MemoryWatch, GivesFreeMemoryBackFirst) {
    WatchWorld world(128 * kWatchMiB);
    world.held = 120 * kWatchMiB;
    world.free = 60 * kWatchMiB;
    world.watch.look(5 * kWatchSecondNs);
    EXPECT_EQ(world.trims, 1u);
    EXPECT_FALSE(world.refuse) << "what was only kept free is no reason";
    EXPECT_TRUE(world.lines.empty());
    world.held = 120 * kWatchMiB;
    world.watch.look(5 * kWatchSecondNs + 30'000'000);
    EXPECT_EQ(world.trims, 1u) << "not at every look";
    EXPECT_TRUE(world.refuse);
}

TEST(MemoryWatch, ASmallLimitLeavesRoomForWhatIsNotOurs) {
    EXPECT_EQ(memory_level(MemoryLevel::kCalm, 52 * kWatchMiB, 64 * kWatchMiB),
              MemoryLevel::kShort);
    EXPECT_EQ(memory_level(MemoryLevel::kCalm, 45 * kWatchMiB, 64 * kWatchMiB), MemoryLevel::kCalm);
    EXPECT_EQ(memory_level(MemoryLevel::kShort, 0, 64 * kWatchMiB), MemoryLevel::kCalm);
}

TEST(MemoryWatch, LooksAtNothingWithoutALimit) {
    WatchWorld world(0);
    world.held = 1ull << 60;
    world.watch.look(kWatchSecondNs);
    EXPECT_EQ(world.looks, 0u);
    EXPECT_FALSE(world.refuse);
}

TEST(MemoryWatch, TellsTheSharesInTheFigures) {
    WatchWorld world(64 * kWatchMiB);
    std::string text;
    core::JsonWriter json(text);
    json.begin_object();
    world.watch.append_stats(json);
    json.end_object();
    EXPECT_NE(text.find("\"limitBytes\":67108864,\"level\":\"calm\",\"shares\":{\"program\":"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("\"writeBuffers\":"), std::string::npos);
}

TEST(MemoryWatch, KnowsWhatTheProcessHolds) {
    const std::uint64_t before = own_memory_bytes();
    EXPECT_GT(before, 100u << 10);
    std::vector<char> more(64 * kWatchMiB, 'x');
    EXPECT_GT(own_memory_bytes(), before + 32 * kWatchMiB) << more[before % more.size()];
}

}  // namespace
}  // namespace millrace::runtime
