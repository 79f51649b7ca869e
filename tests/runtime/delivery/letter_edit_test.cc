// Goal: of a corrected event what says which event it is stays, however it is written, and all else
// is what was sent; its row is read as it was written. Method: by hand.
#include "runtime/delivery/letter_edit.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

constexpr std::string_view kOriginal =
    R"({"eventId":"e1","pattern":"a.b","partitionKey":"k","payload":{"n":1},"metadata":{"correlationId":"c"},"x-own":1})";
constexpr ShownMembers kShown{"e1", "default"};

std::string merged(std::string_view edited, std::string_view original = kOriginal) {
    auto result = merge_letter_edit(original, edited, kShown);
    return result ? *result : "! " + result.error().field + ": " + result.error().message;
}

TEST(LetterEdit, TakesWhatWasSentAndKeepsWhatSaysWhichEventItIs) {
    EXPECT_EQ(merged(R"({"payload":{"n":2}})"),
              R"({"eventId":"e1","pattern":"a.b","partitionKey":"k","payload":{"n":2}})");
    EXPECT_EQ(merged(R"({ "pattern" : "a.b", "payload":{}, "priority": 3, "eventId":"\u00651" })"),
              R"({"eventId":"e1","pattern":"a.b","partitionKey":"k","payload":{},"priority":3})");
}

TEST(LetterEdit, TakesAnEventAsTheServerShowsIt) {
    const std::string shown =
        R"({"eventId":"e1","pattern":"a.b","partitionKey":"k","payload":{"n":3},)"
        R"("source":{"type":"external","id":"unknown"},"tenantId":"default",)"
        R"("receivedAt":"2026-01-02T03:04:05Z","shard":0,"offset":7})";
    EXPECT_EQ(merged(shown),
              R"({"eventId":"e1","pattern":"a.b","partitionKey":"k","payload":{"n":3}})");
    // The server's own id stands in no text.
    EXPECT_EQ(merged(R"({"eventId":"e1","payload":{}})", R"({"pattern":"a.b"})"),
              R"({"pattern":"a.b","payload":{}})");
}

TEST(LetterEdit, AnotherIdentityIsRefusedByName) {
    for (const char* edited :
         {R"({"eventId":"e2"})", R"({"pattern":"a"})", R"({"partitionKey":"l"})",
          R"({"source":{"type":"task","id":"x"}})", R"({"tenantId":"other"})",
          R"({"scheduledAt":"2030-01-01T00:00:00Z"})", R"({"partitionKey":null})"}) {
        const std::string name(edited + 2, std::string_view(edited).find('"', 2) - 2);
        EXPECT_EQ(merged(edited).substr(0, name.size() + 3), "! " + name + ":") << edited;
    }
    for (const char* edited : {"[]", "1", "{", R"({"payload":{}} x)"})
        EXPECT_EQ(merged(edited).substr(0, 2), "! ") << edited;
}

TEST(LetterEdit, WhatWasNoEventIsGivenAPattern) {
    constexpr std::string_view kNone =
        R"({"eventId":"e1","source":{"type":"integration","id":"l"},"x-link":{"bytes":3}})";
    EXPECT_EQ(merged(R"({"pattern":"a","partitionKey":"k","payload":{}})", kNone),
              R"({"eventId":"e1","source":{"type":"integration","id":"l"},)"
              R"("pattern":"a","partitionKey":"k","payload":{}})");
    for (const char* edited : {R"({"pattern":"a","eventId":"e2"})",
                               R"({"pattern":"a","source":{"type":"task","id":"x"}})",
                               R"({"pattern":"a","tenantId":"other"})"})
        EXPECT_EQ(merged(edited, kNone).substr(0, 2), "! ") << edited;
}

}  // namespace
}  // namespace millrace::runtime
