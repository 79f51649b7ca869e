// Goal: a source of Kafka reads each offset of each partition once, begins where it stood, and
// stops where the topic is not the one it was; a sink answers each text once. Method: a reader and
// a writer of the test in place of librdkafka's, a clock that is moved by hand.
#include "runtime/links/kafka_link.h"

#include "core/clock.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

struct KafkaScript {
    bool asked = false;
    std::optional<KafkaLook> answer;
    std::string down, error;
    std::string begun;  // "partition@offset;"
    struct Came {
        KafkaReader::Came what;
        KafkaMessage message;
    };
    std::deque<Came> comes;
    std::string sent, refuses;  // "ticket:key=text;"
    std::deque<KafkaAnswer> answers;
};

template <typename Interface>
class KafkaFakeClient : public Interface {
public:
    explicit KafkaFakeClient(KafkaScript& script) : script_(script) {}
    void look() override { script_.asked = true; }
    bool looked(KafkaLook& out) override {
        if (!script_.asked || !script_.answer) return false;
        script_.asked = false;
        out = *script_.answer;
        return true;
    }
    void turn() override {}
    const std::string& down_because() const override { return script_.down; }
    const std::string& error() const override { return script_.error; }
    int fd() const override { return -1; }

protected:
    KafkaScript& script_;
};

class KafkaFakeReader final : public KafkaFakeClient<KafkaReader> {
public:
    using KafkaFakeClient::KafkaFakeClient;
    void read_at(std::int32_t partition, std::int64_t offset) override {
        script_.begun += std::to_string(partition) + "@" + std::to_string(offset) + ";";
    }
    Came next(KafkaMessage& out) override {
        if (script_.comes.empty()) return Came::kNothing;
        const auto one = script_.comes.front();
        script_.comes.pop_front();
        out = one.message;
        return one.what;
    }
};

class KafkaFakeWriter final : public KafkaFakeClient<KafkaWriter> {
public:
    using KafkaFakeClient::KafkaFakeClient;
    KafkaAnswer send(const SinkText& text) override {
        if (!script_.refuses.empty()) return {text.ticket, script_.refuses};
        script_.sent += std::to_string(text.ticket) + ":" + text.key + "=" + text.text + ";";
        return {};
    }
    bool next(KafkaAnswer& out) override {
        if (script_.answers.empty()) return false;
        out = script_.answers.front();
        script_.answers.pop_front();
        return true;
    }
};

class KafkaSourceTest : public ::testing::Test {
protected:
    void open(const std::string& position = "", const std::string& from = "start") {
        LinkConfig config;
        config.from = from;
        script_ = {};
        PeerDeps deps;
        deps.clock = &clock_;
        source_ = std::make_unique<KafkaSource>(deps, config, position,
                                                std::make_unique<KafkaFakeReader>(script_));
    }
    // Partitions 0, 1, ... with these bounds.
    void stands(const std::vector<KafkaBounds>& bounds, std::int32_t leader = 1) {
        KafkaLook look;
        look.there = bounds.size() > 0;
        std::int32_t number = 0;
        for (const KafkaBounds& one : bounds)
            look.partitions.push_back({number++, leader, one, ""});
        script_.answer = std::move(look);
    }
    void message(std::int32_t partition, std::int64_t offset, std::string_view text,
                 std::int64_t at_ms = 1'000) {
        script_.comes.push_back(
            {KafkaReader::Came::kMessage, {partition, offset, at_ms, "key", text, ""}});
    }
    void comes(KafkaReader::Came what, std::int32_t partition, std::int64_t offset) {
        script_.comes.push_back({what, {partition, offset, 0, "", "", ""}});
    }
    void turn() {
        batch_.clear();
        source_->turn(batch_);
        if (!batch_.position.empty()) position_ = batch_.position;
    }
    // Asks, and has its answer.
    void look() {
        clock_.advance_us(3'000'000);
        turn();
        turn();
    }
    std::string entries() const {
        std::string out;
        for (std::size_t i = 0; i < batch_.size(); ++i)
            out.append(batch_[i].id).append("=").append(batch_[i].text).append(";");
        return out;
    }
    std::string stopped() const {
        return source_->trouble() && source_->trouble()->stops ? source_->trouble()->why : "";
    }

