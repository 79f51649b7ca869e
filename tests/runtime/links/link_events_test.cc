// Goal: what a source has read becomes events of the link, and what can be none a letter that holds
// its bytes and takes an event when it gets one. Method: texts in, lines out, which are parsed as
// ingest does.
#include "runtime/links/link_events.h"

#include "core/base64.h"
#include "core/buffer.h"
#include "core/event_parser.h"
#include "core/json_reader.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/misfit.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

class LinkEventsTest : public ::testing::Test {
protected:
    LinkEventsTest() {
        link_.id = "in";
        link_.tenant = core::TenantId(0);
    }
    // The lines, each of which is an event.
    std::vector<std::string> events(const std::string& text, std::uint64_t more_bytes = 0) {
        SourceBatch batch;
        batch.add("7-1", text, text.size() + more_bytes, at_us_);
        return events_of(batch);
    }
    std::vector<std::string> events_of(const SourceBatch& batch) {
        std::string lines;
        result_ = {};
        letters_ = events_.append(link_, batch, lines, result_);
        EXPECT_EQ(letters_, result_.letters.size());
        std::vector<std::string> out;
        for (std::size_t at = 0; at < lines.size();) {
            const std::size_t end = lines.find('\n', at);
            out.push_back(lines.substr(at, end - at));
            parse(out.back());
            at = end + 1;
        }
        EXPECT_EQ(out.size(), result_.emitted_tenants.size());
        return out;
    }
    static std::string bytes_in(const std::string& event) {
        const auto stands_for = read_stand_in(event);
        EXPECT_TRUE(stands_for);
        const std::string_view place = member_of(stands_for->event, R"("x-link")");
        const std::string_view base64 = member_of(place, R"("base64")");
        EXPECT_GT(base64.size(), 2u);
        return core::decode_base64(base64.substr(1, base64.size() - 2), core::Base64Form::kStrict)
            .value_or("");
    }
    void parse(const std::string& event) {
        text_ = event + std::string(core::kPaddingBytes, ' ');
        const auto read = parser_.parse_one(std::string_view(text_).substr(0, event.size()),
                                            nullptr, envelope_, nullptr);
        EXPECT_TRUE(read) << event;
    }

