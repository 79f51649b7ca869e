// Goal: what waits of a tenant delays another's by its share of the lane, not by its backlog; those
// who all want more than there is have the same; one that is alone has all; within a tenant its
// subscriptions share in the same way; nothing is left out or overtaken.
// Method: a lane in virtual time.
#include "runtime/delivery/lane_share.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kUs = 1'000;

struct VirtualLane {
    struct Item {
        std::uint32_t tenant = 0;
        std::uint32_t subscription = 0;
        std::int64_t cost_ns = 0;
        std::int64_t came_ns = 0;
        std::uint32_t number = 0;
    };

    // One step: what the lane would do next. False: nothing.
    bool step() {
        if (share.has_waiting() && (stream.empty() || only_aside || share.is_turn_of_aside())) {
            if (stream.empty() || only_aside) share.others_are_idle();
            only_aside = false;
            const std::uint32_t first = share.first().item;
            const Item& item = items[share.take().item];
            EXPECT_EQ(&item, &items[first]);
            run(item);
            share.charge_taken(item.cost_ns, now_ns);
            return true;
        }
        if (stream.empty()) return false;
        only_aside = true;
        // As many as a lane takes before it looks up.
        for (int i = 0; i < 64 && !stream.empty(); ++i) {
            const std::uint32_t index = stream.front();
            stream.pop_front();
            const Item& item = items[index];
            const core::TenantId tenant(item.tenant);
            const core::SubscriptionId subscription(item.subscription);
            if (share.is_aside(tenant, subscription)) {
                share.push(tenant, subscription, {nullptr, index});
                continue;
            }
            only_aside = false;
            run(item);
            share.charge(tenant, subscription, item.cost_ns, now_ns, !stream.empty());
        }
        return true;
    }
    void run(const Item& item) {
        now_ns += item.cost_ns;
        used[item.tenant] += item.cost_ns;
        used_by[item.subscription] += item.cost_ns;
        latency[item.tenant].push_back(now_ns - item.came_ns);
        worst_of[item.subscription] = std::max(worst_of[item.subscription], now_ns - item.came_ns);
        ++count_run[item.tenant];
        EXPECT_GE(item.number, next[item.subscription]) << "overtaken";
        next[item.subscription] = item.number + 1;
        ++done;
    }
    void add(std::uint32_t tenant, std::uint32_t subscription, std::int64_t cost_ns) {
        stream.push_back(static_cast<std::uint32_t>(items.size()));
        items.push_back({tenant, subscription, cost_ns, now_ns, count[subscription]++});
    }
    void finish() {
        while (step()) {
        }
        EXPECT_EQ(done, items.size());
    }
    std::int64_t worst_but_one_percent(std::uint32_t tenant) {
        auto& all = latency[tenant];
        std::sort(all.begin(), all.end());
        return all[all.size() * 99 / 100];
    }

    LaneShare share;
    std::int64_t now_ns = 1'000'000'000'000;
    std::vector<Item> items;
    std::deque<std::uint32_t> stream;
    std::map<std::uint32_t, std::int64_t> used, used_by, worst_of;
    std::map<std::uint32_t, std::vector<std::int64_t>> latency;
    std::map<std::uint32_t, std::uint32_t> count, next, count_run;
    std::size_t done = 0;
    bool only_aside = false;
};

