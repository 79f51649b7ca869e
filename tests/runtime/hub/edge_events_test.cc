// Goal: what an edge sends is its own event at the hub, whatever another edge calls by the same
// names; what can be none is a letter. Method: events in, lines out, which are parsed as ingest
// does.
#include "runtime/hub/edge_events.h"

#include "core/base64.h"
#include "core/buffer.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/misfit.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::hub {
namespace {

constexpr std::int64_t kAtUs = 1'000'000;

class EdgeEventsTest : public ::testing::Test {
protected:
    // The line that the event becomes.
    std::string line_of(const std::string& text, const std::string& id = "",
                        std::string_view node = "shop-1") {
        Batch batch;
        batch.head.lane = 2;
        batch.raw = text + std::string(core::kPaddingBytes, ' ');
        batch.events.push_back({.offset = 7,
                                .received_at_us = kAtUs,
                                .depth = 1,
                                .id = id,
                                .text = std::string_view(batch.raw).substr(0, text.size()),
                                .trace = trace_});
        EdgeNode edge;
        edge.id = node;
        edge.tenant = core::TenantId(4);
        std::string lines;
        result_ = {};
        letters_ = events_.append(edge, batch, lines, result_);
        EXPECT_EQ(letters_, result_.letters.size());
        EXPECT_EQ(result_.emitted_tenants, (std::vector<core::TenantId>{core::TenantId(4)}));
        EXPECT_TRUE(lines.ends_with('\n'));
        EXPECT_EQ(lines.find('\n'), lines.size() - 1);
        text_ = lines + std::string(core::kPaddingBytes, ' ');
        EXPECT_TRUE(parser_.parse_one(std::string_view(text_).substr(0, lines.size() - 1), nullptr,
                                      envelope_, nullptr))
            << lines;
        lines.pop_back();
        return lines;
    }

    EdgeEvents events_{10'000};
    LaneResult result_;
    std::size_t letters_ = 0;
    core::EventParser parser_;
    core::Envelope envelope_;
    std::string text_;
    std::string trace_;
};

TEST_F(EdgeEventsTest, SourceAndMadeIdSayWhichEdgeItWas) {
    EXPECT_EQ(
        line_of(R"({"pattern":"a","payload":{"n": 1}})", "ev_0123"),
        R"({"eventId":"shop-1:ev_0123","source":{"type":"external","id":"shop-1/unknown"},)"
        R"("timestamp":"1970-01-01T00:00:01.000Z","x-edge":{"node":"shop-1","shard":2,"offset":7,)"
        R"("receivedAt":"1970-01-01T00:00:01.000Z"},"pattern":"a","payload":{"n": 1}})");
    EXPECT_EQ(letters_, 0u);
    EXPECT_EQ(result_.emitted_depths[0], 1);
}

TEST_F(EdgeEventsTest, ATraceComesWithItWhereItIsOne) {
    const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    trace_ = parent + " a=1";
    line_of(R"({"pattern":"a"})");
    ASSERT_EQ(result_.traces.size(), 1u);
    EXPECT_EQ(result_.traces[0].entry, 0u);
    EXPECT_EQ(result_.traces[0].text, parent + " a=1");
    trace_ = parent + " \n{}";
    line_of(R"({"pattern":"a"})");
    ASSERT_EQ(result_.traces.size(), 1u);
    EXPECT_EQ(result_.traces[0].text, parent);
    trace_ = std::string(60, 'x');
    line_of(R"({"pattern":"a"})");
    EXPECT_TRUE(result_.traces.empty());
}

TEST_F(EdgeEventsTest, AnOwnIdStaysAndItsSourceIsQualified) {
    const std::string sent = R"({"eventId":"e","source":{"type":"task","id":"t"},"pattern":"a"})";
    EXPECT_EQ(line_of(sent).substr(0, 44), R"({"source":{"type":"task","id":"shop-1/t"},"t)");
    EXPECT_EQ(envelope_.event_id, "e");
    EXPECT_EQ(envelope_.source_id, "shop-1/t");
    line_of(sent, "", "shop-2");
    EXPECT_EQ(envelope_.event_id, "e");
    EXPECT_EQ(envelope_.source_id, "shop-2/t");
}

TEST_F(EdgeEventsTest, AnIdThatSomeServerMadeMeansNoPlaceHere) {
    line_of(R"({"eventId":"ev_01234567890123456789","pattern":"a"})");
    EXPECT_EQ(envelope_.event_id, "shop-1:ev_01234567890123456789");
    EXPECT_EQ(text_.find(R"("eventId":"ev_)"), std::string::npos);
    EXPECT_EQ(letters_, 0u);
}

TEST_F(EdgeEventsTest, TenantAndAForgedEdgeGo) {
    const std::string line = line_of(
        R"({"eventId":"e","pattern":"a","tenantId":"default","x-edge":{"node":"other"},"x-own":1})");
    EXPECT_EQ(line.find("tenantId"), std::string::npos);
    EXPECT_EQ(line.find("other"), std::string::npos);
    EXPECT_NE(line.find(R"("x-own":1)"), std::string::npos);
}

TEST_F(EdgeEventsTest, ATimestampOfItsOwnStays) {
    line_of(R"({"eventId":"e","pattern":"a","timestamp":"2026-01-02T03:04:05Z"})");
    EXPECT_EQ(envelope_.timestamp, "2026-01-02T03:04:05Z");
}

TEST_F(EdgeEventsTest, LineBreaksInsideAreBlanks) {
    line_of("{\"eventId\":\"e\",\n\"pattern\":\r\n\"a\",\"payload\":{\n}}");
    EXPECT_EQ(letters_, 0u);
    EXPECT_EQ(envelope_.pattern, "a");
}

TEST_F(EdgeEventsTest, WhatCanBeNoneIsALetterWithItsBytes) {
    for (const std::string text :
         {"", "{", "[]", R"({"payload":{}})", R"({"pattern":"system.security.key.created"})",
          R"({"pattern":"system.dlq.added"})",
          R"({"pattern":"a","sourc\u0065":{"type":"task","id":"t"}})"}) {
        const std::string line = line_of(text, "ev_1");
        EXPECT_EQ(letters_, 1u) << text;
        EXPECT_EQ(envelope_.pattern, kEdgeRejectedPattern);
        EXPECT_EQ(envelope_.event_id, misfit_id(result_.letters[0].event_id));
    }
    // Too long only by what is written here.
    const std::string long_one =
        R"({"pattern":"a","payload":{"x":")" + std::string(9'950, 'x') + R"("}})";
    const std::string line = line_of(long_one, "ev_1");
    EXPECT_EQ(letters_, 1u);
    const auto stands_for = read_stand_in(line);
    ASSERT_TRUE(stands_for);
    const std::string_view base64 =
        member_of(member_of(stands_for->event, R"("x-edge")"), R"("base64")");
    EXPECT_EQ(core::decode_base64(base64.substr(1, base64.size() - 2), core::Base64Form::kStrict),
              long_one);
}

}  // namespace
}  // namespace millrace::runtime::hub
