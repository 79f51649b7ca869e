// Goal: a key's deliveries come one after the other in their order, a subscription has no more
// pending than its window, everything that waits gets its turn, and a ticket answers once.
// Method: a driver that starts what it is let, ends pending ones in random order, and compares with
// the order in which things came.
#include "runtime/delivery/pending_attempts.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

namespace millrace::runtime {
namespace {

struct Driver {
    static constexpr std::uint32_t kSubscriptions = 3;
    static constexpr std::uint32_t kKeys = 4;
    static constexpr std::uint32_t kWindowMax = 4;

    explicit Driver(std::uint64_t seed) : random(seed) {
        for (std::uint32_t i = 0; i < kSubscriptions; ++i) {
            auto subscription = std::make_shared<Subscription>();
            subscription->number = core::SubscriptionId(i + 1);
            subscriptions.push_back(subscription);
            windows.push_back(1 + static_cast<std::uint32_t>(random.below(kWindowMax)));
        }
    }

    DeliveryPlace place_of(std::uint32_t item) const {
        return {subscriptions[item % kSubscriptions]->number, item / kSubscriptions % kKeys,
                item / (kSubscriptions * kKeys) % 5 != 0 || all_keyed};
    }
    void offer(WaitingDelivery delivery) {
        const DeliveryPlace place = place_of(delivery.item);
        const auto priority = [&] {
            return prioritized ? static_cast<std::int32_t>(delivery.item * 7 % 4) : 0;
        };
        if (!pending.idle() && pending.make_wait(delivery, place, priority)) return;
        begun.push_back(delivery.item);
        if (random.below(3) == 0) {  // ends at once
            ended.insert(delivery.item);
            if (!pending.idle()) pending.ended(place);
            return;
        }
        const std::uint32_t which = place.subscription.value - 1;
        PendingAttempt attempt;
        attempt.ticket = pending.next_ticket();
        attempt.delivery = delivery;
        attempt.subscription = subscriptions[which];
        attempt.key_hash = place.key_hash;
        attempt.keyed = place.keyed;
        attempt.timeout_ms = 1000;
        under_way.push_back(attempt.ticket);
        EXPECT_TRUE(!place.keyed || keys.insert(key(place)).second) << "two of one key at a time";
        EXPECT_LE(++count[which], kWindowMax);
        pending.add(
            std::move(attempt),
            changing ? 1 + static_cast<std::uint32_t>(random.below(kWindowMax)) : windows[which]);
        if (!changing) {
            EXPECT_LE(count[which], windows[which]);
        }
    }
    void end_one() {
        const std::size_t at = random.below(under_way.size());
        const AttemptTicket ticket = under_way[at];
        under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(at));
        const auto taken = pending.take(ticket);
        ASSERT_TRUE(taken);
        EXPECT_FALSE(pending.take(ticket)) << "a ticket that answers twice";
        const DeliveryPlace place = place_of(taken->delivery.item);
        if (place.keyed) keys.erase(key(place));
        --count[place.subscription.value - 1];
        ended.insert(taken->delivery.item);
    }
    void run_ready() {
        while (pending.has_ready()) offer(pending.take_ready());
    }
    static std::pair<std::uint32_t, std::uint32_t> key(const DeliveryPlace& place) {
        return {place.subscription.value, place.key_hash};
    }

    core::Random random;
    bool all_keyed = false;
    bool changing = false;  // windows change with every attempt
    bool prioritized = false;
    std::vector<std::shared_ptr<Subscription>> subscriptions;
    std::vector<std::uint32_t> windows;
    PendingAttempts pending;
    std::vector<std::uint32_t> begun;
    std::set<std::uint32_t> ended;
    std::vector<AttemptTicket> under_way;
    std::set<std::pair<std::uint32_t, std::uint32_t>> keys;
    std::map<std::uint32_t, std::uint32_t> count;
};

TEST(PendingAttempts, KeepsTheOrderOfEachKeyAndTheWindowOfEachSubscription) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        Driver driver(seed);
        driver.all_keyed = seed % 2 == 0;
        driver.changing = seed % 3 == 0;
        driver.prioritized = seed % 5 < 2;
        const auto items = static_cast<std::uint32_t>(20 + driver.random.below(200));
        for (std::uint32_t next = 0; next < items;) {
            if (driver.random.below(2) == 0) driver.run_ready();
            if (driver.random.below(2) == 0 || driver.under_way.empty())
                driver.offer({nullptr, next++});
            else
                driver.end_one();
        }
        while (!driver.pending.idle()) {
            driver.run_ready();
            if (!driver.under_way.empty()) driver.end_one();
        }
        EXPECT_EQ(driver.ended.size(), items);
        EXPECT_EQ(driver.begun.size(), items);
        EXPECT_EQ(driver.pending.waiting(), 0u);
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> last;
        for (const std::uint32_t item : driver.begun) {
            const DeliveryPlace place = driver.place_of(item);
            if (!place.keyed) continue;
            const auto [at, first] = last.try_emplace(Driver::key(place), item);
            EXPECT_TRUE(first || at->second < item) << "key overtaken";
            at->second = item;
        }
    }
}

