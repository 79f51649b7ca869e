// Goal: what stands for an event that no schema lets in says the event as it was sent, whatever it
// is, under an id that follows from the event's.
#include "runtime/event/misfit.h"

#include "core/buffer.h"
#include "core/event_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

struct Parsed {
    explicit Parsed(std::string_view event) : text(event) {
        text.append(core::kPaddingBytes, ' ');
        good = parser
                   .parse_one(std::string_view(text).substr(0, event.size()), nullptr, envelope,
                              nullptr)
                   .has_value();
    }
    std::string text;
    core::EventParser parser;
    core::Envelope envelope;
    bool good = false;
};

TEST(Misfit, SaysTheEventAsItWasSent) {
    const std::string sent =
        R"({"eventId":"e\"1","pattern":"a","payload":{"n": 1,"s":"}\"{"},"source":{"type":"task","id":"s"},)"
        R"("metadata":{"correlationId":"c"}})";
    const Parsed event(sent);
    ASSERT_TRUE(event.good);
    const std::string stand_in =
        misfit_event(event.envelope, event.envelope.event_id, {"sch", R"([{"keyword":"type"}])"});
    const Parsed read(stand_in);
    ASSERT_TRUE(read.good) << stand_in;
    EXPECT_EQ(read.envelope.pattern, kMisfitPattern);
    EXPECT_EQ(read.envelope.event_id, misfit_id("e\"1"));
    EXPECT_EQ(read.envelope.source_id, "s");
    EXPECT_EQ(read.envelope.correlation_id, "c");
    const auto said = read_stand_in(stand_in);
    ASSERT_TRUE(said);
    EXPECT_EQ(said->event, sent);
    EXPECT_EQ(said->schema_id, R"("sch")");
    EXPECT_EQ(said->errors, R"([{"keyword":"type"}])");
}

TEST(Misfit, GivesAnEventWithoutAnIdTheOneThatWasMadeForIt) {
    const Parsed event(R"(  {"pattern":"a","payload":{}})");
    ASSERT_TRUE(event.good);
    const std::string id = made_event_id(event.envelope.raw, 7);
    EXPECT_NE(id, made_event_id(event.envelope.raw, 8));
    const std::string stand_in = misfit_event(event.envelope, id, {"sch", "[]"});
    const auto said = read_stand_in(stand_in);
    ASSERT_TRUE(said);
    const Parsed original(said->event);
    ASSERT_TRUE(original.good) << said->event;
    EXPECT_EQ(original.envelope.event_id, id);
}

TEST(Misfit, WhatCanNotStandInsideOfAnotherStandsByItsBytes) {
    std::string deep = "{}";
    for (int i = 0; i < 60; ++i) deep = "[" + deep + "]";
    const std::string sent = R"({"pattern":"a","payload":{"x":)" + deep + "}}";
    const Parsed event(sent);
    ASSERT_TRUE(event.good);
    ASSERT_FALSE(Parsed(misfit_event(event.envelope, "e1", {"sch", "[]"})).good);
    const std::string stand_in = misfit_bytes_event(event.envelope, "e1", "sch", "too deep");
    const Parsed read(stand_in);
    ASSERT_TRUE(read.good) << stand_in;
    EXPECT_EQ(read.envelope.event_id, misfit_id("e1"));
    const auto said = read_stand_in(stand_in);
    ASSERT_TRUE(said);
    EXPECT_EQ(said->schema_id, R"("sch")");
    const auto whole = event_by_bytes(said->event);
    ASSERT_TRUE(whole);
    EXPECT_EQ(*whole, R"({"eventId":"e1",)" + sent.substr(1));
}

TEST(Misfit, AnEventThatWasCutIsNotTakenForAWholeOne) {
    EXPECT_FALSE(event_by_bytes(R"({"x-rejected":{"bytes":9,"base64":"e30="}})"));
    EXPECT_EQ(event_by_bytes(R"({"x-rejected":{"bytes":2,"base64":"e30="}})"), "{}");
    EXPECT_FALSE(event_by_bytes(R"({"x-rejected":{"bytes":2,"base64":"e3"}})"));
    EXPECT_FALSE(event_by_bytes(R"({"pattern":"a"})"));
}

TEST(Misfit, AMemberThatASenderHasMadeBringsNoOtherEvent) {
    const std::string bytes = R"("x-rejected":{"bytes":2,"base64":"e30="})";
    EXPECT_TRUE(event_by_bytes("{" + bytes + "}"));
    EXPECT_FALSE(event_by_bytes(R"({"pattern":"a",)" + bytes + "}"));
    EXPECT_FALSE(event_by_bytes("{" + bytes + R"(,"\u0070attern":"a"})"));
}

TEST(Misfit, OtherEventsStandForNothing) {
    EXPECT_FALSE(read_stand_in(R"({"pattern":"a","payload":{"n":1}})"));
    EXPECT_FALSE(read_stand_in(R"({"pattern":"a"})"));
    EXPECT_FALSE(read_stand_in("[1]"));
    EXPECT_FALSE(read_stand_in(""));
}

}  // namespace
}  // namespace millrace::runtime
