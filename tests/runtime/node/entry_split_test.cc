// Goal: each entry of a body goes to the partition of its key, with the bytes that came; what does
// not read is refused by its place in what was sent; who has no id gets one.
#include "runtime/node/entry_split.h"

#include "core/buffer.h"
#include "io/sized_pools.h"
#include "runtime/event/partition_of.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

constexpr std::uint64_t kSplitSeed = 7;
constexpr std::size_t kSplitPartitions = 5;

// With the bytes behind it that a parser may look at.
struct Padded {
    explicit Padded(std::string_view of) : all(of), bytes(of.size()) {
        all.append(core::kPaddingBytes, ' ');
    }
    std::string_view text() const { return std::string_view(all).substr(0, bytes); }
    std::string all;
    std::size_t bytes;
};

std::size_t place(std::string_view key) {
    return partition_of_key("acme", key, kSplitSeed, kSplitPartitions);
}

class EntrySplitTest : public testing::Test {
protected:
    core::Result<SplitPlan> split(const Padded& body, BodyForm form = BodyForm::kJson,
                                  std::span<const io::HeaderField> headers = {},
                                  std::string_view type = {}) {
        return entries.read(
            {.text = body.text(), .form = form, .content_type = type, .headers = headers},
            {.tenant = "acme", .hash_seed = kSplitSeed, .partitions = kSplitPartitions}, ids);
    }
    std::string sent_on(const SplitEntry& entry) const {
        io::SizedPools pools;
        io::BodyWriter out(pools);
        append_entry(out, entry, ids);
        return std::string(out.view());
    }

    EntrySplit entries;
    IdMaker ids{"t_"};
};

TEST_F(EntrySplitTest, TheKeyDecidesElseTheId) {
    const Padded body(R"([{"pattern":"a","eventId":"e1","partitionKey":"k1"},
        {"pattern":"a","eventId":"e2"}, {"pattern":"a","eventId":"e3","partitionKey":"k\u0031"}])");
    const auto plan = split(body);
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->entries.size(), 3u);
    EXPECT_EQ(plan->entries[0].partition, place("k1"));
    EXPECT_EQ(plan->entries[1].partition, place("e2"));
    EXPECT_EQ(plan->entries[2].partition, place("k1"));
    EXPECT_TRUE(plan->as_came);
    EXPECT_FALSE(plan->single);
    EXPECT_EQ(sent_on(plan->entries[1]), R"({"pattern":"a","eventId":"e2"})");
}

TEST_F(EntrySplitTest, WhoHasNoIdGetsOneAndItsPartition) {
    const Padded body(R"([{"pattern":"a"},{"pattern":"a","partitionKey":"k"}])");
    const auto plan = split(body);
    ASSERT_TRUE(plan);
    EXPECT_FALSE(plan->as_came);
    EXPECT_EQ(plan->entries[0].partition, place("t_1"));
    EXPECT_EQ(plan->entries[1].partition, place("k"));
    EXPECT_EQ(sent_on(plan->entries[0]), R"({"eventId":"t_1","pattern":"a"})");
    EXPECT_EQ(sent_on(plan->entries[1]), R"({"eventId":"t_2","pattern":"a","partitionKey":"k"})");
}

TEST_F(EntrySplitTest, WhatDoesNotReadIsRefusedByItsPlace) {
    const Padded body(
        "{\"pattern\":\"a\",\"eventId\":\"1\"}\nnonsense\n"
        "{\"pattern\":7}\n{\"pattern\":\"a\",\"eventId\":\"2\"}\n");
    const auto plan = split(body, BodyForm::kNdjson);
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->entries.size(), 2u);
    EXPECT_EQ(plan->entries[1].number, 3u);
    ASSERT_EQ(plan->refused.size(), 2u);
    EXPECT_EQ(plan->refused[0].number, 1u);
    EXPECT_EQ(plan->refused[1].number, 2u);
    EXPECT_EQ(plan->refused[1].error.field, "pattern");
    EXPECT_GT(plan->refused[1].error.position, 39);
    EXPECT_FALSE(plan->as_came);
}