TEST(PendingAttempts, AHigherPriorityGoesFirstAndNeverBeforeOneOfItsKey) {
    PendingAttempts pending;
    auto subscription = std::make_shared<Subscription>();
    subscription->number = core::SubscriptionId(1);
    PendingAttempt attempt;
    attempt.ticket = pending.next_ticket();
    attempt.subscription = subscription;
    attempt.timeout_ms = 1000;
    const AttemptTicket first = attempt.ticket;
    pending.add(std::move(attempt), 1);
    const auto wait = [&](std::uint32_t item, std::int32_t priority, std::uint32_t key) {
        const DeliveryPlace place{core::SubscriptionId(1), key, key != 0};
        return pending.make_wait({nullptr, item}, place, [priority] { return priority; });
    };
    ASSERT_TRUE(wait(1, 0, 0));
    ASSERT_TRUE(wait(2, -10, 0));
    ASSERT_TRUE(wait(3, 0, 7));
    ASSERT_TRUE(wait(4, 20, 0));
    ASSERT_TRUE(wait(5, 20, 7)) << "behind 3";
    ASSERT_TRUE(wait(6, 20, 0)) << "behind 5, which is no less";
    ASSERT_TRUE(wait(7, 0, 0));
    ASSERT_TRUE(pending.take(first));
    std::vector<std::uint32_t> order;
    while (pending.has_ready()) {
        const WaitingDelivery next = pending.take_ready();
        order.push_back(next.item);
        const std::uint32_t key = next.item == 3 || next.item == 5 ? 7 : 0;
        const DeliveryPlace place{core::SubscriptionId(1), key, key != 0};
        ASSERT_FALSE(pending.make_wait(next, place));
        pending.ended(place);
    }
    EXPECT_EQ(order, (std::vector<std::uint32_t>{4, 1, 3, 5, 6, 7, 2}));
    EXPECT_TRUE(pending.idle());
}

// However many stand in line, one more looks past so many of them.
TEST(PendingAttempts, APriorityPassesABoundedNumber) {
    PendingAttempts pending;
    auto subscription = std::make_shared<Subscription>();
    subscription->number = core::SubscriptionId(1);
    PendingAttempt attempt;
    attempt.ticket = pending.next_ticket();
    attempt.subscription = subscription;
    attempt.timeout_ms = 1000;
    const AttemptTicket first = attempt.ticket;
    pending.add(std::move(attempt), 1);
    const DeliveryPlace place{core::SubscriptionId(1), 0, false};
    constexpr std::uint32_t kMany = PendingAttempts::kPassedMax + 10;
    for (std::uint32_t i = 0; i < kMany; ++i)
        ASSERT_TRUE(pending.make_wait({nullptr, i}, place, [] { return 0; }));
    ASSERT_TRUE(pending.make_wait({nullptr, kMany}, place, [] { return 1; }));
    ASSERT_TRUE(pending.take(first));
    for (std::uint32_t i = 0; i < 10; ++i) {
        EXPECT_EQ(pending.first_ready().item, i);
        ASSERT_FALSE(pending.make_wait(pending.take_ready(), place));
        pending.ended(place);
    }
    EXPECT_EQ(pending.first_ready().item, kMany);
}

