// Goal: what clients keep waiting stays within its room, whoever works goes on, and who only sleeps
// makes room for others. Method: holders that do what they are told, and a clock by hand.
#include "io/client_room.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace millrace::io {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

struct Client final : ClientRoom::Holder {
    using Holder::Holder;
    bool take(std::size_t more) {
        if (!may_hold(more)) return false;
        hold_in_room(held_in_room() + more);
        return true;
    }
    void give(std::size_t less) { hold_in_room(held_in_room() - less); }
    void come(std::size_t bytes) { hold_in_room(bytes); }
    void leave() { leave_room(); }
    std::size_t held() const { return held_in_room(); }
    void on_room() override {
        ++told;
        if (order) order->push_back(this);
    }
    std::int64_t stalled_since_ns() const override { return stalled_ns; }
    void cut_off() override {
        ++cuts;
        leave_room();
    }
    std::int64_t stalled_ns = kNeverStalled;
    int told = 0, cuts = 0;
    std::vector<const Client*>* order = nullptr;
};

class ClientRoomTest : public testing::Test {
protected:
    ClientRoom room_{1000};
    Client a_{room_}, b_{room_}, c_{room_};
};

TEST_F(ClientRoomTest, TakesWhatFitsAndOneThatIsAlone) {
    EXPECT_TRUE(a_.take(5000)) << "alone, whatever its size";
    EXPECT_FALSE(b_.take(1));
    a_.give(5000);
    EXPECT_EQ(b_.told, 1);
    EXPECT_TRUE(b_.take(600));
    EXPECT_TRUE(a_.take(400));
    EXPECT_FALSE(c_.take(1));
    EXPECT_EQ(room_.held_bytes(), 1000u);
}

TEST_F(ClientRoomTest, WhoFoundNoRoomIsToldOnceWhenHalfIsFree) {
    EXPECT_TRUE(a_.take(700));
    EXPECT_TRUE(b_.take(300));
    EXPECT_FALSE(c_.take(100));
    EXPECT_FALSE(c_.take(100));
    b_.give(300);
    EXPECT_EQ(c_.told, 0);
    EXPECT_FALSE(b_.take(50)) << "it was full: nobody passes those who wait";
    a_.give(200);
    EXPECT_EQ(c_.told, 1);
    EXPECT_EQ(b_.told, 1);
    EXPECT_TRUE(c_.take(100));
}

TEST_F(ClientRoomTest, ManyThatWaitedAndWentLeaveTheOthersInTheirOrder) {
    EXPECT_TRUE(a_.take(800));
    EXPECT_TRUE(b_.take(200));
    std::vector<const Client*> told, stayed;
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 1000; ++i) {
        Client& client = *clients.emplace_back(std::make_unique<Client>(room_));
        client.order = &told;
        EXPECT_FALSE(client.take(1));
        if (i % 100 == 7) stayed.push_back(&client);
    }
    for (auto& client : clients) {
        if (std::find(stayed.begin(), stayed.end(), client.get()) == stayed.end()) client.reset();
    }
    clients.emplace_back(std::make_unique<Client>(room_))->order = &told;
    EXPECT_FALSE(clients.back()->take(1));
    stayed.push_back(clients.back().get());
    a_.give(800);
    EXPECT_EQ(told, stayed);
}

TEST_F(ClientRoomTest, WhoStallsIsCutOffOnlyWhenOthersHaveWaitedForLong) {
    EXPECT_TRUE(a_.take(500));
    EXPECT_TRUE(b_.take(400));
    a_.stalled_ns = 2 * kSecond;
    room_.look(9 * kSecond);
    EXPECT_EQ(a_.cuts, 0) << "nobody waits";
    EXPECT_FALSE(c_.take(200));
    EXPECT_EQ(room_.patience_ends_ns(), 10 * kSecond);
    room_.look(9 * kSecond + kSecond / 2);
    EXPECT_EQ(a_.cuts, 0);
    room_.look(10 * kSecond);
    EXPECT_EQ(a_.cuts, 1);
    EXPECT_EQ(b_.cuts, 0) << "it works";
    EXPECT_EQ(c_.told, 1);
    EXPECT_TRUE(c_.take(200));
    EXPECT_EQ(room_.patience_ends_ns(), kNeverStalled);
}

TEST_F(ClientRoomTest, TheLongestStalledGoFirstAndNoMoreThanAreNeeded) {
    EXPECT_TRUE(a_.take(300));
    EXPECT_TRUE(b_.take(600));
    a_.stalled_ns = 2 * kSecond;
    b_.stalled_ns = kSecond;
    room_.look(9 * kSecond);
    EXPECT_FALSE(c_.take(200));
    room_.look(10 * kSecond);
    EXPECT_EQ(b_.cuts, 1);
    EXPECT_EQ(a_.cuts, 0);
    EXPECT_TRUE(c_.take(200));
}

TEST_F(ClientRoomTest, SomethingLargeGetsItsTurnWhereHalfOfItIsNotEnough) {
    EXPECT_TRUE(a_.take(400));
    a_.stalled_ns = 2 * kSecond;
    room_.look(9 * kSecond);
    EXPECT_FALSE(b_.take(900));
    room_.look(10 * kSecond);
    EXPECT_EQ(a_.cuts, 1);
    EXPECT_TRUE(b_.take(900));
}

TEST_F(ClientRoomTest, WhereAllWaitForMoreWhoeverHasMostGoes) {
    EXPECT_TRUE(a_.take(400));
    EXPECT_TRUE(b_.take(500));
    a_.stalled_ns = b_.stalled_ns = kSecond;
    room_.look(9 * kSecond);
    EXPECT_FALSE(a_.take(300));
    EXPECT_FALSE(b_.take(300));
    room_.look(10 * kSecond);
    EXPECT_EQ(a_.cuts, 0);
    EXPECT_EQ(b_.cuts, 1);
    EXPECT_TRUE(a_.take(300));
}

TEST_F(ClientRoomTest, WhereManyWaitPatienceIsShorter) {
    EXPECT_TRUE(a_.take(1000));
    a_.stalled_ns = 0;
    std::vector<std::unique_ptr<Client>> many;
    room_.look(9 * kSecond);
    for (int i = 0; i < 10; ++i) {
        many.push_back(std::make_unique<Client>(room_));
        EXPECT_FALSE(many.back()->take(10));
    }
    EXPECT_EQ(room_.patience_ends_ns(), 9 * kSecond + ClientRoom::kPatienceLeastNs);
    room_.look(9 * kSecond + ClientRoom::kPatienceLeastNs);
    EXPECT_EQ(a_.cuts, 1);
}

TEST_F(ClientRoomTest, WhatHasComeIsCountedAndWhoLeavesIsForgotten) {
    a_.come(1500);
    EXPECT_TRUE(room_.over());
    auto gone = std::make_unique<Client>(room_);
    EXPECT_FALSE(gone->take(10));
    gone.reset();
    EXPECT_FALSE(b_.take(10));
    b_.leave();
    EXPECT_EQ(room_.patience_ends_ns(), kNeverStalled) << "nobody waits any more";
    a_.leave();
    EXPECT_EQ(room_.held_bytes(), 0u);
    EXPECT_EQ(b_.told, 0);
}

}  // namespace
}  // namespace millrace::io