TEST_F(EntrySplitTest, ABodyThatIsNoneIsRefusedWhole) {
    EXPECT_FALSE(split(Padded("")));
    EXPECT_FALSE(split(Padded("[{\"pattern\":\"a\"},")));
    EXPECT_FALSE(split(Padded("\n\n"), BodyForm::kNdjson));
    EXPECT_FALSE(split(Padded("[]")));
}

TEST_F(EntrySplitTest, TooManyEntriesAreRefusedInTheWordsOfOneServer) {
    const Padded body(R"([{"pattern":"a"},{"pattern":"a"},{"pattern":"a"}])");
    const auto plan = entries.read({.text = body.text()},
                                   {.tenant = "acme", .partitions = 1, .entries_max = 2}, ids);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code, core::ErrorCode::kPayloadTooLarge);
    EXPECT_EQ(plan.error().limit, 2);
}

TEST_F(EntrySplitTest, CloudEventsGoOnAsTheyCame) {
    const std::string one =
        R"({"specversion":"1.0","id":"c1","source":"/s","type":"a","partitionkey":"k1"})";
    const std::string two = R"({"specversion":"1.0","id":"c2","source":"/s","type":"b" })";
    const Padded body("[" + one + ", {\"id\":\"c3\"}, " + two + "]");
    const auto plan = split(body, BodyForm::kCloudEventBatch);
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->entries.size(), 2u);
    EXPECT_EQ(plan->entries[0].raw, one);
    EXPECT_EQ(plan->entries[0].partition, place("k1"));
    EXPECT_EQ(plan->entries[1].raw, two);
    EXPECT_EQ(plan->entries[1].partition, place("c2"));
    EXPECT_EQ(plan->entries[1].number, 2u);
    ASSERT_EQ(plan->refused.size(), 1u);
    EXPECT_EQ(plan->refused[0].number, 1u);
    EXPECT_EQ(plan->content_type, "application/cloudevents-batch+json");

    const auto structured = split(Padded(one), BodyForm::kCloudEvent);
    ASSERT_TRUE(structured);
    EXPECT_EQ(structured->only_partition(), place("k1"));
    EXPECT_TRUE(structured->as_came);

    const std::array<io::HeaderField, 4> headers = {
        {{"ce-specversion", "1.0"}, {"ce-id", "c9"}, {"ce-source", "/s"}, {"ce-type", "a"}}};
    const auto binary =
        split(Padded("{}"), BodyForm::kCloudEventBinary, headers, "application/json");
    ASSERT_TRUE(binary);
    EXPECT_EQ(binary->only_partition(), place("c9"));
    EXPECT_TRUE(binary->single);
}

TEST_F(EntrySplitTest, OlderEventsGoOnAsOurs) {
    const Padded body(R"([{"name":"a","event_id":"o1","data":{"n":1}},
                          {"pattern":"a","eventId":"o2"}])");
    const auto plan = split(body);
    ASSERT_TRUE(plan);
    ASSERT_EQ(plan->entries.size(), 2u);
    EXPECT_EQ(plan->entries[0].partition, place("o1"));
    EXPECT_NE(sent_on(plan->entries[0]).find("\"eventId\":\"o1\""), std::string::npos);
    EXPECT_FALSE(plan->as_came);
}

TEST(BodyForms, ByTypeAndHeaders) {
    const std::array<io::HeaderField, 1> binary = {{{"CE-SpecVersion", "1.0"}}};
    EXPECT_EQ(body_form("", {}), BodyForm::kJson);
    EXPECT_EQ(body_form("application/json; charset=utf-8", {}), BodyForm::kJson);
    EXPECT_EQ(body_form("Application/X-NDJSON", {}), BodyForm::kNdjson);
    EXPECT_EQ(body_form("application/cloudevents+json; charset=utf-8", {}), BodyForm::kCloudEvent);
    EXPECT_EQ(body_form("application/cloudevents-batch+json", {}), BodyForm::kCloudEventBatch);
    EXPECT_EQ(body_form("text/plain", binary), BodyForm::kCloudEventBinary);
    EXPECT_EQ(body_form("text/plain", {}), std::nullopt);
    EXPECT_EQ(body_form("application/cloudevents+avro", {}), std::nullopt);
}

}  // namespace
}  // namespace millrace::runtime::node
