// Goal: batches are confirmed in the log's order whatever the order of their answers, and one that
// is not taken breaks off those behind it, once nothing is on its way. Method: answers by hand.
#include "runtime/hub/send_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::hub {
namespace {

class SendQueueTest : public ::testing::Test {
protected:
    std::uint64_t add(std::int64_t now_ns = 0) {
        LogRun::Next batch;
        batch.to = ++sent_ * 10;
        batch.hash = sent_;
        queue_.add(sent_, std::move(batch), now_ns);
        return sent_;
    }
    // What is confirmed, by its end.
    std::string confirmed(std::int64_t now_ns = 0) {
        std::string out;
        while (auto batch = queue_.pop_taken(now_ns)) out += std::to_string(batch->to) + ";";
        return out;
    }
    void be_quick(std::size_t depth) {
        while (queue_.depth() < depth) {
            queue_.take(add());
            confirmed();
        }
    }

    SendQueue queue_;
    std::uint64_t sent_ = 0;
};

TEST_F(SendQueueTest, SendsOneAtATimeUntilTheLineIsKnownToBeQuick) {
    EXPECT_TRUE(queue_.has_room());
    add();
    EXPECT_FALSE(queue_.has_room());
    queue_.take(1);
    EXPECT_EQ(confirmed(), "10;");
    be_quick(SendQueue::kDepthMax);
    for (std::size_t i = 0; i < SendQueue::kDepthMax; ++i) {
        EXPECT_TRUE(queue_.has_room());
        add();
    }
    EXPECT_FALSE(queue_.has_room());
    // One slow answer, and it is one at a time again.
    queue_.take(sent_ - 3);
    confirmed(SendQueue::kQuickNs + 1);
    EXPECT_EQ(queue_.depth(), 1u);
}

TEST_F(SendQueueTest, TheNextOneBeginsBehindTheLast) {
    const ForwardMark mark{3, 5, 7};
    EXPECT_EQ(queue_.end(mark).next, 5u);
    add();
    EXPECT_EQ(queue_.end(mark).lane, 3u);
    EXPECT_EQ(queue_.end(mark).next, 10u);
    EXPECT_EQ(queue_.end(mark).hash, 1u);
}

TEST_F(SendQueueTest, IsConfirmedInTheOrderOfTheLog) {
    be_quick(3);
    const std::uint64_t one = add(), two = add(), three = add();
    queue_.take(three);
    queue_.take(two);
    EXPECT_EQ(confirmed(), "");
    EXPECT_FALSE(queue_.break_off());
    queue_.take(one);
    EXPECT_EQ(confirmed(), std::to_string(one * 10) + ";" + std::to_string(two * 10) + ";" +
                               std::to_string(three * 10) + ";");
    EXPECT_TRUE(queue_.empty());
}

TEST_F(SendQueueTest, OneThatIsNotTakenBreaksOffTheRest) {
    be_quick(3);
    const std::uint64_t one = add(), two = add(), three = add();
    courier::HttpAnswer no;
    no.status = 503;
    queue_.refuse(two, std::move(no));
    EXPECT_FALSE(queue_.has_room());
    queue_.take(one);
    EXPECT_EQ(confirmed(), std::to_string(one * 10) + ";");
    EXPECT_FALSE(queue_.break_off());  // the third is on its way
    queue_.take(three);
    const auto first = queue_.break_off();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->ticket, two);
    EXPECT_EQ(first->answer.status, 503);
    EXPECT_TRUE(queue_.empty() && queue_.has_room());
    EXPECT_EQ(queue_.depth(), 1u);
}

TEST_F(SendQueueTest, AnAnswerThatNobodyWaitsForIsNone) {
    const std::uint64_t one = add();
    EXPECT_NE(queue_.find(one), nullptr);
    EXPECT_EQ(queue_.find(99), nullptr);
    queue_.take(one);
    EXPECT_EQ(queue_.find(one), nullptr);
}

}  // namespace
}  // namespace millrace::runtime::hub
