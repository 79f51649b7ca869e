// Goal: what owners say of a batch's events is what its Acks say, one for each message; what was
// not taken and what may have been are told apart.
#include "runtime/node/ingest_acks.h"

#include "runtime/grpc/frames.h"
#include "runtime/grpc/wire.h"
#include "runtime/node/told_error.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {
namespace {

using grpc::WireReader;
using grpc::WireType;

grpc::PublishQueue::Batch batch_of(std::vector<std::uint32_t> counts) {
    grpc::PublishQueue::Batch batch;
    batch.counts = std::move(counts);
    for (const std::uint32_t count : batch.counts) batch.events += count;
    return batch;
}

// "id@shard:offset", with "=" where it is a duplicate, or "!CODE"; messages end with ";".
std::string told(std::string_view acks) {
    std::string out;
    grpc::FrameReader frames(1u << 20);
    const auto taken = frames.take(acks, [&](bool, std::string_view ack) -> core::Status {
        WireReader fields(ack);
        while (fields.next()) {
            if (!fields.is(3, WireType::kBytes)) continue;
            WireReader outcome(fields.bytes());
            std::string id, rest;
            std::uint64_t shard = 0, offset = 0;
            while (outcome.next()) {
                if (outcome.is(1, WireType::kBytes)) id = outcome.bytes();
                if (outcome.is(2, WireType::kVarint)) shard = outcome.number();
                if (outcome.is(3, WireType::kVarint)) offset = outcome.number();
                if (outcome.is(4, WireType::kVarint)) rest += "=";
                if (!outcome.is(5, WireType::kBytes)) continue;
                WireReader error(outcome.bytes());
                if (error.next()) rest = "!" + std::string(error.bytes());
            }
            out += rest.starts_with('!')
                       ? rest
                       : id + "@" + std::to_string(shard) + ":" + std::to_string(offset) + rest;
            out += ' ';
        }
        out += ';';
        return {};
    });
    EXPECT_TRUE(taken);
    return out;
}

TEST(IngestAcks, EachEventGetsWhatItsOwnerHasSaid) {
    auto batch = batch_of({2, 0, 2});
    const auto ends = make_acks_of(
        202,
        R"({"success":true,"accepted":1,"duplicates":1,"rejected":[)"
        R"({"index":1,"error":{"message":"no","code":"VALIDATION_ERROR","details":{}}},)"
        R"({"index":3,"error":{"message":"gone","code":"UNAVAILABLE","details":{}}}],)"
        R"("durability":"replicated","events":[)"
        R"({"eventId":"a","shard":0,"offset":7,"duplicate":false,"partition":1},)"
        R"({"eventId":"c","shard":0,"offset":9,"duplicate":true,"partition":2}]})",
        batch);
    EXPECT_FALSE(ends);
    EXPECT_EQ(told(batch.acks), "a@0:7 !VALIDATION_ERROR ;;c@0:9= !UNAVAILABLE ;");
}

TEST(IngestAcks, WhatNoLineCouldBeMadeOfSaysWhy) {
    auto batch = batch_of({1});
    batch.refused.push_back({0, core::Error(core::ErrorCode::kPayloadTooLarge, "too long")});
    EXPECT_FALSE(
        make_acks_of(400,
                     R"({"success":false,"error":{"code":"VALIDATION_ERROR"},"rejected":[)"
                     R"({"index":0,"error":{"message":"no pattern","code":"VALIDATION_ERROR"}}]})",
                     batch));
    EXPECT_EQ(told(batch.acks), "!PAYLOAD_TOO_LARGE ;");
}

TEST(IngestAcks, WhatWasNotTakenMayBeSentAgainAndWhatMayHaveBeenIsUnknown) {
    auto batch = batch_of({1});
    auto ends =
        make_acks_of(503,
                     R"({"success":false,"error":{"message":"nobody owns partition 1","code":)"
                     R"("UNAVAILABLE","statusCode":503,"details":{"retryAfterSeconds":1}}})",
                     batch);
    ASSERT_TRUE(ends);
    EXPECT_EQ(ends->code, grpc::Code::kUnavailable);
    EXPECT_EQ(ends->retry_after_ms, 1000);
    ends = make_acks_of(
        503,
        R"({"success":false,"error":{"message":"gone","code":"UNAVAILABLE","statusCode":)"
        R"(503,"details":{"reason":"maybe-taken"}}})",
        batch);
    ASSERT_TRUE(ends);
    EXPECT_EQ(ends->code, grpc::Code::kUnknown);
    EXPECT_TRUE(batch.acks.empty());
}

TEST(IngestAcks, AnAnswerThatDoesNotAddUpAcknowledgesNothing) {
    for (const std::string_view body :
         {"", "nonsense", R"({"rejected":[],"events":[]})",
          R"({"rejected":[{"index":5,"error":{}}],"events":[]})",
          R"({"rejected":[],"events":[{"eventId":"a"},{"eventId":"b"},{"eventId":"c"}]})"}) {
        auto batch = batch_of({2});
        const auto ends = make_acks_of(202, body, batch);
        ASSERT_TRUE(ends) << body;
        EXPECT_EQ(ends->code, grpc::Code::kUnknown) << body;
        EXPECT_TRUE(batch.acks.empty());
    }
}

TEST(IngestAcks, WhatConcernsTheCallerEndsTheCall) {
    auto batch = batch_of({1});
    const auto ends = make_acks_of(
        403, R"({"success":false,"error":{"message":"scope","code":"FORBIDDEN","details":{}}})",
        batch);
    ASSERT_TRUE(ends);
    EXPECT_EQ(ends->code, grpc::Code::kPermissionDenied);
}

TEST(ToldError, IsTheErrorThatItWasMadeOf) {
    const core::Error error = read_error_body(
        R"({"success":false,"error":{"message":"m","code":"PAYLOAD_TOO_LARGE","statusCode":413,)"
        R"("details":{"field":"f","position":3,"limit":9,"retryAfterSeconds":2}}})");
    EXPECT_EQ(error.code, core::ErrorCode::kPayloadTooLarge);
    EXPECT_EQ(error.message, "m");
    EXPECT_EQ(error.field, "f");
    EXPECT_EQ(error.position, 3);
    EXPECT_EQ(error.limit, 9);
    EXPECT_EQ(error.retry_after_seconds, 2);
    EXPECT_EQ(read_error_body("?").code, core::ErrorCode::kInternal);
}

}  // namespace
}  // namespace millrace::runtime::node
