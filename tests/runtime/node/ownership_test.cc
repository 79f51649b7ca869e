// Goal: who should own is the same wherever it is decided: the most advanced copy after a silence,
// nobody while somebody might know better, and a move goes over only to one that has caught up.
#include "runtime/node/ownership.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace::runtime::node {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Three nodes, two copies of each of three partitions, all live, nobody owns.
class Ownership : public testing::Test {
protected:
    Ownership() {
        meta.replicas = 2;
        meta.partition_by = "tenant";
        meta.lists = lists_for({"a", "b", "c"}, 3, 2);
        for (const std::string node : {"a", "b", "c"}) {
            meta.members.push_back({node, "127.0.0.1:1", "i-" + node, false});
            hear(node, 100 * kSecond);
        }
        for (std::size_t p = 0; p < 3; ++p) {
            for (const std::string& node : meta.lists[p]) say(node, p, Role::kStandby, 10);
        }
    }
    void hear(const std::string& node, std::int64_t at_ns) {
        heard[node].at_ns = at_ns;
        heard[node].said.node = node;
    }
    PartitionStatus& say(const std::string& node, std::size_t p, Role role, std::uint64_t applied,
                         std::uint64_t epoch = 1) {
        PartitionStatus& status = heard[node].said.partitions[p];
        status.role = role;
        status.applied = applied;
        status.appended = applied;
        status.epoch = epoch;
        return status;
    }
    View view(const std::string& self = "a", std::int64_t now_ns = 101 * kSecond) {
        return {self, now_ns, since_ns, 5 * kSecond, made_ns, &meta, &heard};
    }

    Meta meta;
    std::map<std::string, Heard> heard;
    std::int64_t since_ns = 0;
    std::int64_t made_ns = 0;
};

TEST_F(Ownership, ListsAreSpreadAndHaveNoNodeTwice) {
    for (const std::size_t nodes : {1u, 2u, 3u, 5u}) {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < nodes; ++i) names.push_back("n" + std::to_string(i));
        const auto lists = lists_for(names, 16, 3);
        std::map<std::string, int> first;
        for (const auto& list : lists) {
            EXPECT_EQ(list.size(), std::min<std::size_t>(3, nodes));
            EXPECT_EQ(std::set<std::string>(list.begin(), list.end()).size(), list.size());
            ++first[list.front()];
        }
        for (const auto& [name, count] : first) EXPECT_LE(count, int(16 / nodes) + 1) << name;
    }
}

TEST_F(Ownership, TheFirstOfEquallyAdvancedCopiesTakesOver) {
    EXPECT_EQ(successor_of(view(), 0), "a");
    EXPECT_EQ(successor_of(view(), 1), "b");
    EXPECT_EQ(orders_for(view("a")), (std::vector<Order>{{0, Order::What::kOwn, {}}}));
}

TEST_F(Ownership, TheMostAdvancedCopyTakesOver) {
    say("b", 0, Role::kStandby, 11);
    EXPECT_EQ(successor_of(view(), 0), "b");
}

TEST_F(Ownership, NobodyTakesOverFromALiveOwner) {
    say("b", 0, Role::kOwner, 10);
    EXPECT_TRUE(orders_for(view("a")).empty());
    EXPECT_EQ(owner_of(view(), 0)->node, "b");
}

TEST_F(Ownership, ASilentOwnerIsWaitedForUntilTheTimeIsOver) {
    say("a", 0, Role::kOwner, 10);
    hear("b", 104 * kSecond);
    EXPECT_EQ(successor_of(view("b", 104 * kSecond), 0), std::nullopt);
    hear("b", 106 * kSecond);
    EXPECT_FALSE(owner_of(view("b", 106 * kSecond), 0));
    EXPECT_EQ(successor_of(view("b", 106 * kSecond), 0), "b");
}

TEST_F(Ownership, OneThatWasNeverHeardIsWaitedForToo) {
    heard.erase("a");
    since_ns = 98 * kSecond;
    EXPECT_EQ(successor_of(view("b"), 0), std::nullopt);
    since_ns = 90 * kSecond;
    EXPECT_EQ(successor_of(view("b"), 0), "b");
}

