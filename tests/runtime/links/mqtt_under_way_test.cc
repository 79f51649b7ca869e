// Goal: a message of QoS 2 goes on where it was when a connection ends, and a delivery that is
// tried again finds its own, so that each arrives once as long as the broker keeps the session.
// Method: what goes out and what is answered, step by step; a broker of the test's that forgets and
// remembers as MQTT says, over connections that end at any step.
#include "runtime/links/mqtt_under_way.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

using Found = MqttUnderWay::Found;

SinkText text_of(std::uint64_t ticket, const std::string& delivery) {
    SinkText out;
    out.ticket = ticket;
    out.text = delivery;
    out.delivery = delivery;
    return out;
}

// What goes out now.
std::string sent(MqttUnderWay& under_way, std::size_t max = 100) {
    std::string out;
    while (const auto* packet = under_way.next(max)) {
        out += std::to_string(packet->id);
        out += packet->received ? " release" : (packet->again ? " again " : " ") + packet->text;
        out += ";";
    }
    return out;
}

std::string ended(MqttUnderWay& under_way, std::uint16_t id, bool arrived = true) {
    const auto end = under_way.end(id, arrived);
    if (!end.known) return "unknown";
    return end.ticket ? std::to_string(*end.ticket) : "nobody waits";
}

class MqttUnderWayTest : public ::testing::Test {
protected:
    void SetUp() override {
        under_way_.begin_connection();
        under_way_.let_in(false);
    }
    void come_again(bool session_there = true) {
        under_way_.begin_connection();
        under_way_.let_in(session_there);
    }
    MqttUnderWay under_way_{"a"};
};

TEST_F(MqttUnderWayTest, NoMoreGoesOutThanTheBrokerTakes) {
    for (int i = 0; i < 4; ++i) under_way_.add(text_of(10 + i, "d" + std::to_string(i)), "t");
    EXPECT_EQ(sent(under_way_, 2), "1 d0;2 d1;");
    EXPECT_EQ(under_way_.bytes(), 8u);
    EXPECT_TRUE(under_way_.receive(1));
    EXPECT_FALSE(under_way_.receive(1));
    EXPECT_EQ(under_way_.bytes(), 6u);
    EXPECT_EQ(sent(under_way_, 2), "") << "it is not released yet";
    EXPECT_EQ(ended(under_way_, 1), "10");
    EXPECT_EQ(ended(under_way_, 1), "unknown");
    EXPECT_EQ(ended(under_way_, 2, false), "11");
    EXPECT_EQ(sent(under_way_, 2), "3 d2;4 d3;");
    EXPECT_EQ(under_way_.size(), 2u);
}

TEST_F(MqttUnderWayTest, EachGoesOnWhereItWasOverAnotherConnection) {
    for (int i = 0; i < 4; ++i) under_way_.add(text_of(10 + i, "d" + std::to_string(i)), "t");
    EXPECT_EQ(sent(under_way_, 3), "1 d0;2 d1;3 d2;");
    under_way_.receive(2);
    EXPECT_EQ(ended(under_way_, 3), "12");
    come_again();
    EXPECT_EQ(under_way_.size(), 2u) << "what had not gone out is whoever's who gave it";
    EXPECT_FALSE(under_way_.receive(1)) << "an answer to what has not gone out over this one";
    EXPECT_EQ(sent(under_way_), "1 again d0;2 release;");
    EXPECT_EQ(under_way_.find("d0", 20), Found::kUnderWay);
    EXPECT_EQ(under_way_.find("d0", 21), Found::kNew) << "there is one of it";
    EXPECT_EQ(under_way_.find("d3", 22), Found::kNew);
    EXPECT_EQ(ended(under_way_, 1), "20");
    EXPECT_EQ(ended(under_way_, 2), "nobody waits");
    EXPECT_EQ(under_way_.find("d1", 23), Found::kArrived);
    EXPECT_EQ(under_way_.find("d1", 24), Found::kNew);
    under_way_.add(text_of(25, "d4"), "t");
    EXPECT_EQ(sent(under_way_), "4 d4;") << "ids in use are not given again";
}

TEST_F(MqttUnderWayTest, WhatABrokerRefusesOrHasForgottenGoesAnew) {
    under_way_.add(text_of(1, "d1"), "t");
    under_way_.add(text_of(2, "d2"), "t");
    EXPECT_EQ(sent(under_way_), "1 d1;2 d2;");
    come_again();
    EXPECT_EQ(sent(under_way_), "1 again d1;2 again d2;");
    EXPECT_EQ(ended(under_way_, 1, false), "nobody waits");
    EXPECT_EQ(under_way_.find("d1", 3), Found::kNew);
    come_again(false);
    EXPECT_EQ(under_way_.size(), 0u);
    EXPECT_EQ(under_way_.bytes(), 0u);
    EXPECT_EQ(under_way_.find("d2", 4), Found::kNew);
    EXPECT_EQ(sent(under_way_), "");
}