// Two of one key are let out, and the window shrinks before they are tried: the first finds no
// room, the second does.
TEST(PendingAttempts, OneThatFindsNoRoomIsNotOvertakenByTheNextOfItsKey) {
    PendingAttempts pending;
    auto subscription = std::make_shared<Subscription>();
    subscription->number = core::SubscriptionId(1);
    const auto place = [](std::uint32_t key) {
        return DeliveryPlace{core::SubscriptionId(1), key, true};
    };
    const auto begin = [&](std::uint32_t key, std::uint32_t window) {
        PendingAttempt attempt;
        attempt.ticket = pending.next_ticket();
        attempt.subscription = subscription;
        attempt.key_hash = key;
        attempt.keyed = true;
        attempt.timeout_ms = 1000;
        const AttemptTicket ticket = attempt.ticket;
        pending.add(std::move(attempt), window);
        return ticket;
    };
    const AttemptTicket one = begin(1, 3);
    const AttemptTicket two = begin(2, 3);
    const AttemptTicket three = begin(3, 3);
    constexpr std::uint32_t kFirst = 10, kSecond = 11, kOfThree = 12, kKey = 4;
    ASSERT_TRUE(pending.make_wait({nullptr, kFirst}, place(kKey)));
    ASSERT_TRUE(pending.make_wait({nullptr, kSecond}, place(kKey)));
    WaitingDelivery of_three{nullptr, kOfThree};
    of_three.turn = WaitingDelivery::Turn::kFromLine;
    ASSERT_TRUE(pending.make_wait(of_three, place(3)));
    ASSERT_TRUE(pending.take(three));
    ASSERT_TRUE(pending.take(one));
    ASSERT_TRUE(pending.take(two));

    ASSERT_EQ(pending.first_ready().item, kOfThree);
    ASSERT_FALSE(pending.make_wait(pending.take_ready(), place(3)));
    const AttemptTicket last = begin(3, 2);
    ASSERT_EQ(pending.first_ready().item, kFirst);
    ASSERT_TRUE(pending.make_wait(pending.take_ready(), place(kKey))) << "there is no room";
    ASSERT_EQ(pending.first_ready().item, kSecond);
    EXPECT_TRUE(pending.make_wait(pending.take_ready(), place(kKey))) << "overtaken";

    ASSERT_TRUE(pending.take(last));
    ASSERT_TRUE(pending.has_ready());
    ASSERT_EQ(pending.first_ready().item, kFirst);
    ASSERT_FALSE(pending.make_wait(pending.take_ready(), place(kKey)));
    pending.ended(place(kKey));
    ASSERT_TRUE(pending.has_ready());
    ASSERT_EQ(pending.first_ready().item, kSecond);
    ASSERT_FALSE(pending.make_wait(pending.take_ready(), place(kKey)));
    pending.ended(place(kKey));
    EXPECT_TRUE(pending.idle());
}

