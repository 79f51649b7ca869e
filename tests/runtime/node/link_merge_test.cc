// Goal: of a sink that all partitions have, one answer says what they have come to together and
// which of them is in trouble; a source is told as its home tells it.
#include "runtime/node/link_merge.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::runtime::node {
namespace {

std::string sink(std::string_view status) {
    return R"({"id":"out","direction":"out","status":{)" + std::string(status) +
           R"(},"version":2})";
}

TEST(LinkMerge, ASinkIsTheSumOfItsPartitions) {
    const std::string zero =
        sink(R"("state":"running","reason":null,"since":"a","sent":3,"failed":0,"pending":1,)"
             R"("lastError":null)");
    const std::string one =
        sink(R"("state":"retrying","reason":"no peer","since":"b","sent":4,"failed":2,)"
             R"("pending":0,"lastError":{"message":"no peer","at":"2026-01-02T00:00:00Z"})");
    const std::vector<PartPage> parts = {{0, zero}, {1, one}};
    const auto merged = merge_link(parts, 0);
    ASSERT_TRUE(merged);
    EXPECT_EQ(
        *merged,
        R"({"id":"out","direction":"out","status":{"state":"retrying",)"
        R"("reason":"partition 1: no peer","since":"b","sent":7,"failed":2,"pending":1,)"
        R"("lastError":{"message":"no peer","at":"2026-01-02T00:00:00Z"},"partitions":[)"
        R"({"partition":0,"state":"running","pending":1},)"
        R"({"partition":1,"state":"retrying","reason":"no peer","pending":0}]},"version":2})");
}

TEST(LinkMerge, AStreamsLagIsWhatAllHaveLeft) {
    const std::string zero =
        sink(R"("state":"running","position":{"next":[5,0]},"lag":2,"lagUnit":"events","missed":1,)"
             R"("gaps":1,"sent":1,"failed":0,"pending":0)");
    const std::string one = sink(
        R"("state":"running","position":{"next":[7,0]},"lag":40,"lagUnit":"events","missed":0,)"
        R"("gaps":0,"sent":1,"failed":0,"pending":0)");
    const auto merged = merge_link(std::vector<PartPage>{{0, zero}, {1, one}}, 1);
    ASSERT_TRUE(merged);
    EXPECT_NE(merged->find(R"("lag":42,"lagUnit":"events","missed":1,"gaps":1,"sent":2)"),
              std::string::npos)
        << *merged;
    EXPECT_NE(merged->find(R"("position":{"next":[7,0]},"lag":40)"), std::string::npos);
}

TEST(LinkMerge, ASourceIsWhatItsHomeSays) {
    const std::string home = R"({"id":"in","direction":"in","status":{"state":"running"}})";
    const std::string other = R"({"id":"in","direction":"in","status":{"state":"elsewhere"}})";
    const auto merged = merge_link(std::vector<PartPage>{{0, other}, {1, home}}, 1);
    ASSERT_TRUE(merged);
    EXPECT_EQ(*merged, home);
    EXPECT_FALSE(merge_link(std::vector<PartPage>{{0, other}}, 1));
    EXPECT_FALSE(merge_link(std::vector<PartPage>{{0, "{"}, {1, home}}, 1));
}

TEST(LinkMerge, AListIsTheHomesWithTheSumsOfAll) {
    const std::string home = R"({"items":[)" + sink(R"("state":"running","sent":1)") +
                             R"(,{"id":"in","direction":"in","status":{"state":"running"}}],)"
                             R"("next":null})";
    const std::string other =
        R"({"items":[)" + sink(R"("state":"running","sent":2)") + R"(],"next":null})";
    const auto merged = merge_links(std::vector<PartPage>{{0, home}, {1, other}}, 0);
    ASSERT_TRUE(merged);
    EXPECT_NE(merged->find(R"("sent":3)"), std::string::npos) << *merged;
    EXPECT_NE(merged->find(R"({"id":"in","direction":"in","status":{"state":"running"}}],"next")"),
              std::string::npos)
        << *merged;
}

}  // namespace
}  // namespace millrace::runtime::node
