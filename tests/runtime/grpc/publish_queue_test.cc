// Goal: acks leave in the order of the messages, whatever order their batches are done in, and what
// a client has under way is counted. Method: batches done in other orders.
#include "runtime/grpc/publish_queue.h"

#include "runtime/grpc/wire.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::grpc {
namespace {

std::string message_of(std::size_t events, std::string_view event = "") {
    std::string out;
    for (std::size_t i = 0; i < events; ++i) append_bytes_field(out, 1, event);
    return out;
}

TEST(PublishQueue, AcksLeaveInTheOrderOfTheirMessages) {
    PublishQueue queue;
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(queue.add(message_of(2), 10));
        PublishQueue::Batch& batch = queue.take();
        batch.acks = std::to_string(batch.number);
        EXPECT_EQ(batch.first_index, 2u * static_cast<unsigned>(i));
    }
    EXPECT_EQ(queue.held_bytes(), 30u);
    std::string out;
    EXPECT_EQ(queue.finish(*queue.find(3), out), 0u);
    EXPECT_EQ(queue.finish(*queue.find(1), out), 10u);
    EXPECT_EQ(out, "1");
    EXPECT_EQ(queue.finish(*queue.find(2), out), 20u);
    EXPECT_EQ(out, "123");
    EXPECT_EQ(queue.held_bytes(), 0u);
    EXPECT_FALSE(queue.under_way());
    EXPECT_EQ(queue.find(2), nullptr);
}

TEST(PublishQueue, MessagesThatComeTogetherAreOneBatch) {
    PublishQueue queue;
    ASSERT_TRUE(queue.add(message_of(1), 5));
    ASSERT_TRUE(queue.add(message_of(0), 5));
    ASSERT_TRUE(queue.add(message_of(3), 5));
    const PublishQueue::Batch& batch = queue.take();
    EXPECT_EQ(batch.counts, (std::vector<std::uint32_t>{1, 0, 3}));
    EXPECT_EQ(batch.events, 4u);
    EXPECT_EQ(batch.lines, "{}\n{}\n{}\n{}\n");
    EXPECT_FALSE(queue.has_gathered());
    ASSERT_TRUE(queue.add(message_of(1), 5));
    EXPECT_EQ(queue.take().first_index, 4u);
}

TEST(PublishQueue, OfAMessageThatDoesNotCountNothingIsLeft) {
    PublishQueue queue;
    ASSERT_TRUE(queue.add(message_of(1), 5));
    std::string half = message_of(2);
    half += "\x0a\x7f";
    EXPECT_EQ(queue.add(half, 5).error().code, core::ErrorCode::kValidation);
    const auto many = queue.add(message_of(PublishQueue::kMessageEventsMax + 1), 5);
    EXPECT_EQ(many.error().code, core::ErrorCode::kPayloadTooLarge);
    EXPECT_EQ(many.error().limit, 10'000);
    std::string payload;
    append_bytes_field(payload, 6, "1");
    std::string refused = message_of(1, payload);
    refused += "\x0a\x7f";
    EXPECT_FALSE(queue.add(refused, 5));
    const PublishQueue::Batch& batch = queue.take();
    EXPECT_EQ(batch.lines, "{}\n");
    EXPECT_TRUE(batch.refused.empty());
    EXPECT_EQ(batch.wire_bytes, 5u);
}

TEST(PublishQueue, WhatIsGatheredIsBounded) {
    PublishQueue queue;
    std::string large;
    append_bytes_field(large, 2, std::string(1u << 20, 'p'));
    const std::string message = message_of(1, large);
    core::Status added;
    std::size_t taken = 0;
    while ((added = queue.add(message, 100))) ++taken;
    EXPECT_EQ(added.error().code, core::ErrorCode::kPayloadTooLarge);
    EXPECT_EQ(taken, 7u);
    EXPECT_EQ(queue.take().counts.size(), taken);
}

}  // namespace
}  // namespace millrace::runtime::grpc
