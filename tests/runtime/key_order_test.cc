// Goal: a key with something waiting holds its later deliveries, and only its own.
// Method: the table alone, driven as a lane drives it.
#include "runtime/key_order.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kDue = 1'000'000;

KeyedDelivery delivery(std::uint64_t offset, std::uint32_t key = 7,
                       std::uint32_t subscription = 1) {
    return {core::SubscriptionId(subscription), key, core::LogOffset(offset)};
}

TEST(KeyOrder, HoldsLaterEventsOfTheKeyUntilTheFirstHasEnded) {
    KeyOrder order;
    EXPECT_FALSE(order.first_waits_until(delivery(10)));
    order.block(delivery(10), kDue, false);
    EXPECT_EQ(order.first_waits_until(delivery(11)), kDue);
    order.hold(delivery(11));
    // Its own retry may run; the one behind it comes after it and finds the way free.
    EXPECT_FALSE(order.retry_waits_until(delivery(10), kDue, kDue + 1));
    order.release(delivery(10));
    EXPECT_FALSE(order.retry_waits_until(delivery(11), kDue, kDue + 2));
    EXPECT_TRUE(order.first_waits_until(delivery(12))) << "11 has not run yet";
    order.release(delivery(11));
    EXPECT_FALSE(order.first_waits_until(delivery(12)));
    EXPECT_TRUE(order.empty());
}

TEST(KeyOrder, OtherKeysAndOtherSubscriptionsGoOn) {
    KeyOrder order;
    order.block(delivery(10), kDue, false);
    EXPECT_FALSE(order.first_waits_until(delivery(11, 8)));
    EXPECT_FALSE(order.first_waits_until(delivery(11, 7, 2)));
}

TEST(KeyOrder, ASecondFailurePutsTheWaitingOnesOffAgain) {
    KeyOrder order;
    order.block(delivery(10), kDue, false);
    order.hold(delivery(11));
    order.block(delivery(10), kDue * 2, true);
    EXPECT_EQ(order.retry_waits_until(delivery(11), kDue, kDue + 1), kDue * 2);
    order.release(delivery(10));
    EXPECT_FALSE(order.retry_waits_until(delivery(11), kDue * 2, kDue * 2 + 1));
    order.release(delivery(11));
    EXPECT_TRUE(order.empty());
}

TEST(KeyOrder, AFailureAmongTheWaitingOnesHoldsTheRest) {
    KeyOrder order;
    order.block(delivery(10), kDue, false);
    order.hold(delivery(11));
    order.hold(delivery(12));
    order.release(delivery(10));
    EXPECT_FALSE(order.retry_waits_until(delivery(11), kDue, kDue + 1));
    order.block(delivery(11), kDue + 500, true);
    EXPECT_EQ(order.retry_waits_until(delivery(12), kDue, kDue + 1), kDue + 500);
}

TEST(KeyOrder, ARowThatWasGivenUpElsewhereDoesNotHoldItsKeyForEver) {
    KeyOrder order;
    order.block(delivery(10), kDue, false);
    order.hold(delivery(11));
    const std::int64_t soon = kDue + 1;
    EXPECT_EQ(order.retry_waits_until(delivery(11), kDue, soon), soon + KeyOrder::kAskAgainUs);
    const std::int64_t late = kDue + KeyOrder::kOverdueUs;
    EXPECT_FALSE(order.retry_waits_until(delivery(11), soon, late));
    order.release(delivery(11));
    EXPECT_TRUE(order.empty());
}

TEST(KeyOrder, IsFilledFromTheRowsInAnyOrder) {
    KeyOrder order;
    order.restore(delivery(12), kDue);
    order.restore(delivery(10), kDue + 100);
    order.restore(delivery(11), kDue);
    EXPECT_EQ(order.keys(), 1u);
    EXPECT_EQ(order.retry_waits_until(delivery(11), kDue, kDue + 1), kDue + 100);
    EXPECT_FALSE(order.retry_waits_until(delivery(10), kDue + 100, kDue + 101));
}

}  // namespace
}  // namespace millrace::runtime
