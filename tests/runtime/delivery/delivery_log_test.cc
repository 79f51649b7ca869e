// Goal: each kind of failure has its line on the server's log, and a flood of one kind costs a few
// lines a second, does not hide another kind, and is counted to the last one.
#include "runtime/delivery/delivery_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

class DeliveryLogTest : public ::testing::Test {
protected:
    DeliveryLogTest() {
        subscription_.id = "invoices";
        subscription_.executor.script_id = "mailer";
        attempt_.earlier = &earlier_;
        attempt_.subscription = &subscription_;
        attempt_.event.pattern = "invoice.created";
        attempt_.result = &result_;
        result_.fail("mailer:3: no such customer");
        written_.status = store::DeliveryStatus::kRetrying;
        written_.retry_at_us = clock_.wall_us() + 60'000'000;
    }
    void tell() { told_.tell(attempt_, "e-1", written_, clock_.monotonic_ns()); }
    void become_dead_letter() {
        written_.status = store::DeliveryStatus::kDead;
        written_.retry_at_us = 0;
    }
    std::size_t lines_with(const std::string& text) const {
        std::size_t found = 0;
        for (const std::string& line : lines_) found += line.find(text) != std::string::npos;
        return found;
    }

    core::ManualClock clock_;
    std::vector<std::string> lines_;
    core::Log log_{clock_, core::LogLevel::kInfo,
                   [this](std::string_view line) { lines_.emplace_back(line); }};
    DueClock due_{clock_};
    DeliveryLog told_{log_, due_};
    Subscription subscription_;
    EarlierAttempts earlier_;
    AttemptResult result_;
    Attempt attempt_;
    WrittenOutcome written_;
};

TEST_F(DeliveryLogTest, WhatNextIsAsTheWallClockWillShowItAfterAStepOfTheClock) {
    clock_.step_wall_us(3'600'000'000);
    tell();
    ASSERT_EQ(lines_.size(), 1u);
    EXPECT_EQ(lines_with("\"next\":\"2023-11-14T23:14:20.000Z\""), 1u);
}

TEST_F(DeliveryLogTest, AFailedAttemptIsALineThatSaysWhatAndWhatNext) {
    earlier_.made = 1;
    tell();
    ASSERT_EQ(lines_.size(), 1u);
    EXPECT_EQ(lines_[0],
              "{\"time\":\"2023-11-14T22:13:20.000Z\",\"level\":\"warn\",\"message\":\"an attempt "
              "failed; it is tried again\",\"error\":\"mailer:3: no such customer\","
              "\"event\":\"e-1\",\"pattern\":\"invoice.created\",\"subscription\":\"invoices\","
              "\"script\":\"mailer\",\"attempt\":2,\"outcome\":\"failed\","
              "\"next\":\"2023-11-14T22:14:20.000Z\"}\n");
}

TEST_F(DeliveryLogTest, AStopByALimitAndADeadLetterHaveWordsOfTheirOwn) {
    result_.outcome_text = "timeout";
    tell();
    result_.outcome_text = "memory";
    tell();
    become_dead_letter();
    tell();
    ASSERT_EQ(lines_.size(), 3u);
    EXPECT_EQ(lines_with("stopped at its deadline"), 1u);
    EXPECT_EQ(lines_with("stopped at its memory limit"), 1u);
    EXPECT_EQ(lines_with("a dead letter now"), 1u);
    EXPECT_NE(lines_[2].find("\"outcome\":\"memory\",\"next\":\"none\""), std::string::npos);
}

TEST_F(DeliveryLogTest, AFloodIsAFewLinesASecondAndACount) {
    constexpr int kFailures = 100'000;
    for (int i = 0; i < kFailures; ++i) tell();
    EXPECT_EQ(lines_.size(), DeliveryLog::kLinesPerSecond);
    EXPECT_EQ(told_.tell_left_out(clock_.monotonic_ns()), 0u) << "it may go on";
    clock_.advance_us(1'000'000);
    tell();
    ASSERT_EQ(lines_.size(), DeliveryLog::kLinesPerSecond + 2);
    EXPECT_EQ(lines_with("\"count\":" + std::to_string(kFailures - DeliveryLog::kLinesPerSecond)),
              1u);
}

TEST_F(DeliveryLogTest, WhatAFloodLeftOutIsToldWhenItIsOver) {
    for (int i = 0; i < 500; ++i) tell();
    EXPECT_EQ(told_.tell_left_out(clock_.monotonic_ns() + kSecondNs), 1u);
    EXPECT_EQ(lines_with("\"count\":490"), 1u) << lines_.back();
    EXPECT_EQ(told_.tell_left_out(clock_.monotonic_ns() + 2 * kSecondNs), 0u);
}

TEST_F(DeliveryLogTest, AFloodOfFailuresDoesNotHideADeadLetter) {
    for (int i = 0; i < 1000; ++i) tell();
    become_dead_letter();
    tell();
    EXPECT_EQ(lines_with("a dead letter now"), 1u);
}

TEST_F(DeliveryLogTest, AnEndlessErrorIsCut) {
    result_.error.assign(1u << 20, 'x');
    tell();
    ASSERT_EQ(lines_.size(), 1u);
    EXPECT_LT(lines_[0].size(), DeliveryLog::kErrorBytesShown + 512);
}

}  // namespace
}  // namespace millrace::runtime
