// Goal: an event as the older document writes it becomes the envelope that means the same, and what
// is said twice is refused by both names. Method: texts in, texts out; the parser reads the result.
#include "runtime/event/older_events.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

std::string converted(std::string_view text, core::BatchFormat format = core::BatchFormat::kJson) {
    OlderEvents out;
    if (!envelopes_from_older_events(text, format, out)) return "no events";
    std::string all = out.text;
    for (const OlderEvents::Rejected& one : out.rejected)
        all += " !" + std::to_string(one.entry) + ": " + one.error.message;
    return all;
}

TEST(OlderEvents, SamplesOfTheDocument) {
    EXPECT_EQ(converted(R"({"name":"user.signup","type":"user.action","priority":"normal",)"
                        R"("data":{"userId":"123"},"trigger_type":"api"})"),
              R"({"pattern":"user.signup","priority":"NORMAL","payload":{"userId":"123"},)"
              R"("metadata":{"class":"user.action","triggerType":"api"}})");
    EXPECT_EQ(converted(R"({"event_type":"report.generate","event_data":{"a":[1, 2.50]},)"
                        R"("scheduled_at":"2024-01-01T02:00:00Z"})"),
              R"({"pattern":"report.generate","payload":{"a":[1, 2.50]},)"
              R"("scheduledAt":"2024-01-01T02:00:00Z"})");
}

TEST(OlderEvents, ATypeAloneIsThePattern) {
    EXPECT_EQ(converted(R"({"type":"user.action"})"), R"({"pattern":"user.action"})");
    EXPECT_EQ(converted(R"({"type":"a","event_type":"b"})"),
              R"({"pattern":"b","metadata":{"class":"a"}})");
}

TEST(OlderEvents, MetadataIsKept) {
    EXPECT_EQ(converted(R"({"name":"a","type":"b","metadata":{"x":1,"correlationId":"c"}})"),
              R"({"pattern":"a","metadata":{"class":"b","x":1,"correlationId":"c"}})");
    EXPECT_EQ(converted(R"({"name":"a","correlation_id":"c","metadata":{}})"),
              R"({"pattern":"a","metadata":{"correlationId":"c"}})");
    EXPECT_EQ(converted(R"({"name":"a","type":"b","metadata":7})"),
              R"({"pattern":"a","metadata":7})");
}

TEST(OlderEvents, BothSpellingsAreRefusedByBothNames) {
    EXPECT_EQ(converted(R"([{"event_type":"a","pattern":"b"},{"name":"c"},)"
                        R"({"data":{},"event_data":{},"name":"d"},)"
                        R"({"name":"e","type":"f","metadata":{"class":"g"}}])"),
              R"([{"pattern":"c"}])"
              " !0: event_type and pattern say the same; give one of them"
              " !2: data and event_data say the same; give one of them"
              " !3: type and metadata.class say the same; give one of them");
}

TEST(OlderEvents, WhatIsOursStaysAsItIs) {
    EXPECT_EQ(converted(R"([{"pattern":"a","payload":{"event_type":"b"},"x-own":{"name":1}}, 7])"),
              R"([{"pattern":"a","payload":{"event_type":"b"},"x-own":{"name":1}},7])");
    EXPECT_EQ(converted(R"({"pattern":"a","type":"b"})"), R"({"pattern":"a","type":"b"})");
}

TEST(OlderEvents, LinesAreLines) {
    EXPECT_EQ(converted("{\"name\":\"a\"}\n\n{\"name\":\"b\",\"pattern\":\"c\"}\r\n{x",
                        core::BatchFormat::kNdjson),
              "{\"pattern\":\"a\"}\n{x !1: name and pattern say the same; give one of them");
    EXPECT_EQ(converted("[{\"name\":\"a\"}"), "no events");
}

TEST(OlderEvents, PlacesAreThoseOfWhatWasSent) {
    constexpr std::string_view kSent = R"({"name":"a", "data": 17})";
    OlderEvents out;
    ASSERT_TRUE(envelopes_from_older_events(kSent, core::BatchFormat::kJson, out));
    core::Error error(core::ErrorCode::kValidation, "payload must be an object");
    error.position = static_cast<std::int64_t>(out.text.find("17"));
    out.places.tell_as_sent(error);
    EXPECT_EQ(error.position, static_cast<std::int64_t>(kSent.find("17")));
}

}  // namespace
}  // namespace millrace::runtime