// A million quick deliveries of one wait; the other sends one every 5 ms.
TEST(LaneShare, ABacklogOfOneTenantDelaysAnothersByNextToNothing) {
    VirtualLane lane;
    for (int i = 0; i < 1'000'000; ++i) lane.add(1, static_cast<std::uint32_t>(i % 50), 20 * kUs);
    const std::int64_t end_ns = lane.now_ns + 5'000 * kMs;
    std::int64_t next_ns = lane.now_ns;
    std::size_t sent = 0;
    while (lane.now_ns < end_ns) {
        for (; next_ns <= lane.now_ns; next_ns += 5 * kMs) {
            // Between what is there, as a block brings both.
            const auto at = static_cast<std::uint32_t>(lane.items.size());
            lane.items.push_back({2, 1000, 20 * kUs, lane.now_ns, lane.count[1000]++});
            lane.stream.insert(
                lane.stream.begin() + std::min<std::ptrdiff_t>(1000, std::ssize(lane.stream)), at);
            ++sent;
        }
        ASSERT_TRUE(lane.step());
    }
    EXPECT_GT(lane.latency[2].size(), sent - 20);
    EXPECT_LT(lane.worst_but_one_percent(2), 8 * kMs);
    EXPECT_GT(lane.used[1], 4'500 * kMs) << "what the other leaves is its";
    lane.finish();
}

// The other one's deliveries stand behind the backlog and were never seen.
TEST(LaneShare, OneWithABacklogMakesRoomForOthersThatMayWaitBehindIt) {
    VirtualLane lane;
    lane.share.expect_others(true);
    for (int i = 0; i < 100'000; ++i) lane.add(1, 1, 20 * kUs);
    lane.add(2, 2, 20 * kUs);
    while (lane.latency[2].empty()) ASSERT_TRUE(lane.step());
    // Its allowance, and while the others are put aside no more than one a look.
    EXPECT_LT(lane.count_run[1], 2'000u) << "of 100,000";
    lane.finish();
}

TEST(LaneShare, ThoseWhoAllWantMoreHaveTheSameHoweverManySubscriptions) {
    VirtualLane lane;
    for (int i = 0; i < 200'000; ++i) {
        lane.add(1, 1, 50 * kUs);
        for (std::uint32_t s = 0; s < 5; ++s) lane.add(2, 10 + s, 50 * kUs);
        lane.add(3, 20, 150 * kUs);
    }
    const std::int64_t end_ns = lane.now_ns + 10'000 * kMs;
    while (lane.now_ns < end_ns) ASSERT_TRUE(lane.step());
    for (std::uint32_t tenant = 1; tenant <= 3; ++tenant) {
        EXPECT_GT(lane.used[tenant], 10'000 * kMs * 25 / 100) << tenant;
        EXPECT_LT(lane.used[tenant], 10'000 * kMs * 42 / 100) << tenant;
    }
}

TEST(LaneShare, WithinATenantThatIsAsideOneThatBurnsHasItsShare) {
    VirtualLane lane;
    for (int i = 0; i < 40'000; ++i) {
        lane.add(1, 1, 20 * kUs);
        if (i % 20 == 0) lane.add(1, 2, 20 * kMs);
        lane.add(2, 3, 100 * kUs);
    }
    const std::int64_t end_ns = lane.now_ns + 3'000 * kMs;
    while (lane.now_ns < end_ns && lane.step()) {
    }
    EXPECT_GT(lane.used[2], 3'000 * kMs * 40 / 100);
    EXPECT_GT(lane.used_by[1], 400 * kMs) << "half of its tenant's half, or all it wants";
    lane.finish();
}

// What one has had is counted as it was while it waited: its last delivery is worth no more than
// the others, and the next time it waits it has its turns as before.
TEST(LaneShare, ATenantThatHasCaughtUpIsNotPunishedTheNextTime) {
    VirtualLane lane;
    lane.share.expect_others(true);
    for (int round = 0; round < 50; ++round) {
        for (int i = 0; i < 200; ++i) lane.add(2, 2, 20 * kUs);
        lane.finish();
    }
    for (int i = 0; i < 100'000; ++i) lane.add(1, 1, 20 * kUs);
    for (int i = 0; i < 200; ++i) lane.add(2, 2, 20 * kUs);
    const std::uint32_t before = lane.count_run[1];
    const std::uint32_t done = lane.count_run[2];
    while (lane.count_run[2] < done + 200) ASSERT_TRUE(lane.step());
    EXPECT_LT(lane.count_run[1] - before, 5'000u) << "of 100,000";
    lane.finish();
}

// 100 quick ones use half of the lane, one burns 50 ms an event and would use four times all.
TEST(LaneShare, WithinATenantOneThatBurnsDelaysTheQuickByOneRunOfIts) {
    VirtualLane lane;
    const std::int64_t end_ns = lane.now_ns + 20'000 * kMs;
    std::int64_t next_quick_ns = lane.now_ns, next_slow_ns = lane.now_ns;
    std::uint32_t quick = 0;
    while (lane.now_ns < end_ns) {
        for (; next_quick_ns <= lane.now_ns; next_quick_ns += 20'000)
            lane.add(1, 1 + quick++ % 100, 10'000);
        for (; next_slow_ns <= lane.now_ns; next_slow_ns += 12 * kMs) lane.add(1, 500, 50 * kMs);
        if (!lane.step()) lane.now_ns = std::min(next_quick_ns, next_slow_ns);
    }
    for (std::uint32_t subscription = 1; subscription <= 100; ++subscription)
        EXPECT_LT(lane.worst_of[subscription], 200 * kMs) << subscription;
    // What the quick leave of the lane is its.
    EXPECT_GT(lane.used_by[500], 20'000 * kMs * 40 / 100);
    lane.finish();
}

// All of them want more than there is: each has the same.
TEST(LaneShare, WithinATenantThoseWhoAllBurnShareAlike) {
    VirtualLane lane;
    for (int i = 0; i < 4000; ++i) {
        lane.add(1, 1, 5 * kMs);
        lane.add(1, 2, 10 * kMs);
        lane.add(1, 3, 40 * kMs);
    }
    const std::int64_t end_ns = lane.now_ns + 10'000 * kMs;
    while (lane.now_ns < end_ns) ASSERT_TRUE(lane.step());
    for (std::uint32_t subscription = 1; subscription <= 3; ++subscription) {
        EXPECT_GT(lane.used_by[subscription], 10'000 * kMs * 25 / 100) << subscription;
        EXPECT_LT(lane.used_by[subscription], 10'000 * kMs * 42 / 100) << subscription;
    }
    lane.finish();
}

TEST(LaneShare, OneThatIsAloneIsNotSetAside) {
    LaneShare share;
    std::int64_t now_ns = 0;
    for (int i = 0; i < 100'000; ++i) {
        now_ns += 50 * kUs;
        share.charge(core::TenantId(1), core::SubscriptionId(1), 50 * kUs, now_ns, true);
        ASSERT_FALSE(share.is_aside(core::TenantId(1), core::SubscriptionId(1)));
    }
}

// The other one's few deliveries find room: nobody is held back for them.
TEST(LaneShare, NobodyIsSetAsideWhileNothingElseWaits) {
    LaneShare share;
    std::int64_t now_ns = 0;
    for (int i = 0; i < 100'000; ++i) {
        now_ns += 100 * kUs;
        share.charge(core::TenantId(1), core::SubscriptionId(1), 70 * kUs, now_ns, false);
        if (i % 100 == 0)
            share.charge(core::TenantId(2), core::SubscriptionId(2), kUs, now_ns, false);
        ASSERT_FALSE(share.is_aside(core::TenantId(1), core::SubscriptionId(1)));
    }
}

TEST(LaneShare, AnyMixtureComesToItsEndInOrder) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        core::Random random(seed);
        VirtualLane lane;
        for (int i = 0; i < 3000; ++i) {
            const auto subscription = static_cast<std::uint32_t>(random.below(12));
            const auto tenant = subscription % 3;
            lane.add(tenant, subscription,
                     subscription < 6 ? 100 * kUs : 1 * kMs * (1 + random.below(30)));
            if (random.below(2) == 0) lane.step();
        }
        lane.finish();
    }
}

TEST(LaneShare, LiveOnesOfASubscriptionLeaveInTheirOrder) {
    VirtualLane lane;
    for (int i = 0; i < 20'000; ++i) {
        lane.add(1, static_cast<std::uint32_t>(1 + i % 2), 50 * kUs);
        if (i % 100 == 0) lane.add(2, 9, 50 * kUs);
    }
    while (!lane.stream.empty()) lane.step();
    ASSERT_TRUE(lane.share.has_waiting());
    EXPECT_EQ(lane.share.longest().second, 0u) << "none of them is live";
    for (std::uint32_t i = 0; i < 10; ++i) {
        WaitingDelivery live{nullptr, 1'000'000 + i};
        live.live = true;
        lane.share.push(core::TenantId(1), core::SubscriptionId(1), live);
    }
    EXPECT_EQ(lane.share.longest(), std::pair(core::SubscriptionId(1), std::size_t{10}));
    EXPECT_EQ(lane.share.live_waiting(), 10u);
    std::deque<WaitingDelivery> left;
    lane.share.take_live(core::SubscriptionId(1), left);
    ASSERT_EQ(left.size(), 10u);
    for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(left[i].item, 1'000'000 + i);
    EXPECT_EQ(lane.share.live_waiting(), 0u);
    lane.finish();
}

}  // namespace
}  // namespace millrace::runtime
