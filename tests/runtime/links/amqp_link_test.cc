// Goal: a source of AMQP acknowledges what is durable and nothing else, and tells messages apart by
// their ids; a sink answers each text once. Method: a reader and a writer of the test in place of
// librabbitmq's.
#include "runtime/links/amqp_link.h"

#include "core/clock.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <utility>

namespace millrace::runtime {
namespace {

struct AmqpQueue {
    bool open = true;
    std::string error, blocked;
    std::deque<AmqpMessage> messages;
    std::string acknowledged, sent;
    std::optional<std::uint64_t> ready;
    std::deque<SinkAnswer> answers;
};

class AmqpFakeReader final : public AmqpReader {
public:
    explicit AmqpFakeReader(AmqpQueue& queue) : queue_(queue) {}
    bool open() const override { return queue_.open; }
    void turn() override {}
    const std::string& error() const override { return queue_.error; }
    int fd() const override { return -1; }
    bool next(AmqpMessage& out) override {
        if (queue_.messages.empty()) return false;
        out = queue_.messages.front();
        queue_.messages.pop_front();
        return true;
    }
    void acknowledge(std::uint64_t tag) override {
        queue_.acknowledged += std::to_string(tag) + ";";
    }
    std::optional<std::uint64_t> ready_messages() const override { return queue_.ready; }

private:
    AmqpQueue& queue_;
};

class AmqpFakeWriter final : public AmqpWriter {
public:
    explicit AmqpFakeWriter(AmqpQueue& queue) : queue_(queue) {}
    bool open() const override { return queue_.open; }
    void turn() override {}
    const std::string& error() const override { return queue_.error; }
    int fd() const override { return -1; }
    void send(SinkText&& text, std::string&& routing_key) override {
        queue_.sent += routing_key + "=" + text.text + ";";
    }
    bool next(SinkAnswer& out) override {
        if (queue_.answers.empty()) return false;
        out = queue_.answers.front();
        queue_.answers.pop_front();
        return true;
    }
    const std::string& blocked_because() const override { return queue_.blocked; }

private:
    AmqpQueue& queue_;
};

class AmqpSourceTest : public ::testing::Test {
protected:
    void open() {
        PeerDeps deps;
        deps.clock = &clock_;
        source_ =
            std::make_unique<AmqpSource>(deps, config_, std::make_unique<AmqpFakeReader>(queue_));
    }
    void message(std::uint64_t tag, std::string id, std::string text) {
        AmqpMessage one;
        one.tag = tag;
        one.id = std::move(id);
        one.whole_bytes = text.size();
        one.text = std::move(text);
        one.routing_key = "a.b";
        queue_.messages.push_back(std::move(one));
    }
    std::string turn() {
        batch_.clear();
        source_->turn(batch_);
        std::string out;
        for (std::size_t i = 0; i < batch_.size(); ++i)
            out.append(batch_[i].id).append("=").append(batch_[i].text).append(";");
        return out;
    }

    core::ManualClock clock_{1'700'000'000'000'000};
    LinkConfig config_;
    AmqpQueue queue_;
    std::unique_ptr<AmqpSource> source_;
    SourceBatch batch_;
};

TEST_F(AmqpSourceTest, AcknowledgesWhatIsDurable) {
    open();
    queue_.ready = 5;
    message(1, "x", "a");
    message(2, "", "b");
    EXPECT_EQ(turn(), "id-x=a;1700000000000000-2=b;");
    EXPECT_EQ(batch_.acknowledges, 2U);
    EXPECT_EQ(batch_[0].subject, "a.b");
    EXPECT_TRUE(batch_.changed());
    EXPECT_EQ(queue_.acknowledged, "");
    EXPECT_EQ(source_->lag(), 7U);
    source_->kept(2);
    source_->kept(0);  // of a batch that was a position alone
    EXPECT_EQ(queue_.acknowledged, "2;");
    EXPECT_EQ(source_->lag(), 5U);
    EXPECT_EQ(turn(), "");
    EXPECT_FALSE(batch_.changed());
}

TEST_F(AmqpSourceTest, IdsThatNameNoEventAreNotTaken) {
    open();
    message(1, "a\nb", "1");
    message(2, std::string(200, 'x'), "2");
    message(3, "\xff", "3");
    EXPECT_EQ(turn(), "1700000000000000-1=1;1700000000000000-2=2;1700000000000000-3=3;");
    config_.ignore_ids = true;
    open();
    message(1, "x", "4");
    EXPECT_EQ(turn(), "1700000000000000-1=4;");
}

TEST_F(AmqpSourceTest, OnlyWhatNothingIsKnownByIsSaidToComeAgain) {
    open();
    message(1, "x", "a");
    message(2, "", "b");
    message(3, "", "c");
    queue_.messages[0].redelivered = queue_.messages[1].redelivered = true;
    turn();
    EXPECT_FALSE(batch_[0].again);
    EXPECT_TRUE(batch_[1].again);
    EXPECT_FALSE(batch_[2].again);
}

TEST_F(AmqpSourceTest, WhatTheBrokerSaysIsTroubleThatMayPass) {
    queue_.open = false;
    open();
    turn();
    EXPECT_FALSE(source_->ready());
    queue_.open = true;
    turn();
    EXPECT_TRUE(source_->ready());
    EXPECT_EQ(source_->lag(), std::nullopt);
    queue_.error = "the broker has closed the channel: 406 PRECONDITION_FAILED";
    message(1, "x", "a");
    EXPECT_EQ(turn(), "id-x=a;");  // it had come before
    ASSERT_TRUE(source_->trouble());
    EXPECT_FALSE(source_->trouble()->stops);
    EXPECT_EQ(source_->trouble()->why, queue_.error);
}

TEST(AmqpSink, AnswersEachTextOnce) {
    AmqpQueue queue;
    LinkConfig config;
    config.subject = "out.{pattern}.x";
    AmqpSink sink({}, config, std::make_unique<AmqpFakeWriter>(queue));
    std::vector<SinkAnswer> answers;
    sink.turn(answers);
    ASSERT_TRUE(sink.ready());
    const auto send = [&](std::uint64_t ticket, std::string pattern) {
        SinkText text;
        text.ticket = ticket;
        text.pattern = std::move(pattern);
        text.text = "text";
        sink.send(std::move(text));
    };
    send(1, "a.b");
    send(2, std::string(250, 'p'));
    EXPECT_EQ(queue.sent, "out.a.b.x=text;");
    EXPECT_EQ(sink.pending(), 2U);
    EXPECT_EQ(sink.unsent(), 4U);
    sink.turn(answers);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].ticket, 2U);
    EXPECT_NE(answers[0].error.find("256 bytes"), std::string::npos) << answers[0].error;
    queue.answers.push_back({1, "given back"});
    queue.answers.push_back({1, ""});
    answers.clear();
    sink.turn(answers);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].error, "given back");
    EXPECT_EQ(sink.pending(), 0U);
    EXPECT_EQ(sink.unsent(), 0U);
    queue.blocked = "low on memory";
    EXPECT_EQ(sink.waits_because(), "low on memory");
    EXPECT_FALSE(sink.ready());
}

}  // namespace
}  // namespace millrace::runtime
