// Goal: what one partition writes for another is read as it was, and nothing that is cut off, or
// longer than it may be, is believed.
#include "runtime/crossing/crossing_event.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::crossing {
namespace {

TEST(CrossingEvent, WhatIsWrittenIsRead) {
    const std::vector<CrossingEvent> events = {
        {"default", 0, "", R"({"eventId":"ed_1","pattern":"a"})"},
        {"acme", 16, "00-0123-01 vendor=1", R"({"eventId":"ed_2","payload":{"text":"1 2 3 4"}})"},
        {"acme", 255, "", "{}"}};
    std::string text;
    for (const CrossingEvent& event : events) append_crossing(text, event);
    const auto read = read_crossing(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, events);
}

TEST(CrossingEvent, NothingIsABatchToo) {
    const auto read = read_crossing("");
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->empty());
}

TEST(CrossingEvent, WhatIsCutOffAnywhereIsRefused) {
    std::string text;
    append_crossing(text, {"acme", 3, "trace", R"({"a":1})"});
    for (std::size_t bytes = 1; bytes < text.size(); ++bytes)
        EXPECT_FALSE(read_crossing(text.substr(0, bytes))) << bytes;
}

TEST(CrossingEvent, WhatIsNoneIsRefused) {
    for (const char* text :
         {"\n", "acme\n", "acme 1 0 2\n{}", "acme 1 0 2\n{}x", " 1 0 2\n{}\n", "acme 256 0 2\n{}\n",
          "acme -1 0 2\n{}\n", "acme 1 0 2 9\n{}\n", "acme 1 0 0\n\n", "acme 1 0 3\n{\n}\n",
          "acme 1 2 2\n\n\n{}\n", "acme 1 99999999999999999999 2\n{}\n",
          "acme 1 0 18446744073709551615\n{}\n"})
        EXPECT_FALSE(read_crossing(text)) << text;
}

TEST(CrossingEvent, ABatchHasABound) {
    std::string text;
    for (std::size_t i = 0; i < kCrossingEventsMax; ++i) append_crossing(text, {"a", 0, "", "{}"});
    EXPECT_TRUE(read_crossing(text));
    append_crossing(text, {"a", 0, "", "{}"});
    EXPECT_FALSE(read_crossing(text));
}

}  // namespace
}  // namespace millrace::runtime::crossing
