// Goal: of a broker that gives one packet id to several messages at once each message is one,
// whatever is cut off or killed on our side, and each answer reaches the message that it is meant
// for; of a broker that gives an id once at a time no message is lost that says what another said;
// what is kept reads as it was written. Method: cases by hand; models of mosquitto 2.0.11 with few
// ids, which finds a message by its id as that does, and of a broker that takes the lowest free id;
// random cuts.
#include "runtime/links/mqtt_held.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

std::string text_of(const MqttHeld& held) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    held.write(json);
    json.end_object();
    return out;
}

bool read(const std::string& text, MqttHeld& out) {
    core::JsonDom dom;
    const auto root = dom.parse(text);
    return root && out.read(*root);
}

MqttHeld read_again(const MqttHeld& held) {
    MqttHeld out;
    EXPECT_TRUE(read(text_of(held), out));
    EXPECT_EQ(text_of(out), text_of(held));
    return out;
}

TEST(MqttHeld, TheSecondUnderAnIdIsAnsweredWhenTheFirstIsReleased) {
    MqttHeld held;
    const auto first = held.take(7, 0xa, false);
    EXPECT_TRUE(first.is_new && first.answers);
    const auto second = held.take(7, 0xb, false);
    EXPECT_TRUE(second.is_new && !second.answers);
    const auto third = held.take(7, 0xb, false);
    EXPECT_TRUE(third.is_new && !third.answers) << "what says the same is another one without DUP";
    EXPECT_EQ(text_of(held), R"({"received":[7,7,7],"marks":"00000a00000b00000b","twice":true})");
    EXPECT_TRUE(held.release(7));
    EXPECT_TRUE(held.release(7));
    EXPECT_FALSE(held.release(7));
    EXPECT_TRUE(held.empty());
    EXPECT_FALSE(held.release(7)) << "of what is not known nothing is due";
}

TEST(MqttHeld, InANextConnectionEachIsKnownAgainInItsOrder) {
    MqttHeld before;
    for (const std::uint32_t mark : {0xau, 0xbu, 0xcu}) before.take(7, mark, false);
    MqttHeld held = read_again(before);
    const auto first = held.take(7, 0xa, true);
    EXPECT_TRUE(!first.is_new && first.answers);
    const auto second = held.take(7, 0xb, true);
    EXPECT_TRUE(!second.is_new && !second.answers);
    EXPECT_TRUE(held.release(7));
    // The last one did not come again: the broker does not know it any more.
    const auto other = held.take(7, 0xd, false);
    EXPECT_TRUE(other.is_new && !other.answers);
    EXPECT_EQ(text_of(held), R"({"received":[7,7],"marks":"00000b00000d","twice":true})");
}

// The broker has not heard that the one before it is complete, and asks for that again.
TEST(MqttHeld, AReleaseThatComesAgainIsNotThatOfTheNextMessage) {
    MqttHeld before;
    before.take(7, 0xa, false);
    before.take(7, 0xb, false);
    EXPECT_TRUE(before.release(7));
    MqttHeld held = read_again(before);
    EXPECT_FALSE(held.release(7));
    EXPECT_FALSE(held.take(7, 0xb, true).is_new);
    EXPECT_FALSE(held.release(7));
    EXPECT_TRUE(held.empty());
    // Or it was the next one's: what is new says so.
    held = read_again(before);
    EXPECT_FALSE(held.release(7));
    EXPECT_TRUE(held.take(9, 0xc, false).is_new);
    EXPECT_EQ(text_of(held), R"({"received":[9],"marks":"00000c","twice":true})");
}

// A broker that has never given an id twice means what it releases.
TEST(MqttHeld, AReleaseInTheNextConnectionIsOne) {
    MqttHeld before;
    before.take(7, 0xa, false);
    MqttHeld held = read_again(before);
    EXPECT_FALSE(held.release(7));
    EXPECT_TRUE(held.empty());
    EXPECT_TRUE(held.take(7, 0xa, true).is_new) << "what says the same, and was lost on its way";
}

