// Goal: a quota of entities holds though they are counted only when it is asked for, and whoever
// waits for the count hears of it once. Method: counts given by hand.
#include "runtime/api/entity_counts.h"

#include <gtest/gtest.h>

namespace millrace::runtime::api {
namespace {

constexpr core::TenantId kCounted{3}, kUncounted{4};

TEST(EntityCounts, LetsAsManyInAsThereMayBe) {
    EntityCounts counts;
    counts.learned(kCounted, 1);
    EXPECT_TRUE(counts.take(kCounted, 2));
    const auto full = counts.take(kCounted, 2);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, core::ErrorCode::kRateLimited);
    EXPECT_EQ(full.error().field, "entities");
    counts.add(kCounted, -1);
    EXPECT_TRUE(counts.take(kCounted, 2));
    EXPECT_TRUE(counts.take(kCounted, 0)) << "no quota any more: counted all the same";
    EXPECT_EQ(counts.held(kCounted), 3);
}

TEST(EntityCounts, KeepsNothingOfATenantThatNobodyHasCounted) {
    EntityCounts counts;
    EXPECT_TRUE(counts.take(kCounted, 1));
    counts.add(kCounted, -1);
    EXPECT_FALSE(counts.held(kCounted));
}

TEST(EntityCounts, OneCountsAndTheOthersWait) {
    EntityCounts counts;
    int told = 0, failed = 0;
    const auto hear = [&](const core::Status& status) { (status ? told : failed) += 1; };
    EXPECT_TRUE(counts.wait(kCounted, hear).value());
    EXPECT_FALSE(counts.wait(kCounted, hear).value());
    EXPECT_TRUE(counts.wait(kUncounted, hear).value());
    counts.learned(kCounted, core::fail(core::ErrorCode::kUnavailable, "the disk"));
    EXPECT_EQ(failed, 2);
    EXPECT_FALSE(counts.held(kCounted));
    EXPECT_TRUE(counts.wait(kCounted, hear).value()) << "the next one counts again";
    counts.learned(kCounted, 5);
    counts.learned(kUncounted, 0);
    EXPECT_EQ(told, 2);
    EXPECT_EQ(counts.held(kCounted), 5);
}

TEST(EntityCounts, SoManyWaitAndNoMore) {
    EntityCounts counts;
    for (std::size_t i = 0; i < EntityCounts::kWaitingMax; ++i)
        ASSERT_TRUE(counts.wait(kCounted, [](const core::Status&) {}));
    EXPECT_FALSE(counts.wait(kUncounted, [](const core::Status&) {}));
    counts.learned(kCounted, 0);
    EXPECT_TRUE(counts.wait(kUncounted, [](const core::Status&) {}));
}

}  // namespace
}  // namespace millrace::runtime::api