    Link link_;
    LinkEvents events_{10'000};
    LaneResult result_;
    std::size_t letters_ = 0;
    std::int64_t at_us_ = 0;
    core::EventParser parser_{{.event_bytes_max = kStandInBytesMax}};  // as a shard reads them
    core::Envelope envelope_;
    std::string text_;
};

TEST_F(LinkEventsTest, AnEnvelopeGetsWhatItDoesNotSay) {
    EXPECT_EQ(
        events(R"( {"pattern":"a","payload":{}})")[0],
        R"({"eventId":"in:7-1","source":{"type":"integration","id":"in"},"pattern":"a","payload":{}})");
    const std::string whole =
        R"({"eventId":"e","pattern":"a","source":{"type":"task","id":"t"},"payload":{}})";
    EXPECT_EQ(events(whole)[0], whole);
    EXPECT_EQ(letters_, 0u);
}

TEST_F(LinkEventsTest, LineBreaksInsideAreBlanks) {
    EXPECT_EQ(
        events("{\"eventId\":\"e\",\n\"source\":{\"type\":\"task\",\"id\":\"t\"},\r\n\"pattern\":"
               "\"a\"}")[0],
        "{\"eventId\":\"e\", \"source\":{\"type\":\"task\",\"id\":\"t\"},  \"pattern\":\"a\"}");
}

TEST_F(LinkEventsTest, APayloadIsWrapped) {
    link_.config.format = LinkFormat::kPayload;
    link_.config.pattern = "order.placed";
    at_us_ = 1'000'000;
    EXPECT_EQ(
        events(R"({"n":1})")[0],
        R"({"eventId":"in:7-1","pattern":"order.placed","source":{"type":"integration","id":"in"},"timestamp":"1970-01-01T00:00:01.000Z","payload":{"n":1}})");
    EXPECT_EQ(letters_, 0u);
}

TEST_F(LinkEventsTest, ATraceIsToldBesideItsEvent) {
    const std::string text = R"({"pattern":"a","payload":{}})";
    const std::string trace = "00-12345678901234567890123456789012-1234567890123456-01 foo=1";
    SourceBatch batch;
    batch.add("1", text, text.size(), 0);
    batch.add("2", text, text.size(), 0, "subject", trace);
    batch.add("3", "none", 4, 0, {}, trace);
    EXPECT_EQ(batch[1].subject, "subject");
    EXPECT_EQ(batch[1].text, text);
    EXPECT_EQ(events_of(batch).size(), 3u);
    ASSERT_EQ(result_.traces.size(), 2u);
    EXPECT_EQ(result_.traces[0].entry, 1u);
    EXPECT_EQ(result_.traces[0].text, trace);
    EXPECT_EQ(result_.traces[1].entry, 2u);
}

TEST_F(LinkEventsTest, APatternMayHoldTheSubject) {
    link_.config.format = LinkFormat::kText;
    link_.config.pattern = "in.{subject}";
    SourceBatch batch;
    batch.add("1", "a", 1, 0, "orders.new");
    events_of(batch);
    EXPECT_EQ(envelope_.pattern, "in.orders.new");
    EXPECT_EQ(letters_, 0u);
    // A peer's subject does not make an event of the server's.
    link_.config.pattern = "{subject}";
    batch.clear();
    batch.add("2", "a", 1, 0, "system.link.gap");
    events_of(batch);
    EXPECT_EQ(letters_, 1u);
    batch.clear();
    batch.add("3", "a", 1, 0);
    events_of(batch);
    EXPECT_EQ(letters_, 1u);
}

TEST_F(LinkEventsTest, APayloadDoesNotGetOutOfItsPlace) {
    link_.config.format = LinkFormat::kPayload;
    link_.config.pattern = "a";
    for (const char* text :
         {R"({},"pattern":"b")", R"({},"partitionKey":"x")", "[1]", "1", "", "{"}) {
        events(text);
        EXPECT_EQ(letters_, 1u) << text;
        EXPECT_EQ(envelope_.pattern, kLinkRejectedPattern);
    }
}

TEST_F(LinkEventsTest, ATextIsAMemberOfThePayload) {
    link_.config.format = LinkFormat::kText;
    link_.config.pattern = "log.line";
    events("say \"hi\"\t\xc3\xa9");
    EXPECT_EQ(letters_, 0u);
    EXPECT_EQ(envelope_.payload, "{\"text\":\"say \\\"hi\\\"\\t\xc3\xa9\"}");
    events("\xff");
    EXPECT_EQ(letters_, 1u);
}

TEST_F(LinkEventsTest, WhatIsNoEventIsALetterWithItsBytes) {
    const std::string event = events("not \"json\"")[0];
    ASSERT_EQ(result_.letters.size(), 1u);
    EXPECT_EQ(result_.letters[0].entry, 0u);
    EXPECT_EQ(result_.letters[0].event_id, "in:7-1");
    EXPECT_EQ(result_.letters[0].pattern, kLinkRejectedPattern);
    EXPECT_TRUE(result_.letters[0].why.starts_with("link in: ")) << result_.letters[0].why;
    EXPECT_EQ(envelope_.event_id, misfit_id("in:7-1"));
    const auto stands_for = read_stand_in(event);
    ASSERT_TRUE(stands_for);
    core::JsonDocument document;
    auto inner = document.parse_object(stands_for->event);
    ASSERT_TRUE(inner);
    auto place = inner->object("x-link");
    ASSERT_TRUE(place);
    std::string bytes, text;
    place->text("base64", bytes);
    place->text("text", text);
    EXPECT_EQ(bytes, "bm90ICJqc29uIg==");
    EXPECT_EQ(text, "not \"json\"");
}

TEST_F(LinkEventsTest, OfWhatIsTooLargeForAnEventAllBytesAreKept) {
    const std::string large(50'000, 'x');
    const std::string event = events(large)[0];
    EXPECT_EQ(letters_, 1u);
    EXPECT_EQ(bytes_in(event), large);
    // The largest that an event of any server is.
    const std::string largest(core::kEventBytesMax, '\xff');
    EXPECT_EQ(bytes_in(events(largest)[0]), largest);
    events("{\"pattern\":\"a\"}", 20'000);
    EXPECT_EQ(letters_, 1u);
    EXPECT_NE(result_.letters[0].why.find("20015 bytes"), std::string::npos)
        << result_.letters[0].why;
}

TEST_F(LinkEventsTest, NobodySpeaksForOthers) {
    for (const char* text :
         {R"({"pattern":"a","tenantId":"somebody"})",
          R"({"pattern":"system.security.auth_failed"})", R"({"pattern":"system.dlq.added"})"}) {
        events(text);
        EXPECT_EQ(letters_, 1u) << text;
    }
    events(R"({"pattern":"a","tenantId":"default"})");
    EXPECT_EQ(letters_, 0u);
}

TEST_F(LinkEventsTest, WhatWasMissedIsAnEventBeforeTheRest) {
    SourceBatch batch;
    batch.gap = true;
    batch.missed = 3;
    batch.missed_from = "1-0";
    batch.missed_to = "5-0";
    batch.add("5-0", "bad", 3, 0);
    EXPECT_EQ(events_of(batch).size(), 2u);
    ASSERT_EQ(result_.letters.size(), 1u);
    EXPECT_EQ(result_.letters[0].entry, 1u);
    batch.clear();
    batch.gap = true;
    events_of(batch);
    EXPECT_EQ(envelope_.pattern, kLinkGapPattern);
    EXPECT_TRUE(envelope_.payload.find("\"missed\":null") != std::string_view::npos);
}

}  // namespace
}  // namespace millrace::runtime
