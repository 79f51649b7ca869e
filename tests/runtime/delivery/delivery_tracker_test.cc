// Goal: the cursor is the end of the longest finished run, never ahead of an open part.
#include "runtime/delivery/delivery_tracker.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

core::LogOffset at(std::uint64_t offset) { return core::LogOffset(offset); }

TEST(DeliveryTracker, BlocksWithoutDeliveriesMoveTheCursorAtOnce) {
    DeliveryTracker tracker(at(5));
    tracker.hand_over(at(5), at(9), 0);
    EXPECT_EQ(tracker.cursor(), at(9));
}

TEST(DeliveryTracker, CursorWaitsForTheOldestOpenBlock) {
    DeliveryTracker tracker(at(0));
    tracker.hand_over(at(0), at(10), 1);
    tracker.hand_over(at(10), at(20), 1);
    tracker.hand_over(at(20), at(30), 0);
    tracker.finish_part(at(10));
    EXPECT_EQ(tracker.cursor(), at(0));
    tracker.finish_part(at(0));
    EXPECT_EQ(tracker.cursor(), at(30));
    EXPECT_EQ(tracker.open_blocks(), 0u);
}

TEST(DeliveryTracker, EveryPartOfABlockMustFinish) {
    DeliveryTracker tracker(at(0));
    tracker.hand_over(at(0), at(10), 2);
    tracker.finish_part(at(0));
    EXPECT_EQ(tracker.cursor(), at(0));
    tracker.finish_part(at(0));
    EXPECT_EQ(tracker.cursor(), at(10));
}

TEST(DeliveryTrackerDeathTest, FinishOfAnUnknownBlockIsImpossible) {
    DeliveryTracker tracker(at(0));
    EXPECT_DEATH(tracker.finish_part(at(0)), "impossible state");
}

}  // namespace
}  // namespace millrace::runtime