// Stopped for a while, or a clock that jumped: what was heard before the break says nothing.
TEST_F(Ownership, AfterABreakOfOnesOwnAllAreWaitedForAgain) {
    say("a", 0, Role::kOwner, 10);
    since_ns = 200 * kSecond;
    hear("b", 201 * kSecond);
    EXPECT_EQ(successor_of(view("b", 201 * kSecond), 0), std::nullopt);
    EXPECT_EQ(successor_of(view("b", 204 * kSecond), 0), std::nullopt);
    hear("b", 206 * kSecond);
    EXPECT_EQ(successor_of(view("b", 206 * kSecond), 0), "b");
}

TEST_F(Ownership, AnOwnersEndThatItsNodeTellsIsNotWaitedFor) {
    say("a", 0, Role::kDown, 0);
    EXPECT_EQ(successor_of(view("b"), 0), "b");
}

TEST_F(Ownership, RightAfterTheStartProcessesThatAreOnTheirWayAreWaitedFor) {
    say("a", 0, Role::kDown, 0);
    made_ns = 97 * kSecond;
    EXPECT_EQ(successor_of(view("b"), 0), std::nullopt);
    made_ns = 96 * kSecond;
    EXPECT_EQ(successor_of(view("b"), 0), "b");
}

// Whoever comes first in a new cluster takes nothing of those that are meant for others.
TEST_F(Ownership, InANewClusterThePreferredNodeIsWaitedForAndOnlyThere) {
    meta.lists = lists_for({"a", "b", "c"}, 9, 2);
    for (std::size_t p = 0; p < 9; ++p) {
        for (const std::string& node : meta.lists[p]) say(node, p, Role::kStandby, 0, 0);
    }
    made_ns = 96 * kSecond;
    for (std::size_t p = 0; p < 9; ++p) say("c", p, Role::kDown, 0, 0);
    std::map<std::string, int> owns;
    for (std::size_t p = 0; p < 9; ++p) {
        const auto next = successor_of(view(), p);
        if (meta.lists[p].front() == "c") {
            EXPECT_EQ(next, std::nullopt) << p;
        } else {
            ++owns[*next];
        }
    }
    EXPECT_EQ(owns, (std::map<std::string, int>{{"a", 3}, {"b", 3}}));
    for (std::size_t p = 0; p < 9; ++p) say("c", p, Role::kCatchingUp, 0, 0);
    EXPECT_EQ(successor_of(view(), 2), "c");
    // One that does not come is not waited for for ever, a dead or a drained one not at all.
    say("c", 2, Role::kDown, 0, 0);
    made_ns = 70 * kSecond;
    EXPECT_EQ(successor_of(view(), 2), "a");
    made_ns = 96 * kSecond;
    meta.members[2].draining = true;
    EXPECT_NE(successor_of(view(), 2), "c");
    meta.members[2].draining = false;
    // And where somebody has owned, what copies have decides as ever.
    say("a", 2, Role::kStandby, 5, 1);
    say("c", 2, Role::kStandby, 4, 1);
    EXPECT_EQ(successor_of(view(), 2), "a");
}

TEST_F(Ownership, DivergedAndFencedCopiesDoNotTakeOver) {
    say("a", 0, Role::kDiverged, 100);
    EXPECT_EQ(successor_of(view(), 0), "b");
    say("b", 0, Role::kFenced, 100);
    EXPECT_EQ(successor_of(view(), 0), std::nullopt);
}

TEST_F(Ownership, OfTwoWhoSayTheyOwnTheHigherEpochCounts) {
    say("a", 0, Role::kOwner, 10, 3);
    say("b", 0, Role::kOwner, 12, 4);
    EXPECT_EQ(owner_of(view(), 0)->node, "b");
}

TEST_F(Ownership, AMoveGoesOverWhenItsTargetHasCaughtUp) {
    say("a", 0, Role::kOwner, 10);
    meta.lists[0].push_back("c");
    meta.moves.push_back({"m1", 0, "c"});
    EXPECT_TRUE(runs_here(meta, 0, "c"));
    EXPECT_TRUE(orders_for(view("a")).empty());
    say("c", 0, Role::kCatchingUp, 3);
    EXPECT_TRUE(orders_for(view("a")).empty());
    say("c", 0, Role::kStandby, 10);
    EXPECT_EQ(orders_for(view("a")), (std::vector<Order>{{0, Order::What::kHandOver, "c"}}));
    EXPECT_EQ(orders_for(view("b")), (std::vector<Order>{{1, Order::What::kOwn, {}}}));
    // A target that died is not moved to.
    EXPECT_TRUE(orders_for(view("a", 106 * kSecond)).empty());
}

