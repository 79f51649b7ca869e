// Goal: what a client sends becomes the lines that POST takes, never more than that; what streams
// tell becomes an Event with every member. Method: messages written with wire.h.
#include "runtime/grpc/messages.h"

#include "runtime/grpc/wire.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace millrace::runtime::grpc {
namespace {

std::string text(std::uint32_t field, std::string_view value) {
    std::string out;
    append_bytes_field(out, field, value);
    return out;
}

std::string publish(const std::vector<std::string>& events) {
    std::string out;
    for (const std::string& event : events) append_bytes_field(out, 1, event);
    return out;
}

struct Lines {
    std::string text;
    std::vector<RefusedEvent> refused;
};

Lines lines_of(const std::vector<std::string>& events) {
    Lines out;
    const auto count = append_lines(publish(events), 10, out.text, out.refused);
    EXPECT_TRUE(count.has_value());
    EXPECT_EQ(count.value_or(0), events.size());
    return out;
}

std::map<std::uint32_t, std::string> fields_of(std::string_view message) {
    std::map<std::uint32_t, std::string> out;
    WireReader wire(message);
    while (wire.next()) {
        out[wire.field()] =
            wire.bytes().empty() ? std::to_string(wire.number()) : std::string(wire.bytes());
    }
    EXPECT_FALSE(wire.failed());
    return out;
}

TEST(Messages, EveryMemberOfAnEventStandsInItsLine) {
    std::string priority;
    append_number_field(priority, 9, static_cast<std::uint64_t>(-3));
    const std::string event =
        text(1, "id") + text(2, "a.b") + text(3, "2") + text(4, text(1, "task") + text(2, "s")) +
        text(5, "2026-01-02T03:04:05Z") + text(6, "{\"n\":1}") +
        text(7, text(1, "c") + text(2, "d") + text(3, text(1, "user") + text(2, "u"))) +
        text(8, "key") + priority + text(10, "2026-01-02T03:04:06Z") + text(11, "t") +
        text(20, "told by the server") + text(25, "0-1");
    const Lines lines = lines_of({event});
    EXPECT_EQ(lines.text,
              R"({"eventId":"id","pattern":"a.b","version":"2","timestamp":"2026-01-02T03:04:05Z",)"
              R"("partitionKey":"key","scheduledAt":"2026-01-02T03:04:06Z","tenantId":"t",)"
              R"("priority":-3,"source":{"type":"task","id":"s"},)"
              R"("metadata":{"correlationId":"c","causationId":"d",)"
              R"("context":{"type":"user","id":"u"}},"payload":{"n":1}})"
              "\n");
    EXPECT_TRUE(lines.refused.empty());
}

TEST(Messages, APayloadIsOneObjectAndOneLine) {
    const Lines good = lines_of({text(2, "p") + text(6, " {\"a\":\r\n[1,{}], \"b\":\"\\\"}\"} ")});
    EXPECT_TRUE(good.refused.empty());
    EXPECT_EQ(good.text.find('\n'), good.text.size() - 1);
    const char* const bad[] = {"1",
                               "[{}]",
                               "{",
                               "{}}",
                               "{} {}",
                               "{},\"pattern\":\"x\"",
                               "{\"a\":\"\n\"}",
                               "{\"a\":\"\\\n\"}",
                               "{]",
                               "null",
                               " ",
                               "{\"a\":1}\n{\"pattern\":\"x\"}"};
    for (const char* payload : bad) {
        const Lines lines = lines_of({text(2, "p") + text(6, payload), text(2, "q")});
        ASSERT_EQ(lines.refused.size(), 1u) << payload;
        EXPECT_EQ(lines.refused[0].entry, 10u);
        EXPECT_EQ(lines.refused[0].error.field, "payload");
        EXPECT_EQ(lines.text, "{}\n{\"pattern\":\"q\"}\n") << payload;
    }
}

TEST(Messages, AnEventAsJsonIsItsLine) {
    EXPECT_EQ(lines_of({text(12, "{\"pattern\":\n\"x\"}") + text(2, "left out")}).text,
              "{\"pattern\": \"x\"}\n");
    EXPECT_EQ(lines_of({text(12, "7")}).refused.at(0).error.field, "json");
    EXPECT_EQ(lines_of({text(12, "{}\n{}")}).refused.at(0).error.field, "json");
    EXPECT_EQ(lines_of({text(12, " \t")}).refused.at(0).error.field, "json");
    EXPECT_EQ(lines_of({text(12, " {}{ "), text(2, "q")}).text, " {}{ \n{\"pattern\":\"q\"}\n")
        << "its reader says what is wrong with it";
}

TEST(Messages, WhatDoesNotReadEndsTheCall) {
    const std::string cases[] = {"\x0a\x05", publish({"\x12\x09"}), publish({text(2, "\xff")}),
                                 publish({text(4, "\x0a\x09")}),
                                 publish({text(7, text(3, text(1, "\xc3")))})};
    for (const std::string& message : cases) {
        Lines out;
        EXPECT_FALSE(append_lines(message, 0, out.text, out.refused)) << message;
    }
}

TEST(Messages, UnknownFieldsAreOverlooked) {
    std::string more;
    append_number_field(more, 99, 5);
    EXPECT_EQ(lines_of({text(2, "p") + text(98, "x") + more}).text, "{\"pattern\":\"p\"}\n");
}

TEST(Messages, SubscribeRequests) {
    std::string whole;
    append_number_field(whole, 5, 1);
    const auto ask = read_subscribe(text(1, "a.*") + text(2, "a.") + text(3, "$.n > 1") +
                                    text(4, "0-1") + whole);
    ASSERT_TRUE(ask);
    EXPECT_EQ(ask->pattern, "a.*");
    EXPECT_EQ(ask->pattern_prefix, "a.");
    EXPECT_EQ(ask->filter, "$.n > 1");
    EXPECT_EQ(ask->after, "0-1");
    EXPECT_TRUE(ask->json);
    EXPECT_TRUE(read_subscribe(""));
    EXPECT_FALSE(read_subscribe("\x0a"));
    EXPECT_FALSE(read_subscribe(text(1, "\xff")));
}

TEST(Messages, WhatIsToldHasEveryMember) {
    const std::string json =
        R"({"eventId":"id","pattern":"p","version":"1","source":{"type":"task","id":"s"},)"
        R"("timestamp":"t","payload":{"n":12345678901234567890},)"
        R"("metadata":{"correlationId":"c","context":{"type":"user","id":"u"}},"priority":-2,)"
        R"("partitionKey":"k","tenantId":"x","receivedAt":"r","shard":1,"offset":300,)"
        R"("traceparent":"tp","mine":1})";
    std::string out;
    append_event(out, "0-1.1-301", json, false);
    auto fields = fields_of(out);
    EXPECT_EQ(fields[1], "id");
    EXPECT_EQ(fields[6], R"({"n":12345678901234567890})");
    EXPECT_EQ(fields[9], std::to_string(static_cast<std::uint64_t>(-2)));
    EXPECT_EQ(fields_of(fields[4])[1], "task");
    EXPECT_EQ(fields_of(fields[7])[1], "c");
    EXPECT_EQ(fields_of(fields_of(fields[7])[3])[2], "u");
    EXPECT_EQ(fields[8] + fields[11] + fields[20] + fields[23], "kxrtp");
    EXPECT_EQ(fields[21] + "/" + fields[22], "1/300");
    EXPECT_EQ(fields[25], "0-1.1-301");
    EXPECT_FALSE(fields.contains(12));
    out.clear();
    append_event(out, "0-1", json, true);
    EXPECT_EQ(fields_of(out), (std::map<std::uint32_t, std::string>{{12, json}, {25, "0-1"}}));
}

TEST(Messages, WhatIsToldCanBeSentAgain) {
    const std::string json = R"({"eventId":"id","pattern":"p","payload":{"n":1},"priority":4,)"
                             R"("source":{"type":"task","id":"s"},"offset":3})";
    std::string told;
    append_event(told, "0-1", json, false);
    EXPECT_EQ(lines_of({told}).text,
              R"({"eventId":"id","pattern":"p","priority":4,"source":{"type":"task","id":"s"},)"
              R"("payload":{"n":1}})"
              "\n");
}

TEST(Messages, OutcomesSayWhatBecameOfAnEvent) {
    std::string ack;
    append_ack_head(ack, 7, "fsync");
    append_outcome(ack, {.event_id = "id", .shard = 1, .offset = 5, .duplicate = true});
    auto fields = fields_of(ack);
    EXPECT_EQ(fields[1] + fields[2], "7fsync");
    auto outcome = fields_of(fields[3]);
    EXPECT_EQ(outcome[1] + outcome[2] + outcome[3] + outcome[4], "id151");
    EXPECT_FALSE(outcome.contains(5));
    const core::Error error =
        core::Error(core::ErrorCode::kRateLimited, "later").in("pattern").retry_after(2);
    ack.clear();
    append_outcome(ack, {.error = &error});
    auto inner = fields_of(fields_of(fields_of(ack)[3])[5]);
    EXPECT_EQ(inner[1] + "," + inner[2] + "," + inner[3] + "," + inner[4],
              "RATE_LIMIT_EXCEEDED,later,pattern,2");
}

}  // namespace
}  // namespace millrace::runtime::grpc
