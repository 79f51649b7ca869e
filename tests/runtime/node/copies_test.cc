// Goal: who is out of sync and who is filled from whom follows from META and from what is heard,
// and only the owner's node says so in META.
#include "runtime/node/copies.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Three copies of one partition; a owns.
class Copies : public testing::Test {
protected:
    Copies() {
        meta.replicas = 3;
        meta.lists = {{"a", "b", "c"}};
        for (const std::string node : {"a", "b", "c"}) {
            meta.members.push_back({node, "127.0.0.1:1" + node, "i-" + node, false});
            heard[node].at_ns = 100 * kSecond;
            say(node).role = node == "a" ? Role::kOwner : Role::kStandby;
        }
    }
    PartitionStatus& say(const std::string& node) { return heard[node].said.partitions[0]; }
    View view(const std::string& self = "a") {
        return {self, 101 * kSecond, 0, 5 * kSecond, 0, &meta, &heard};
    }
    std::vector<std::string> behind() {
        const auto next = with_copies_behind(view());
        return next ? next->behind.at(0) : std::vector<std::string>{"(unchanged)"};
    }
    Meta meta;
    std::map<std::string, Heard> heard;
};

using Nodes = std::vector<std::string>;

TEST_F(Copies, AllAreInSyncAtFirst) {
    EXPECT_FALSE(with_copies_behind(view()));
    EXPECT_EQ(copies_in_sync(meta, 0, "a"), (Nodes{"b", "c"}));
    const auto orders = copy_orders(view());
    ASSERT_EQ(orders.size(), 1u);
    EXPECT_EQ(orders[0].second, R"({"do":"in_sync","nodes":["b","c"]})");
}

TEST_F(Copies, WhomTheOwnerWaitsForInVainIsPutBehindByItsNodeAlone) {
    say("a").waits_for = {"c"};
    EXPECT_EQ(behind(), Nodes{"c"});
    EXPECT_FALSE(with_copies_behind(view("b")));
    meta.behind = {{"c"}};
    EXPECT_EQ(copies_in_sync(meta, 0, "a"), Nodes{"b"});
    EXPECT_EQ(copy_orders(view())[0].second, R"({"do":"in_sync","nodes":["b"]})");
}

TEST_F(Copies, WhoNeedsASnapshotIsBehindAndIsFilledByAStandby) {
    say("c").role = Role::kCatchingUp;
    say("c").needs_snapshot = true;
    EXPECT_EQ(behind(), Nodes{"c"});
    EXPECT_EQ(snapshot_giver(view("c"), 0, "c"), "b");
    const auto orders = copy_orders(view("c"));
    EXPECT_EQ(orders.back().second, R"({"do":"fill","from":"127.0.0.1:1b"})");
    heard["b"].at_ns = 0;
    EXPECT_EQ(snapshot_giver(view("c"), 0, "c"), "a") << "then the owner";
    heard["a"].at_ns = 0;
    EXPECT_EQ(snapshot_giver(view("c"), 0, "c"), "");
    for (const auto& [partition, line] : copy_orders(view("c")))
        EXPECT_EQ(line.find("fill"), std::string::npos);
}

TEST_F(Copies, ADivergedCopyIsNotFilled) {
    say("c").role = Role::kDiverged;
    say("c").needs_snapshot = true;
    for (const auto& [partition, line] : copy_orders(view("c")))
        EXPECT_EQ(line.find("fill"), std::string::npos);
}

TEST_F(Copies, AStandbyThatItsOwnerFindsNearIsInSyncAgain) {
    meta.behind = {{"b", "c"}};
    say("b").role = Role::kCatchingUp;
    EXPECT_FALSE(with_copies_behind(view())) << "what it said last may be long ago";
    say("a").near = {"b", "c"};
    EXPECT_EQ(behind(), Nodes{"b"});
    heard["c"].at_ns = 0;
    EXPECT_FALSE(with_copies_behind(view())) << "one that is not heard is not back";
}

TEST_F(Copies, WhoOwnsIsNotBehind) {
    meta.behind = {{"a", "c"}};
    say("c").role = Role::kCatchingUp;
    EXPECT_EQ(behind(), Nodes{"c"});
}

TEST_F(Copies, MetaSaysItAndReadsAsTheSame) {
    meta.behind = {{"c"}};
    meta.partition_by = "tenant";
    const auto read = read_meta(meta.json());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, meta);
    EXPECT_TRUE(read->is_behind(0, "c"));
    EXPECT_FALSE(read->is_behind(0, "b"));
}

}  // namespace
}  // namespace millrace::runtime::node