TEST_F(MqttUnderWayTest, WhatArrivedAndIsNotAskedForIsBounded) {
    constexpr std::size_t kAtOnce = 1'000, kMore = 10;
    std::size_t count = 0;
    while (count < MqttUnderWay::kDoneMax + kMore) {
        std::vector<std::uint16_t> ids;
        for (std::size_t i = 0; i < kAtOnce && count < MqttUnderWay::kDoneMax + kMore; ++i) {
            under_way_.add(text_of(count, "d" + std::to_string(count)), "t");
            ids.push_back(under_way_.next(kAtOnce)->id);
            ++count;
        }
        come_again();
        (void)sent(under_way_, kAtOnce);
        for (const std::uint16_t id : ids) EXPECT_EQ(ended(under_way_, id), "nobody waits");
    }
    EXPECT_EQ(under_way_.find("d" + std::to_string(kMore - 1), 1), Found::kNew) << "the oldest go";
    EXPECT_EQ(under_way_.find("d" + std::to_string(kMore), 1), Found::kArrived);
    EXPECT_EQ(under_way_.find("d" + std::to_string(count - 1), 1), Found::kArrived);
}

// A broker by the standard: it keeps the ids of what it has until that is released.
struct Broker {
    std::map<std::string, int> has;
    std::set<std::uint16_t> held;

    void take(const MqttUnderWay::Packet& packet) {
        if (packet.received)
            held.erase(packet.id);
        else if (held.insert(packet.id).second)
            ++has[packet.text];
    }
};

TEST(MqttUnderWay, EachArrivesOnceWhereverConnectionsEnd) {
    constexpr int kDeliveries = 200;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        core::Random random(seed);
        MqttUnderWay under_way("a");
        Broker broker;
        std::set<int> open;  // deliveries that nobody has heard of yet
        for (int i = 0; i < kDeliveries; ++i) open.insert(i);
        bool first = true;
        while (!open.empty()) {
            under_way.begin_connection();
            under_way.let_in(!std::exchange(first, false));
            std::set<int> given;
            const auto hear = [&](std::uint64_t ticket) { open.erase(static_cast<int>(ticket)); };
            // What either side has said and the other has not heard.
            std::vector<std::uint16_t> receipts, ends;
            bool up = true;
            const auto step = [&] { up = up && random.below(60) != 0; };
            while (up && !(open.empty() && under_way.size() == 0)) {
                if (auto next = random.below(2) == 0 ? open.begin() : open.end();
                    next != open.end() && given.insert(*next).second) {
                    const int one = *next;
                    const std::string name = "d" + std::to_string(one);
                    const auto found = under_way.find(name, static_cast<std::uint64_t>(one));
                    if (found == Found::kArrived) open.erase(one);
                    if (found == Found::kNew)
                        under_way.add(text_of(static_cast<std::uint64_t>(one), name), "t");
                } else if (const int more = static_cast<int>(random.below(kDeliveries));
                           open.contains(more) && given.insert(more).second) {
                    const std::string name = "d" + std::to_string(more);
                    const auto found = under_way.find(name, static_cast<std::uint64_t>(more));
                    if (found == Found::kArrived) open.erase(more);
                    if (found == Found::kNew)
                        under_way.add(text_of(static_cast<std::uint64_t>(more), name), "t");
                }
                while (const auto* packet = under_way.next(8)) {
                    step();
                    if (!up) break;
                    broker.take(*packet);
                    (packet->received ? ends : receipts).push_back(packet->id);
                }
                while (up && !receipts.empty()) {
                    const std::uint16_t id = receipts.back();
                    receipts.pop_back();
                    step();
                    if (!up) break;
                    (void)under_way.receive(id);
                    step();
                    if (!up) break;
                    broker.held.erase(id);
                    ends.push_back(id);
                }
                while (up && !ends.empty()) {
                    const std::uint16_t id = ends.back();
                    ends.pop_back();
                    step();
                    if (!up) break;
                    if (const auto end = under_way.end(id, true); end.ticket) hear(*end.ticket);
                }
            }
        }
        ASSERT_EQ(broker.has.size(), static_cast<std::size_t>(kDeliveries)) << "seed " << seed;
        for (const auto& [name, times] : broker.has)
            ASSERT_EQ(times, 1) << name << " of seed " << seed;
    }
}

}  // namespace
}  // namespace millrace::runtime