TEST(MqttHeld, WhatIsKeptIsReadAndWhatIsNotIsRefused) {
    MqttHeld held;
    EXPECT_EQ(text_of(held), "{}");
    for (const std::uint16_t id : std::initializer_list<std::uint16_t>{1, 2, 3, 9, 65'535})
        held.take(id, 0xabcdef, false);
    held.take(2, 0x123456, false);
    EXPECT_EQ(
        text_of(read_again(held)),
        R"({"received":["1-3",9,65535,2],"marks":"abcdefabcdefabcdefabcdefabcdef123456","twice":true})");
    MqttHeld old;
    EXPECT_TRUE(read(R"({"received":[4],"count":3})", old)) << "of before there were marks";
    EXPECT_FALSE(old.take(4, 0x77, true).is_new) << "it is taken for any";
    for (const char* bad :
         {"[]", R"({"received":7})", R"({"received":["7"]})", R"({"received":["9-7"]})",
          R"({"received":["7-x"]})", R"({"received":["0-7"]})", R"({"received":["7-70000"]})",
          R"({"received":[7],"marks":"abc"})", R"({"received":[7],"marks":"abcdeg"})",
          R"({"received":[7,7],"marks":"abcdef"})"}) {
        MqttHeld out;
        EXPECT_FALSE(read(bad, out)) << bad;
    }
}

// ---- a broker as mosquitto 2.0.11 is, with us behind a line that is cut

class ModelBroker {
public:
    ModelBroker(std::uint16_t ids, bool twice) : ids_(ids), twice_(twice) {}

    enum class Kind { kPublish, kReceived, kRelease, kComplete };
    struct Word {
        Kind kind = Kind::kPublish;
        std::uint16_t id = 0;
        std::uint32_t text = 0;
        bool again = false;
    };
    std::deque<Word> to_us;
    bool has_cut = false;  // for an answer that it did not understand

    bool takes() const { return twice_ || in_flight_.size() < ids_; }
    void publish(std::uint32_t text) {
        last_id_ = twice_ ? static_cast<std::uint16_t>(last_id_ % ids_ + 1) : lowest_free();
        in_flight_.push_back({last_id_, text});
        send(in_flight_.back());
    }
    void connect() {
        to_us.clear();
        for (Message& one : in_flight_) {
            if (one.waits_for_complete)
                to_us.push_back({Kind::kRelease, one.id});
            else
                send(one);
        }
    }
    void hear(const Word& word) {
        const auto found = std::find_if(in_flight_.begin(), in_flight_.end(),
                                        [&](const Message& one) { return one.id == word.id; });
        if (word.kind == Kind::kReceived) {
            if (found != in_flight_.end()) found->waits_for_complete = true;
            to_us.push_back({Kind::kRelease, word.id});
        } else if (found != in_flight_.end()) {
            has_cut |= !found->waits_for_complete;
            in_flight_.erase(found);
        }
    }
    bool idle() const { return in_flight_.empty(); }

private:
    std::uint16_t lowest_free() const {
        std::uint16_t id = 1;
        const auto has_it = [&id](const Message& one) { return one.id == id; };
        while (std::any_of(in_flight_.begin(), in_flight_.end(), has_it)) ++id;
        return id;
    }
    struct Message {
        std::uint16_t id = 0;
        std::uint32_t text = 0;
        bool waits_for_complete = false;
        bool sent = false;
    };
    void send(Message& one) {
        to_us.push_back({Kind::kPublish, one.id, one.text, one.sent});
        one.sent = true;
    }

    const std::uint16_t ids_;
    const bool twice_;
    std::uint16_t last_id_ = 0;
    std::vector<Message> in_flight_;
};

class Us {
public:
    void hear(const ModelBroker::Word& word) {
        if (word.kind == ModelBroker::Kind::kRelease) {
            const bool next_is_due = held_.release(word.id);
            unkept_.push_back({ModelBroker::Kind::kComplete, word.id});
            if (next_is_due) unkept_.push_back({ModelBroker::Kind::kReceived, word.id});
            return;
        }
        const auto taken = held_.take(word.id, word.text, word.again);
        if (taken.answers) unkept_.push_back({ModelBroker::Kind::kReceived, word.id});
        if (taken.is_new) ++taken_[word.text];
    }
    // What was heard is durable, and is answered.
    void commit() {
        kept_ = text_of(held_);
        kept_taken_ = taken_;
        to_broker.insert(to_broker.end(), unkept_.begin(), unkept_.end());
        unkept_.clear();
    }
    void start_again() {
        ASSERT_TRUE(read(kept_, held_));
        taken_ = kept_taken_;
        unkept_.clear();
        to_broker.clear();
    }
    const std::map<std::uint32_t, int>& taken() const { return kept_taken_; }

    std::deque<ModelBroker::Word> to_broker;

private:
    MqttHeld held_;
    std::string kept_ = "{}";
    std::map<std::uint32_t, int> taken_, kept_taken_;
    std::deque<ModelBroker::Word> unkept_;
};

struct Course {
    std::uint16_t ids = 1;
    bool twice = false;       // the broker gives an id to several messages at once
    std::uint32_t texts = 1;  // so many different ones
    bool cuts = true;
};

void run(std::uint64_t seed, const Course& course) {
    constexpr std::uint32_t kMessages = 300;
    core::Random random(seed);
    ModelBroker broker(course.ids, course.twice);
    Us us;
    std::uint32_t published = 0;
    const auto publish = [&] { broker.publish(++published % course.texts); };
    const auto to_us = [&] {
        if (broker.to_us.empty()) return;
        us.hear(broker.to_us.front());
        broker.to_us.pop_front();
    };
    const auto to_broker = [&] {
        if (us.to_broker.empty()) return;
        broker.hear(us.to_broker.front());
        us.to_broker.pop_front();
    };
    // What the broker is has to be seen first.
    if (course.twice) {
        for (int i = 0; i <= course.ids; ++i) publish();
        for (int i = 0; i <= course.ids; ++i) to_us();
        us.commit();
    }
    for (int step = 0; published < kMessages || !broker.idle(); ++step) {
        ASSERT_LT(step, 1'000'000) << "it does not come to an end";
        const std::uint64_t which = random.below(100);
        if (which < 20 && published < kMessages) {
            if (broker.takes()) publish();
        } else if (which < 55) {
            to_us();
        } else if (which < 90) {
            to_broker();
        } else if (which < 98 || !course.cuts || published == kMessages) {
            us.commit();
        } else {
            for (std::uint64_t more = random.below(4); more > 0; --more) to_broker();
            us.start_again();
            broker.connect();
        }
        ASSERT_FALSE(broker.has_cut) << "an answer was for another message";
    }
    us.commit();
    std::map<std::uint32_t, int> sent;
    for (std::uint32_t n = 1; n <= kMessages; ++n) ++sent[n % course.texts];
    ASSERT_EQ(us.taken(), sent);
}

void run_many(const Course& course) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed) + ", ids " + std::to_string(course.ids));
        run(seed, course);
        if (::testing::Test::HasFatalFailure()) return;
    }
}

