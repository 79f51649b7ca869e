// Goal: nothing is lost, doubled or out of a producer's order; the bound holds whoever pushes; no
// producer waits behind the whole of another's; what waits is destroyed with the queue.
// Method: one thread for the rules; threads that push at once, under TSan too, for the hand-over.
#include "core/task_queue.h"

#include "core/parker.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace millrace::core {
namespace {

TEST(TaskQueue, RefusesAboveItsBoundAndLeavesTheValueAlone) {
    TaskQueue<std::unique_ptr<int>> queue(3);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(queue.try_push(std::make_unique<int>(i)));
    auto refused = std::make_unique<int>(9);
    EXPECT_FALSE(queue.try_push(std::move(refused)));
    ASSERT_TRUE(refused);
    EXPECT_EQ(*refused, 9);
    EXPECT_EQ(queue.size(), 3u);
    std::unique_ptr<int> out;
    ASSERT_TRUE(queue.try_pop(out));
    EXPECT_EQ(*out, 0);
    EXPECT_TRUE(queue.try_push(std::move(refused)));
}

TEST(TaskQueue, TakesAnswersBeyondItsBound) {
    TaskQueue<int> queue(1);
    ASSERT_TRUE(queue.try_push(1));
    queue.push_beyond(2);
    EXPECT_FALSE(queue.try_push(3)) << "an answer makes no room for newcomers";
    int out = 0;
    ASSERT_TRUE(queue.try_pop(out));
    EXPECT_FALSE(queue.try_push(3)) << "the answer still waits";
    ASSERT_TRUE(queue.try_pop(out));
    EXPECT_EQ(out, 2);
    EXPECT_FALSE(queue.try_pop(out));
    EXPECT_TRUE(queue.empty());
    EXPECT_TRUE(queue.try_push(3));
}

TEST(TaskQueue, KeepsTheOrderOfAProducer) {
    TaskQueue<int> queue(10'000);
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(queue.try_push(int{i}));
    for (int i = 0; i < 10'000; ++i) {
        int out = -1;
        ASSERT_TRUE(queue.try_pop(out));
        ASSERT_EQ(out, i);
    }
}

TEST(TaskQueue, DestroysWhatWaits) {
    const auto counted = std::make_shared<int>(1);
    {
        TaskQueue<std::shared_ptr<int>> queue(100);
        for (int i = 0; i < 100; ++i) ASSERT_TRUE(queue.try_push(std::shared_ptr<int>(counted)));
        EXPECT_EQ(counted.use_count(), 101);
    }
    EXPECT_EQ(counted.use_count(), 1);
}

// One producer has filled the queue, another comes with a single item: it has its turn.
TEST(TaskQueue, ProducersTakeTurns) {
    constexpr std::size_t kMany = 4096;
    TaskQueue<int> queue(kMany + 1);
    for (std::size_t i = 0; i < kMany; ++i) ASSERT_TRUE(queue.try_push(0));
    int out = -1;
    ASSERT_TRUE(queue.try_pop(out));  // the consumer is at the first one
    std::thread([&] { ASSERT_TRUE(queue.try_push(1)); }).join();
    std::size_t before = 1;
    while (queue.try_pop(out) && out == 0) ++before;
    EXPECT_EQ(out, 1);
    EXPECT_LE(before, 2 * TaskQueue<int>::kTurnItems);
}

// Producers that push at once, a consumer that sleeps when nothing waits.
TEST(TaskQueue, LosesNothingBetweenThreads) {
    constexpr std::uint64_t kProducers = 4;
    constexpr std::uint64_t kItems = 5'000;
    struct Item {
        std::uint64_t producer = 0;
        std::uint64_t number = 0;
    };
    TaskQueue<std::unique_ptr<Item>> queue(64);
    Parker parker;
    std::vector<std::thread> producers;
    for (std::uint64_t p = 0; p < kProducers; ++p) {
        producers.emplace_back([&, p] {
            for (std::uint64_t i = 0; i < kItems; ++i) {
                auto item = std::make_unique<Item>(Item{p, i});
                while (!queue.try_push(std::move(item))) std::this_thread::yield();
                parker.unpark();
            }
        });
    }
    std::vector<std::uint64_t> next(kProducers, 0);
    for (std::uint64_t taken = 0; taken < kProducers * kItems;) {
        std::unique_ptr<Item> item;
        if (!queue.try_pop(item)) {
            parker.park(100'000);
            continue;
        }
        ASSERT_TRUE(item);
        EXPECT_EQ(item->number, next[item->producer]++);
        EXPECT_LE(queue.size(), 64u + kProducers);
        ++taken;
    }
    for (auto& producer : producers) producer.join();
    EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace millrace::core
