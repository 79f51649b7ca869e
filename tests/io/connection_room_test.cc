// Goal: a full server lets the one go that was idle longest, holds a few more where all are at
// work, and counts right whatever goes in which order.
#include "io/connection_room.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace millrace::io {
namespace {

using Place = ConnectionRoom::Place;

class FakeConnection {
public:
    explicit FakeConnection(Place place) : spare_(place == Place::kSpare) {}
    std::int64_t idle_since() const { return giving_way_ ? kNotIdle : idle_since_ns; }
    bool spare() const { return spare_; }
    bool giving_way() const { return giving_way_; }
    void give_way() { giving_way_ = true; }
    std::int64_t idle_since_ns = kNotIdle;

private:
    const bool spare_;
    bool giving_way_ = false;
};

class ConnectionRoomTest : public ::testing::Test {
protected:
    Place come() {
        now_ns_ += 1'000'000'000;
        const Place place = room_.find(all_, now_ns_);
        if (place == Place::kNone) return place;
        room_.enter(place);
        all_.push_back(std::make_unique<FakeConnection>(place));
        return place;
    }
    void go(std::size_t index) {
        room_.leave(*all_[index]);
        all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(index));
    }

    ConnectionRoom room_{4, 2};
    std::vector<std::unique_ptr<FakeConnection>> all_;
    std::int64_t now_ns_ = 0;
};

TEST_F(ConnectionRoomTest, HoldsAFewMoreWhereAllAreAtWorkThenNone) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(come(), Place::kUsual);
    EXPECT_EQ(come(), Place::kSpare);
    EXPECT_EQ(come(), Place::kSpare);
    EXPECT_EQ(come(), Place::kNone);
    EXPECT_EQ(room_.open(), 6u);
    go(4);
    EXPECT_EQ(come(), Place::kSpare);
    go(0);
    EXPECT_EQ(come(), Place::kUsual);
}

TEST_F(ConnectionRoomTest, TheOneIdleLongestGivesWay) {
    for (int i = 0; i < 4; ++i) come();
    all_[1]->idle_since_ns = 200;
    all_[2]->idle_since_ns = 100;
    EXPECT_EQ(come(), Place::kUsual);
    EXPECT_TRUE(all_[2]->giving_way());
    EXPECT_FALSE(all_[1]->giving_way());
    go(2);  // its close has come through
    EXPECT_EQ(room_.open(), 4u);
    EXPECT_EQ(come(), Place::kUsual);
    EXPECT_TRUE(all_[1]->giving_way());
}

TEST_F(ConnectionRoomTest, ASpareOneThatIsIdleGivesWayToASpareOne) {
    for (int i = 0; i < 6; ++i) come();
    all_[4]->idle_since_ns = 100;
    EXPECT_EQ(come(), Place::kSpare);
    EXPECT_TRUE(all_[4]->giving_way());
    go(4);
    EXPECT_EQ(come(), Place::kNone);
    for (int i = 0; i < 6; ++i) go(0);
    EXPECT_EQ(room_.open(), 0u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(come(), Place::kUsual);
}

}  // namespace
}  // namespace millrace::io