TEST_F(Ownership, AMoveThatIsOverLeavesAndTheListHasItsLengthAgain) {
    meta.lists[0] = {"a", "b", "c"};
    meta.moves.push_back({"m1", 0, "c"});
    say("c", 0, Role::kOwner, 11, 2);
    EXPECT_EQ(tidied(view("b"), "x"), std::nullopt) << "only the first live member writes";
    const auto next = tidied(view("a"), "x");
    ASSERT_TRUE(next);
    EXPECT_TRUE(next->moves.empty());
    EXPECT_EQ(next->lists[0], (std::vector<std::string>{"c", "a"}));
}

TEST_F(Ownership, ADrainedNodeHandsOverOneAfterTheOther) {
    meta.members[0].draining = true;
    say("a", 0, Role::kOwner, 10);
    say("a", 2, Role::kOwner, 10);
    auto next = tidied(view("a"), "d1");
    ASSERT_TRUE(next);
    ASSERT_EQ(next->moves.size(), 1u);
    EXPECT_EQ(next->moves[0], (Move{"d1", 0, "b"}));
    meta = *next;
    next = tidied(view("a"), "d2");
    ASSERT_TRUE(next);
    ASSERT_EQ(next->moves.size(), 2u);
    EXPECT_EQ(next->moves[1].to, "c");
    meta = *next;
    EXPECT_EQ(tidied(view("a"), "d3"), std::nullopt);
}

TEST_F(Ownership, ADrainedNodeOwnsOnlyWhatNobodyElseCan) {
    meta.members[0].draining = true;
    EXPECT_EQ(successor_of(view(), 0), "b");
    say("b", 0, Role::kDiverged, 10);
    EXPECT_EQ(successor_of(view(), 0), "a");
}

TEST_F(Ownership, ADrainedOnlyCopyIsMadeElsewhereFirst) {
    meta.replicas = 1;
    meta.lists[0] = {"a"};
    meta.members[0].draining = true;
    say("a", 0, Role::kOwner, 10);
    const auto next = tidied(view("a"), "d1");
    ASSERT_TRUE(next);
    EXPECT_EQ(next->lists[0], (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(next->moves[0].to, "b");
}

TEST_F(Ownership, MetaAndHeartbeatsComeBackAsTheyWere) {
    meta.hash_seed = ~std::uint64_t{0};
    meta.generation = 3;
    meta.moves.push_back({"m1", 2, "b"});
    meta.members[1].draining = true;
    const auto read = read_meta(meta.json());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, meta);
    Heartbeat said = heard["a"].said;
    said.incarnation = "x";
    said.partitions[0].error = "the \"stream\" is gone";
    const auto again = read_heartbeat(said.json());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->json(), said.json());
}

TEST_F(Ownership, MetaOfAnEarlierGenerationIsOlderWhateverItsNumber) {
    Meta later = meta;
    meta.revision = 9;
    later.revision = 8;
    EXPECT_TRUE(later.is_older_than(meta));
    later.generation = 1;
    EXPECT_TRUE(meta.is_older_than(later));
    EXPECT_FALSE(later.is_older_than(meta));
}

TEST_F(Ownership, WhatDoesNotReadIsToldWhere) {
    for (const char* text : {"", "[]", "{}", R"({"version":2})"}) EXPECT_FALSE(read_meta(text));
    const std::string good = meta.json();
    for (std::size_t i = 1; i < good.size(); i += 7) EXPECT_FALSE(read_meta(good.substr(0, i)));
    EXPECT_FALSE(read_heartbeat(R"({"node":"a","url":"u","incarnation":"i","meta":1,)"
                                R"("partitions":[{"partition":999,"role":"owner"}]})"));
}

TEST(Partitions, TenantsAreSpreadAndStay) {
    std::map<std::size_t, int> count;
    for (int i = 0; i < 16'000; ++i) ++count[partition_of("tenant" + std::to_string(i), 42, 16)];
    EXPECT_EQ(count.size(), 16u);
    for (const auto& [p, n] : count) {
        EXPECT_GT(n, 800) << p;
        EXPECT_LT(n, 1200) << p;
    }
    // As long as a cluster lives.
    EXPECT_EQ(partition_of("acme", 42, 16), partition_of("acme", 42, 16));
    EXPECT_EQ(partition_folder(7), "p07");
    EXPECT_EQ(partition_folder(255), "p255");
}

}  // namespace
}  // namespace millrace::runtime::node
