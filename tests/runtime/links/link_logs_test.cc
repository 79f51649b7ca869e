// Goal: of what a link's script logs the last is there to be read, and no more than its bounds.
// Method: runs by hand.
#include "runtime/links/link_logs.h"

#include "core/json_validate.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

TEST(LinkLogs, TheNewestStandFirstAndSilentRunsAreNone) {
    LinkLogs logs;
    EXPECT_EQ(logs.shown(), nullptr);
    logs.add("in:1", R"([{"text":"a"}])", 1'000'000);
    logs.add("in:2", "", 2'000'000);
    logs.add("in:3", R"([{"text":"b"}])", 3'000'000);
    EXPECT_EQ(*logs.shown(),
              R"([{"id":"in:3","at":"1970-01-01T00:00:03.000Z","logs":[{"text":"b"}]},)"
              R"({"id":"in:1","at":"1970-01-01T00:00:01.000Z","logs":[{"text":"a"}]}])");
    EXPECT_EQ(logs.shown(), logs.shown()) << "it is made once";
}

TEST(LinkLogs, TheOldestGoWhereTheBoundsAre) {
    LinkLogs logs;
    for (std::size_t i = 0; i < 2 * LinkLogs::kRunsMax; ++i)
        logs.add("e" + std::to_string(i), R"([{"text":"a"}])", 0);
    EXPECT_NE(logs.shown()->find("\"e39\""), std::string::npos);
    EXPECT_NE(logs.shown()->find("\"e20\""), std::string::npos);
    EXPECT_EQ(logs.shown()->find("\"e19\""), std::string::npos);
    const std::string big = R"([{"text":")" + std::string(LinkLogs::kBytesMax / 3, 'x') + "\"}]";
    for (int i = 0; i < 10; ++i) logs.add("big", big, 0);
    EXPECT_LE(logs.shown()->size(), LinkLogs::kBytesMax + 100);
    EXPECT_TRUE(core::json_validate(*logs.shown()));
    logs.add("huge", R"([{"text":")" + std::string(LinkLogs::kBytesMax, 'x') + "\"}]", 0);
    EXPECT_NE(logs.shown()->find("\"bytesLeftOut\":65549"), std::string::npos);
}

}  // namespace
}  // namespace millrace::runtime
