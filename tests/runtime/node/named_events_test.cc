// Goal: a front repeats only what is known again by its ids; what does not read is not repeated.
#include "runtime/node/named_events.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

bool named(std::string_view body, const HeaderList& headers = {}) {
    return events_are_named(headers, body);
}

TEST(NamedEvents, EachOneHasAnId) {
    EXPECT_TRUE(named(R"({"eventId":"a","pattern":"x"})"));
    EXPECT_TRUE(named(R"( [ {"eventId":"a"} , {"event_id":"b","payload":{"eventId":""}} ] )"));
    EXPECT_TRUE(named("{\"eventId\":\"a\"}\n\n{\"eventId\":\"b\"}\n"));
    EXPECT_FALSE(named(R"([{"eventId":"a"},{"pattern":"x"}])"));
    EXPECT_FALSE(named("{\"eventId\":\"a\"}\n{\"pattern\":\"x\"}"));
    EXPECT_FALSE(named(R"({"payload":{"eventId":"a"}})"));
    EXPECT_FALSE(named(R"({"eventId":"a"}[{"n":1}])"));
    for (const char* id : {"\"\"", "null", "5", "{}"})
        EXPECT_FALSE(named(std::string(R"({"eventId":)") + id + "}")) << id;
}

TEST(NamedEvents, WhatDoesNotReadIsNotRepeated) {
    const std::string good = R"([{"eventId":"a","payload":{"n":"]"}},{"eventId":"b"}])";
    ASSERT_TRUE(named(good));
    for (std::size_t i = 0; i < good.size(); ++i) EXPECT_FALSE(named(good.substr(0, i))) << i;
    for (const char* body : {"", "[]", "x", "5", "[5]", R"([{"eventId":"a"} {"eventId":"b"}])"})
        EXPECT_FALSE(named(body)) << body;
}

TEST(NamedEvents, CloudEventsAlwaysHaveOne) {
    EXPECT_TRUE(named("{}", {{"content-type", "application/cloudevents-batch+json"}}));
    EXPECT_TRUE(named("text", {{"Content-Type", "text/plain"}, {"ce-specversion", "1.0"}}));
    EXPECT_FALSE(named("{}", {{"Content-Type", "application/json"}}));
}

}  // namespace
}  // namespace millrace::runtime::node
