// Goal: a subscription that burns time has its share of the lane and no more, however much of it
// waits; one that is alone has all; nothing is left out or overtaken.
// Method: a lane in virtual time: a stream of quick deliveries of many subscriptions, and slow
// ones.
#include "runtime/delivery/fair_share.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kMs = 1'000'000;

struct VirtualLane {
    struct Item {
        std::uint32_t subscription = 0;
        std::int64_t cost_ns = 0;
        std::int64_t came_ns = 0;
        std::uint32_t number = 0;
    };

    // One step: what the lane would do next. False: nothing.
    bool step() {
        const bool others = !stream.empty();
        if (!others) share.others_are_idle();
        if (share.has_waiting() && (!others || share.is_turn_of_aside())) {
            const Item& item = items[share.take().item];
            run(item);
            share.charge_taken(item.cost_ns);
            return true;
        }
        if (!others) return false;
        const std::uint32_t index = stream.front();
        stream.pop_front();
        const Item& item = items[index];
        const core::SubscriptionId subscription(item.subscription);
        if (share.is_aside(subscription)) {
            share.push(subscription, {nullptr, index});
            return true;
        }
        run(item);
        share.charge(subscription, item.cost_ns, now_ns);
        return true;
    }
    void run(const Item& item) {
        now_ns += item.cost_ns;
        used[item.subscription] += item.cost_ns;
        latency[item.subscription] = std::max(latency[item.subscription], now_ns - item.came_ns);
        EXPECT_GE(item.number, next[item.subscription]) << "overtaken";
        next[item.subscription] = item.number + 1;
        ++done;
    }
    void add(std::uint32_t subscription, std::int64_t cost_ns) {
        stream.push_back(static_cast<std::uint32_t>(items.size()));
        items.push_back({subscription, cost_ns, now_ns, count[subscription]++});
    }

    FairShare share;
    std::int64_t now_ns = 1'000'000'000'000;
    std::vector<Item> items;
    std::deque<std::uint32_t> stream;
    std::map<std::uint32_t, std::int64_t> used, latency;
    std::map<std::uint32_t, std::uint32_t> count, next;
    std::size_t done = 0;
};

// 100 quick ones use half of the lane, one burns 50 ms an event and would use four times all.
TEST(FairShare, OneThatBurnsDelaysTheQuickByOneRunOfIts) {
    VirtualLane lane;
    const std::int64_t end_ns = lane.now_ns + 20'000 * kMs;
    std::int64_t next_quick_ns = lane.now_ns, next_slow_ns = lane.now_ns;
    std::uint32_t quick = 0;
    while (lane.now_ns < end_ns) {
        for (; next_quick_ns <= lane.now_ns; next_quick_ns += 20'000)
            lane.add(1 + quick++ % 100, 10'000);
        for (; next_slow_ns <= lane.now_ns; next_slow_ns += 12 * kMs) lane.add(500, 50 * kMs);
        if (!lane.step()) lane.now_ns = std::min(next_quick_ns, next_slow_ns);
    }
    for (std::uint32_t subscription = 1; subscription <= 100; ++subscription)
        EXPECT_LT(lane.latency[subscription], 200 * kMs) << subscription;
    // What the quick leave of the lane is its.
    EXPECT_GT(lane.used[500], 20'000 * kMs * 40 / 100);
    while (lane.step()) {
    }
    EXPECT_EQ(lane.done, lane.items.size());
}

// All of them want more than there is: each has the same.
TEST(FairShare, ThoseWhoAllBurnShareAlike) {
    VirtualLane lane;
    for (int i = 0; i < 4000; ++i) {
        lane.add(1, 5 * kMs);
        lane.add(2, 10 * kMs);
        lane.add(3, 40 * kMs);
    }
    const std::int64_t end_ns = lane.now_ns + 10'000 * kMs;
    while (lane.now_ns < end_ns) ASSERT_TRUE(lane.step());
    for (std::uint32_t subscription = 1; subscription <= 3; ++subscription) {
        EXPECT_GT(lane.used[subscription], 10'000 * kMs * 25 / 100) << subscription;
        EXPECT_LT(lane.used[subscription], 10'000 * kMs * 42 / 100) << subscription;
    }
    while (lane.step()) {
    }
    EXPECT_EQ(lane.done, lane.items.size());
}

TEST(FairShare, OneThatIsAloneIsNotSetAside) {
    FairShare share;
    std::int64_t now_ns = 0;
    for (int i = 0; i < 1000; ++i) {
        now_ns += 50 * kMs;
        share.charge(core::SubscriptionId(1), 50 * kMs, now_ns);
        EXPECT_FALSE(share.is_aside(core::SubscriptionId(1)));
    }
}

TEST(FairShare, AnyMixtureComesToItsEndInOrder) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        core::Random random(seed);
        VirtualLane lane;
        for (int i = 0; i < 2000; ++i) {
            const auto subscription = static_cast<std::uint32_t>(random.below(8));
            lane.add(subscription, subscription < 4 ? 1000 : 1 * kMs * (1 + random.below(30)));
            if (random.below(2) == 0) lane.step();
        }
        while (lane.step()) {
        }
        EXPECT_EQ(lane.done, lane.items.size());
    }
}

}  // namespace
}  // namespace millrace::runtime