TEST(MqttHeld, EachMessageIsOneThoughIdsGoRound) {
    for (const std::uint16_t ids : std::initializer_list<std::uint16_t>{1, 2, 3, 7}) {
        run_many({.ids = ids, .twice = true, .texts = 1000});
        // What says the same is told apart where nothing is cut.
        run_many({.ids = ids, .twice = true, .texts = 2, .cuts = false});
    }
}

TEST(MqttHeld, OfABrokerThatKeepsToTheRulesEachIsOneWhateverItSays) {
    for (const std::uint16_t ids : std::initializer_list<std::uint16_t>{1, 2, 7, 1000}) {
        for (const std::uint32_t texts : {1u, 2u, 1000u}) run_many({.ids = ids, .texts = texts});
    }
}

TEST(MqttHeld, BehindOneThatIsNeverReleasedNothingPilesUp) {
    MqttHeld held;
    held.take(1, 0xa, false);
    for (int i = 0; i < 100'000; ++i) {
        const auto id = static_cast<std::uint16_t>(2 + i % 60'000);
        EXPECT_TRUE(held.take(id, 0xb, false).answers);
        EXPECT_FALSE(held.release(id));
    }
    EXPECT_EQ(held.size(), 1u);
    EXPECT_LT(held.places(), 3'000u);
    EXPECT_EQ(text_of(held), R"({"received":[1],"marks":"00000a"})");
}

TEST(MqttHeld, OneTooManyIsNotTaken) {
    MqttHeld before;
    std::uint32_t n = 0;
    for (; n < MqttHeld::kEntriesMax; ++n) {
        ASSERT_TRUE(
            before.take(static_cast<std::uint16_t>(1 + n % UINT16_MAX), n & 0xff'ffff, false)
                .is_new);
    }
    EXPECT_TRUE(before.take(7, 0x123456, false).refused);
    MqttHeld held = read_again(before);
    EXPECT_FALSE(held.take(1, 0, true).refused) << "it is no further one";
    EXPECT_TRUE(held.take(UINT16_MAX, n, true).is_new) << "those of that id that did not come go";
    EXPECT_LT(held.size(), MqttHeld::kEntriesMax);
}

TEST(MqttHeld, WhoeverSendsAgainOverOneConnectionIsAnsweredOnce) {
    MqttHeld held;
    EXPECT_TRUE(held.take(7, 0xa, false).is_new);
    const auto again = held.take(7, 0xa, true);
    EXPECT_FALSE(again.is_new || again.answers || again.refused);
    EXPECT_FALSE(held.release(7));
    EXPECT_TRUE(held.empty());
}

}  // namespace
}  // namespace millrace::runtime
