// Goal: the floor rises over graves and never over a row that a scan could not see.
#include "store/rows/scan_floor.h"

#include <gtest/gtest.h>

namespace millrace::store::test {
namespace {

TEST(ScanFloor, RisesToTheFirstLiveRow) {
    ScanFloor floor;
    const auto scan = floor.begin();
    EXPECT_EQ(scan.from, 0);
    floor.end(scan, 100);
    EXPECT_EQ(floor.get(), 100);
    EXPECT_EQ(floor.begin().from, 100);
}

TEST(ScanFloor, ARowPutLaterLowersIt) {
    ScanFloor floor;
    floor.end(floor.begin(), 100);
    floor.note_put(60);
    EXPECT_EQ(floor.get(), 60);
}

TEST(ScanFloor, ARowPutDuringAScanStaysAboveIt) {
    ScanFloor floor;
    const auto scan = floor.begin();
    floor.note_put(60);  // above the floor, not in the scan's view
    floor.end(scan, 100);
    EXPECT_EQ(floor.get(), 60);
}

TEST(ScanFloor, OnlyTheFirstOfTwoScansRaises) {
    ScanFloor floor;
    const auto first = floor.begin();
    floor.note_put(60);
    const auto second = floor.begin();  // must not forget what the first one can't see
    floor.end(second, 100);
    EXPECT_EQ(floor.get(), 0);
    floor.end(first, 100);
    EXPECT_EQ(floor.get(), 60);
    floor.end(floor.begin(), 100);
    EXPECT_EQ(floor.get(), 100);
}

}  // namespace
}  // namespace millrace::store::test