    core::ManualClock clock_;
    KafkaScript script_;
    std::unique_ptr<KafkaSource> source_;
    SourceBatch batch_;
    std::string position_;
};

TEST_F(KafkaSourceTest, ReadsAllPartitionsAndKeepsWhereItBegan) {
    open();
    stands({{0, 2}, {5, 6}});
    look();
    EXPECT_TRUE(source_->ready());
    EXPECT_EQ(script_.begun, "0@0;1@5;");
    EXPECT_TRUE(batch_.changed());  // before anything is read
    EXPECT_EQ(source_->lag(), 3U);
    message(0, 0, "a");
    message(1, 5, "b", 2'000);
    message(0, 1, "c");
    turn();
    EXPECT_EQ(entries(), "0-0-1000=a;1-5-2000=b;0-1-1000=c;");
    EXPECT_EQ(batch_[0].key, "key");
    EXPECT_EQ(batch_[1].at_us, 2'000'000);
    EXPECT_EQ(source_->lag(), 0U);
}

// A topic is there whose first message was read; what another reader of it finds later.
struct KafkaAgain {
    const char* what;
    std::int64_t end;  // where the partition ends by then
    std::vector<std::pair<std::int64_t, std::string_view>> messages;
    const char* entries;
    const char* stopped;  // part of it; empty: it goes on
};

TEST_F(KafkaSourceTest, WhatWasReadLastIsLookedAtOnceMore) {
    const KafkaAgain cases[] = {
        {"the same message", 2, {{0, "a"}, {1, "b"}}, "0-1-1000=b;", ""},
        {"another one: it was filled again", 9, {{0, "another"}, {1, "b"}}, "", "filled again"},
        {"none: it was compacted away", 4, {{3, "d"}}, "0-3-1000=d;", ""},
        {"nothing yet", 1, {}, "", ""},
    };
    for (const KafkaAgain& one : cases) {
        SCOPED_TRACE(one.what);
        open();
        stands({{0, 2}});
        look();
        message(0, 0, "a");
        turn();
        open(position_);
        stands({{0, one.end}});
        look();
        EXPECT_EQ(script_.begun, "0@0;");
        for (const auto& [offset, text] : one.messages) message(0, offset, text);
        turn();
        EXPECT_EQ(entries(), one.entries);
        EXPECT_FALSE(batch_.gap);
        if (*one.stopped == 0)
            EXPECT_EQ(stopped(), "");
        else
            EXPECT_NE(stopped().find(one.stopped), std::string::npos) << stopped();
    }
}

// Where a source begins by what the brokers say, look after look.
struct KafkaBegin {
    const char* what;
    const char* position;
    const char* from;
    std::vector<std::vector<KafkaBounds>> looks;  // partitions 0, 1, ...; none: no topic
    const char* begun;
    std::uint64_t missed;
    bool ready;
    const char* stopped;  // part of it
};

constexpr const char* kReadToSeven = R"({"partitions":[{"partition":0,"next":7}]})";
constexpr const char* kReadTwo =
    R"({"partitions":[{"partition":0,"next":7},{"partition":1,"next":1}]})";

TEST_F(KafkaSourceTest, BeginsWhereTheBoundsLetIt) {
    const KafkaBegin cases[] = {
        {"from the start", "", "start", {{{2, 5}}}, "0@2;", 0, true, ""},
        {"from the end", "", "end", {{{0, 5}}}, "0@5;", 0, true, ""},
        {"a partition that was not there when we began",
         "",
         "end",
         {{{0, 5}}, {{0, 5}, {0, 3}}},
         "0@5;1@0;",
         0,
         true,
         ""},
        {"where it stood", kReadToSeven, "start", {{{0, 7}}}, "0@7;", 0, true, ""},
        {"behind what was dropped unread",
         kReadTwo,
         "start",
         {{{10, 12}, {0, 1}}},
         "0@10;1@1;",
         3,
         true,
         ""},
        {"an end before our place, said once", kReadToSeven, "start", {{{0, 6}}}, "", 0, false, ""},
        {"said twice", kReadToSeven, "start", {{{0, 6}}, {{0, 6}}}, "", 0, false, ""},
        {"said three times",
         kReadToSeven,
         "start",
         {{{0, 6}}, {{0, 6}}, {{0, 6}}},
         "",
         0,
         false,
         "gone back"},
        {"an election is not the last word",
         kReadToSeven,
         "start",
         {{{0, 6}}, {{0, 6}}, {{0, 7}}, {{0, 6}}},
         "0@7;",
         0,
         true,
         ""},
        {"a topic that is gone", kReadToSeven, "start", {{}, {}, {}}, "", 0, false, "is gone"},
        {"one that comes later", "", "start", {{}, {}, {}, {}, {{0, 0}}}, "0@0;", 0, true, ""},
    };
    for (const KafkaBegin& one : cases) {
        SCOPED_TRACE(one.what);
        open(one.position, one.from);
        std::uint64_t missed = 0;
        for (const std::vector<KafkaBounds>& bounds : one.looks) {
            stands(bounds);
            clock_.advance_us(3'000'000);
            for (int turns = 0; turns < 2; ++turns) {
                turn();
                missed += batch_.missed;
            }
        }
        EXPECT_EQ(script_.begun, one.begun);
        EXPECT_EQ(missed, one.missed);
        EXPECT_EQ(source_->ready(), one.ready);
        EXPECT_NE(one.ready, !source_->waits_because().empty() || source_->trouble().has_value())
            << "who is not ready says why";
        if (*one.stopped == 0)
            EXPECT_FALSE(source_->trouble());
        else
            EXPECT_NE(stopped().find(one.stopped), std::string::npos) << stopped();
    }
}

TEST_F(KafkaSourceTest, WhatWasDroppedUnreadIsToldWithItsPlaces) {
    open(kReadTwo);
    stands({{10, 12}, {0, 1}});
    look();
    EXPECT_TRUE(batch_.gap);
    EXPECT_EQ(batch_.missed_from, "0-7");
    EXPECT_EQ(batch_.missed_to, "0-10");
}

TEST_F(KafkaSourceTest, AnotherLeaderIsLookedAt) {
    open();
    stands({{0, 2}});
    look();
    message(0, 0, "a");
    message(0, 1, "b");
    turn();
    stands({{0, 2}}, 2);
    look();
    EXPECT_EQ(script_.begun, "0@0;0@1;");
    message(0, 1, "b");
    turn();
    EXPECT_EQ(entries(), "");
    stands({{0, 1}}, 3);  // it has lost what we had read
    for (int i = 0; i < 3; ++i) look();
    EXPECT_NE(stopped().find("gone back"), std::string::npos) << stopped();
}

TEST_F(KafkaSourceTest, AnOffsetThatIsNotThereIsLookedAt) {
    open();
    stands({{0, 2}});
    look();
    stands({{4, 9}});
    comes(KafkaReader::Came::kOutside, 0, 0);
    turn();
    turn();
    EXPECT_TRUE(batch_.gap);
    EXPECT_EQ(script_.begun, "0@0;0@4;");
}

TEST_F(KafkaSourceTest, AnEndBehindMarksOfTransactionsIsNoLag) {
    open();
    stands({{0, 3}});
    look();
    message(0, 0, "a");
    message(0, 1, "b");
    turn();
    EXPECT_EQ(source_->lag(), 1U);
    comes(KafkaReader::Came::kEnd, 0, 3);
    turn();
    EXPECT_EQ(source_->lag(), 0U);
    EXPECT_NE(position_.find(R"("next":3,"last":1)"), std::string::npos) << position_;
}

TEST_F(KafkaSourceTest, BrokersThatAreGoneAreTroubleThatMayPass) {
    open();
    script_.down = "1/1 brokers are down";
    turn();
    ASSERT_TRUE(source_->trouble());
    EXPECT_FALSE(source_->trouble()->stops);
}

TEST(KafkaSink, AnswersEachTextOnce) {
    core::ManualClock clock;
    KafkaScript script;
    PeerDeps deps;
    deps.clock = &clock;
    KafkaSink sink(deps, std::make_unique<KafkaFakeWriter>(script));
    std::vector<SinkAnswer> answers;
    script.answer = KafkaLook{"", true, {}};
    sink.turn(answers);
    sink.turn(answers);
    ASSERT_TRUE(sink.ready());
    SinkText one;
    one.ticket = 1;
    one.text = "text";
    one.key = "k";
    SinkText other = one;
    other.ticket = 2;
    sink.send(std::move(one));
    EXPECT_EQ(script.sent, "1:k=text;");
    EXPECT_EQ(sink.unsent(), 4U);
    script.refuses = "too large";
    sink.send(std::move(other));
    EXPECT_EQ(sink.pending(), 2U);
    sink.turn(answers);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].ticket, 2U);
    EXPECT_EQ(answers[0].error, "too large");
    script.answers.push_back({1, ""});
    script.answers.push_back({9, ""});  // nobody's
    answers.clear();
    sink.turn(answers);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].ticket, 1U);
    EXPECT_EQ(sink.pending(), 0U);
    EXPECT_EQ(sink.unsent(), 0U);
}

