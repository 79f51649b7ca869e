// Goal: the answer to a batch that several partitions took says of each of the client's entries
// what its owner has said, and never more.
#include "runtime/node/ingest_merge.h"

#include "core/json_dom.h"
#include "io/sized_pools.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

using Fate = PartAnswer::Fate;

// Entries 0, 2 in partition 1; 1, 3 in partition 4.
SplitPlan plan_of_four() {
    SplitPlan plan;
    for (std::uint32_t i = 0; i < 4; ++i)
        plan.entries.push_back({.number = i, .partition = i % 2 == 0 ? 1u : 4u});
    return plan;
}
constexpr std::array<std::uint32_t, 2> kEven = {0, 2};
constexpr std::array<std::uint32_t, 2> kOdd = {1, 3};

constexpr std::string_view kBoth =
    R"({"success":true,"accepted":1,"duplicates":1,"rejected":[],"durability":"replicated","partition":1,"epoch":3,"events":[{"eventId":"a","shard":0,"offset":5,"duplicate":false},{"eventId":"c","shard":0,"offset":2,"duplicate":true}]})";
constexpr std::string_view kOne =
    R"({"success":true,"accepted":1,"duplicates":0,"rejected":[{"index":0,"error":{"message":"no","code":"X","statusCode":400,"details":{}}}],"durability":"replicated","partition":4,"epoch":9,"events":[{"eventId":"d","shard":0,"offset":1,"duplicate":false}]})";

struct Merged {
    MergedReply reply;
    std::string text;
};
Merged merge(const SplitPlan& plan, std::span<const PartAnswer> parts) {
    io::SizedPools pools;
    io::BodyWriter out(pools);
    const IdMaker ids("t_");
    Merged merged;
    merged.reply = merge_ingest(plan, ids, parts, out);
    merged.text = out.view();
    core::JsonDom dom;
    EXPECT_TRUE(dom.parse(merged.text)) << merged.text;
    return merged;
}

TEST(IngestMerge, EntriesStandUnderTheClientsNumbers) {
    const std::array<PartAnswer, 2> parts = {
        {{1, Fate::kAnswered, 202, kBoth, kEven}, {4, Fate::kAnswered, 202, kOne, kOdd}}};
    const Merged merged = merge(plan_of_four(), parts);
    EXPECT_EQ(merged.reply.status, 202);
    EXPECT_EQ(
        merged.text,
        R"({"success":true,"accepted":2,"duplicates":1,"rejected":[{"index":1,"error":{"message":"no","code":"X","statusCode":400,"details":{}}}],"durability":"replicated","partitions":[{"partition":1,"epoch":3,"durability":"replicated"},{"partition":4,"epoch":9,"durability":"replicated"}],"events":[{"eventId":"a","shard":0,"offset":5,"duplicate":false,"partition":1},{"eventId":"c","shard":0,"offset":2,"duplicate":true,"partition":1},{"eventId":"d","shard":0,"offset":1,"duplicate":false,"partition":4}]})");
}

TEST(IngestMerge, WhoseOwnerDidNotAnswerIsToldToComeAgain) {
    SplitPlan plan = plan_of_four();
    plan.entries[1].made = 7;
    for (const Fate fate : {Fate::kNotTaken, Fate::kUnknown}) {
        const std::array<PartAnswer, 2> parts = {
            {{1, Fate::kAnswered, 202, kBoth, kEven}, {4, fate, 0, {}, kOdd}}};
        const Merged merged = merge(plan, parts);
        EXPECT_EQ(merged.reply.status, 202);
        EXPECT_EQ(merged.reply.retry_after_seconds, 1);
        EXPECT_NE(
            merged.text.find(
                R"("accepted":1,"duplicates":1,"rejected":[{"index":1,"eventId":"t_7","error":)"),
            std::string::npos)
            << merged.text;
        EXPECT_EQ(merged.text.find("is not known") != std::string::npos, fate == Fate::kUnknown);
    }
}

TEST(IngestMerge, AnAnswerThatDoesNotAddUpIsNone) {
    for (
        const std::string_view body : {
            std::string_view(""),
            std::string_view("{"),
            std::string_view("[]"),
            std::string_view(R"({"success":true,"accepted":2,"duplicates":1,"rejected":[]})"),
            std::string_view(R"({"success":true,"accepted":1,"duplicates":0,"rejected":[]})"),
            std::string_view(
                R"({"success":true,"accepted":2,"duplicates":0,"rejected":[],"events":[{}]})"),
            std::string_view(
                R"({"success":true,"accepted":1,"duplicates":0,"rejected":[{"index":2,"error":{}}]})"),
            std::string_view(R"({"success":true})"),
        }) {
        const std::array<PartAnswer, 2> parts = {
            {{1, Fate::kAnswered, 202, kBoth, kEven}, {4, Fate::kAnswered, 202, body, kOdd}}};
        const Merged merged = merge(plan_of_four(), parts);
        EXPECT_NE(merged.text.find(R"("accepted":1,"duplicates":1)"), std::string::npos) << body;
        EXPECT_NE(merged.text.find("is not known"), std::string::npos) << body;
    }
}

TEST(IngestMerge, NothingTakenIsAnError) {
    constexpr std::string_view kRefused =
        R"({"success":false,"error":{"message":"slow","code":"RATE_LIMIT_EXCEEDED","statusCode":429,"details":{}}})";
    const std::array<PartAnswer, 2> both = {
        {{1, Fate::kAnswered, 429, kRefused, kEven}, {4, Fate::kAnswered, 429, kRefused, kOdd}}};
    const Merged merged = merge(plan_of_four(), both);
    EXPECT_EQ(merged.reply.status, 429);
    EXPECT_NE(merged.text.find(R"("accepted":0,"duplicates":0,"rejected":[{"index":0)"),
              std::string::npos);
    // Who may come again with all of it hears that.
    const std::array<PartAnswer, 2> mixed = {
        {{1, Fate::kAnswered, 429, kRefused, kEven}, {4, Fate::kNotTaken, 0, {}, kOdd}}};
    EXPECT_EQ(merge(plan_of_four(), mixed).reply.status, 503);
    SplitPlan refused;
    refused.refused.push_back({0, core::Error(core::ErrorCode::kValidation, "pattern: no")});
    EXPECT_EQ(merge(refused, {}).reply.status, 400);
}

}  // namespace
}  // namespace millrace::runtime::node