// Attempts that sleep fill the lane; another tenant's begin all the same.
TEST(PendingAttempts, ATenantThatFillsTheLaneLeavesEachOtherSomeRoom) {
    PendingAttempts pending;
    const auto begin = [&](std::uint32_t subscription, std::uint32_t tenant) {
        const DeliveryPlace place{core::SubscriptionId(subscription), 0, false};
        if (!pending.idle() && pending.make_wait({}, place)) return false;
        auto of = std::make_shared<Subscription>();
        of->number = place.subscription;
        of->tenant = core::TenantId(tenant);
        PendingAttempt attempt;
        attempt.ticket = pending.next_ticket();
        attempt.subscription = of;
        attempt.timeout_ms = 1000;
        pending.add(std::move(attempt), 1000);
        return true;
    };
    std::size_t begun = 0;
    for (int i = 0; i < 1000; ++i) {
        for (std::uint32_t subscription = 1; subscription <= 20; ++subscription)
            begun += begin(subscription, 1);
    }
    EXPECT_EQ(begun, PendingAttempts::kPendingMax);
    EXPECT_GE(begun, 10'000U) << "so many handlers are to wait on one lane";
    std::size_t others = 0;
    for (int i = 0; i < 1000; ++i) others += begin(27, 2);
    EXPECT_EQ(others, PendingAttempts::kOfTenantMin);
    EXPECT_FALSE(begin(1, 1));
}

// A full lane, and lines that wait for it beside one that waits for its own window.
struct FullLane {
    PendingAttempts pending;
    std::map<std::uint32_t, std::vector<AttemptTicket>> tickets;  // by subscription

    bool begin(std::uint32_t subscription, std::uint32_t tenant, std::uint32_t window = 1000) {
        const DeliveryPlace place{core::SubscriptionId(subscription), 0, false};
        if (!pending.idle() && pending.make_wait({nullptr, subscription}, place)) return false;
        auto of = std::make_shared<Subscription>();
        of->number = place.subscription;
        of->tenant = core::TenantId(tenant);
        PendingAttempt attempt;
        attempt.ticket = pending.next_ticket();
        attempt.subscription = of;
        attempt.timeout_ms = 1000;
        tickets[subscription].push_back(attempt.ticket);
        pending.add(std::move(attempt), window);
        return true;
    }
    void fill(std::uint32_t subscription) {
        while (pending.pending() < PendingAttempts::kPendingMax) begin(++subscription, 1, 20'000);
    }
    void end_one(std::uint32_t subscription) {
        EXPECT_TRUE(pending.take(tickets[subscription].back()));
        tickets[subscription].pop_back();
    }
};

TEST(PendingAttempts, RoomOnALaneThatWasFullIsNotLeftToOneThatCanNotUseIt) {
    FullLane lane;
    ASSERT_TRUE(lane.begin(1, 1, 1));
    ASSERT_TRUE(lane.begin(2, 1));
    ASSERT_FALSE(lane.begin(1, 1)) << "its window is full";
    lane.fill(100);
    ASSERT_FALSE(lane.begin(2, 1)) << "the lane is full";
    lane.end_one(101);
    ASSERT_TRUE(lane.pending.has_ready());
    EXPECT_EQ(lane.pending.take_ready().item, 2u);
}

// One that was let out may end at once: what it did not use is another one's.
TEST(PendingAttempts, RoomThatIsNotUsedAfterAllIsAnothersAtOnce) {
    FullLane lane;
    ASSERT_TRUE(lane.begin(1, 1));
    ASSERT_TRUE(lane.begin(2, 1));
    lane.fill(100);
    ASSERT_FALSE(lane.begin(1, 1));
    ASSERT_FALSE(lane.begin(2, 1));
    lane.end_one(101);
    const WaitingDelivery first = lane.pending.take_ready();
    ASSERT_FALSE(lane.pending.has_ready());
    const DeliveryPlace place{core::SubscriptionId(first.item), 0, false};
    ASSERT_FALSE(lane.pending.make_wait(first, place));
    lane.pending.ended(place);
    ASSERT_TRUE(lane.pending.has_ready());
    EXPECT_EQ(lane.pending.take_ready().item, 3u - first.item);
}

TEST(PendingAttempts, ATenantHasItsRoomOnAFullLaneWhicheverOfItsLinesWaits) {
    FullLane lane;
    for (std::size_t i = 0; i < PendingAttempts::kOfTenantMin; ++i) ASSERT_TRUE(lane.begin(60, 2));
    ASSERT_TRUE(lane.begin(61, 2));
    for (std::uint32_t other = 1; other <= 3; ++other) ASSERT_TRUE(lane.begin(other, 1));
    lane.fill(100);
    ASSERT_FALSE(lane.begin(61, 2));
    for (std::uint32_t other = 1; other <= 3; ++other) ASSERT_FALSE(lane.begin(other, 1));
    lane.end_one(60);  // the lane's room: another one's
    lane.end_one(60);
    std::set<std::uint32_t> out;
    while (lane.pending.has_ready()) out.insert(lane.pending.take_ready().item);
    EXPECT_TRUE(out.contains(61)) << "63 of 64 are pending";
}

TEST(PendingAttempts, TellsWhoseTimeIsOver) {
    PendingAttempts pending;
    for (const std::int64_t timeout_ms : {30, 10, 20}) {
        PendingAttempt attempt;
        attempt.ticket = pending.next_ticket();
        attempt.timeout_ms = timeout_ms;
        pending.add(std::move(attempt), 1);
    }
    EXPECT_FALSE(pending.overdue(9'999'999));
    EXPECT_EQ(pending.next_deadline_ns(), 10'000'000);
    EXPECT_EQ(pending.overdue(10'000'000)->value, 2u);
    EXPECT_TRUE(pending.take(AttemptTicket(2)));
    EXPECT_FALSE(pending.overdue(10'000'000));
    EXPECT_EQ(pending.overdue(50'000'000)->value, 3u);
    std::size_t left = 0;
    pending.clear([&](const PendingAttempt&) { ++left; });
    EXPECT_EQ(left, 2u);
    EXPECT_TRUE(pending.idle());
    EXPECT_EQ(pending.next_ticket().value, 4u) << "a late answer must not find another attempt";
}

}  // namespace
}  // namespace millrace::runtime
