// Goal: whatever the time does between two looks (nothing, a tick, several at once, more than a
// turn of the wheel), each deadline fires once, not before its time and by the next look after its
// tick, and a look ends. Method: random deadlines and random stalls beside a plain list; callbacks
// set and forget deadlines of others, as connections do.
#include "io/deadline_wheel.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace millrace::io {
namespace {

constexpr std::int64_t kTick = DeadlineWheel::kTickNs;
constexpr std::int64_t kTurn = kTick * DeadlineWheel::kBuckets;

std::vector<std::uint32_t> fired_at(DeadlineWheel& wheel, std::int64_t now_ns) {
    std::vector<std::uint32_t> fired;
    wheel.advance(now_ns, [&](std::uint32_t entry) { fired.push_back(entry); });
    return fired;
}

using Fired = std::vector<std::uint32_t>;

// A deadline far ahead waits in the last bucket of a turn. When that bucket came round late, it was
// put back into the very bucket that was being emptied, for ever.
TEST(DeadlineWheel, AStallOfSeveralTicksEndsWithDeadlinesBeyondATurn) {
    DeadlineWheel wheel(0);
    for (std::uint32_t i = 0; i < 500; ++i) {
        const std::int64_t now = std::int64_t{i} * kTick;
        EXPECT_EQ(fired_at(wheel, now), Fired{});
        wheel.set(i, now + 75'000'000'000);
    }
    for (std::int64_t ticks = 2; ticks < 600; ticks += 7) {
        DeadlineWheel copy = wheel;
        EXPECT_EQ(fired_at(copy, (500 + ticks) * kTick), Fired{}) << ticks;
    }
    EXPECT_EQ(fired_at(wheel, 500 * kTick + 75'000'000'000).size(), 500u);
}

TEST(DeadlineWheel, ADeadlineMovedBackFiresAtItsNewTime) {
    DeadlineWheel wheel(0);
    wheel.set(0, 3 * kTick);
    wheel.set(0, 9 * kTick);
    EXPECT_EQ(fired_at(wheel, 5 * kTick), Fired{});
    EXPECT_EQ(fired_at(wheel, 10 * kTick), Fired{0});
    EXPECT_EQ(fired_at(wheel, 5 * kTurn), Fired{});
}

TEST(DeadlineWheel, ADeadlineMovedForwardFiresAtItsNewTime) {
    DeadlineWheel wheel(0);
    wheel.set(0, 3 * kTurn);
    wheel.set(0, 2 * kTick);
    EXPECT_EQ(fired_at(wheel, 3 * kTick), Fired{0});
}

TEST(DeadlineWheel, WhatIsForgottenDoesNotFireForItsSuccessor) {
    DeadlineWheel wheel(0);
    wheel.set(4, 2 * kTick);
    wheel.forget(4);
    wheel.forget(77);  // never seen
    wheel.set(4, 20 * kTick);
    EXPECT_EQ(fired_at(wheel, 10 * kTick), Fired{});
    EXPECT_EQ(fired_at(wheel, 21 * kTick), Fired{4});
}

TEST(DeadlineWheel, TwoThatSetEachOtherToThePastDoNotGoRoundForEver) {
    DeadlineWheel wheel(0);
    wheel.set(0, kTick);
    wheel.set(1, kTick);
    std::size_t calls = 0;
    wheel.advance(10 * kTick, [&](std::uint32_t entry) {
        ASSERT_LT(++calls, 10u);
        wheel.set(1 - entry, 1);
    });
    EXPECT_LE(calls, 2u);
}

// ---- against a plain list

struct Model {
    static constexpr std::uint32_t kEntries = 64;

    explicit Model(std::uint64_t seed) : random(seed), now(random_span(10 * kTurn)), wheel(now) {}

    std::int64_t random_span(std::int64_t below) {
        return static_cast<std::int64_t>(random.next() % static_cast<std::uint64_t>(below));
    }

    // Mostly a tick or so, sometimes several, sometimes more than the wheel goes round.
    std::int64_t stall() {
        switch (random.next() % 8) {
            case 0: return 0;
            case 1: return random_span(kTick / 4);
            case 2: return random_span(8 * kTick);
            case 3: return random_span(kTurn);
            case 4: return random.next() % 8 == 0 ? random_span(20 * kTurn) : kTick;
            case 5: return wheel.sleep_limit_us(now, 1'000'000'000) * 1000;
            default: return random_span(2 * kTick);
        }
    }

    void change_one() {
        const auto entry = static_cast<std::uint32_t>(random.next() % kEntries);
        due.erase(entry);
        switch (random.next() % 6) {
            case 0: return wheel.forget(entry);
            case 1: return wheel.set(entry, 0);
            default: break;
        }
        const std::int64_t spans[] = {kTick / 2, 3 * kTick, kTurn / 2, kTurn, 3 * kTurn};
        std::int64_t at = now + random_span(spans[random.next() % 5]);
        if (random.next() % 16 == 0) at = std::max<std::int64_t>(1, now - random_span(kTurn));
        wheel.set(entry, at);
        // One whose time has passed already fires with the next tick.
        due[entry] = {at, std::max(at, now) / kTick + 1};
    }

    void look() {
        std::size_t calls = 0;
        wheel.advance(now, [&](std::uint32_t entry) {
            ASSERT_LT(++calls, 2 * kEntries);
            const auto it = due.find(entry);
            ASSERT_NE(it, due.end()) << entry << " has no deadline";
            EXPECT_LE(it->second.at, now) << entry << " fires before its time";
            due.erase(it);
            while (random.next() % 3 == 0) change_one();
        });
        for (const auto& [entry, deadline] : due)
            EXPECT_GT(deadline.tick, now / kTick) << entry << " was passed over";
    }

    struct Deadline {
        std::int64_t at;
        std::int64_t tick;  // by which it has fired
    };
    core::Random random;
    std::int64_t now;
    DeadlineWheel wheel;
    std::map<std::uint32_t, Deadline> due;
};

TEST(DeadlineWheel, FiresEachDeadlineInTimeOverRandomStalls) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Model model(seed);
        for (int step = 0; step < 400 && !testing::Test::HasFailure(); ++step) {
            for (std::uint64_t i = model.random.next() % 6; i > 0; --i) model.change_one();
            model.now += model.stall();
            model.look();
        }
        if (testing::Test::HasFailure()) return;
    }
}

}  // namespace
}  // namespace millrace::io