TEST(KafkaSink, KeepsItsProducerWhileSomethingIsOnItsWay) {
    core::ManualClock clock;
    KafkaScript script;
    PeerDeps deps;
    deps.clock = &clock;
    KafkaSink sink(deps, std::make_unique<KafkaFakeWriter>(script));
    std::vector<SinkAnswer> answers;
    script.answer = KafkaLook{"", true, {}};
    sink.turn(answers);
    sink.turn(answers);
    sink.send({.ticket = 1, .id = "", .pattern = "", .text = "a"});
    script.down = "all brokers are down";
    sink.turn(answers);
    EXPECT_FALSE(sink.trouble());
    script.answers.push_back({1, "timed out"});
    // Nothing is on its way any more: are they there?
    script.answer.reset();
    clock.advance_us(2'000'000);
    sink.turn(answers);
    EXPECT_FALSE(sink.trouble());
    EXPECT_TRUE(script.asked);
    script.answer = KafkaLook{"no broker answers", false, {}};
    sink.turn(answers);
    ASSERT_TRUE(sink.trouble());
    EXPECT_EQ(sink.trouble()->why, "no broker answers; all brokers are down");
}

TEST(KafkaSink, WhatIsTooLargeIsFoundAndCanNeverGo) {
    core::ManualClock clock;
    KafkaScript script;
    PeerDeps deps;
    deps.clock = &clock;
    KafkaSink sink(deps, std::make_unique<KafkaFakeWriter>(script));
    std::vector<SinkAnswer> answers;
    script.answer = KafkaLook{"", true, {}};
    sink.turn(answers);
    sink.turn(answers);
    const auto send = [&](std::uint64_t ticket, std::string text) {
        sink.send({.ticket = ticket, .id = "", .pattern = "", .text = std::move(text)});
    };
    const auto answered = [&](std::deque<KafkaAnswer> said) {
        script.answers = std::move(said);
        answers.clear();
        sink.turn(answers);
    };
    // One batch: it may be either.
    send(1, "a");
    send(2, "large");
    answered({{1, "too large", true}, {2, "too large", true}});
    ASSERT_EQ(answers.size(), 2U);
    EXPECT_FALSE(answers[0].returned || answers[1].returned);
    // So they go one by one.
    EXPECT_TRUE(sink.has_room());
    send(3, "a");
    EXPECT_FALSE(sink.has_room());
    answered({{3, ""}});
    EXPECT_TRUE(sink.has_room());
    send(4, "large");
    answered({{4, "too large", true}});
    ASSERT_TRUE(answers.size() == 1 && answers[0].returned);
    EXPECT_EQ(answers[0].returned->text, "large");
    EXPECT_EQ(answers[0].error, "too large");
    // It is found.
    send(5, "b");
    EXPECT_TRUE(sink.has_room());
    // One that fails for another reason may be tried again.
    answered({{5, "timed out"}});
    EXPECT_FALSE(answers[0].returned);
}

}  // namespace
}  // namespace millrace::runtime
