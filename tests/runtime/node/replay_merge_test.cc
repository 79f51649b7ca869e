// Goal: a replay of several partitions is told as one: sums, the state of whoever is not done, and
// pages that leave nothing out.
#include "runtime/node/replay_merge.h"

#include "core/json_dom.h"

#include <gtest/gtest.h>

namespace millrace::runtime::node {
namespace {

std::string replay_text(const std::string& id, const std::string& status, int n,
                        const std::string& more = "") {
    const std::string number = std::to_string(n);
    return R"({"id":")" + id + R"(","status":")" + status + R"(","scanned":)" + number +
           R"(,"matched":)" + number + R"(,"notDue":0,"delivered":)" + number +
           R"(,"failed":1,"dryRun":false,)" + more +
           R"("range":[{"shard":0,"from":1,"to":9}],"position":[{"shard":0,"offset":)" + number +
           R"(}],"error":null,"createdAt":"2026-01-02T00:00:0)" + number +
           R"(.000Z","updatedAt":"2026-01-02T00:00:0)" + number +
           R"(.000Z","request":{"pace":"instant"}})";
}

TEST(ReplayMerge, IsTheSumOfItsParts) {
    const std::string a = replay_text("rp_1", "completed", 2),
                      b = replay_text("rp_1", "running", 5);
    const auto merged = merge_replay(std::vector<PartPage>{{0, a}, {3, b}});
    ASSERT_TRUE(merged);
    EXPECT_EQ(*merged,
              R"({"id":"rp_1","status":"running","scanned":7,"matched":7,"notDue":0,)"
              R"("delivered":7,"failed":2,"dryRun":false,)"
              R"("range":[{"shard":0,"from":1,"to":9,"partition":0},)"
              R"({"shard":0,"from":1,"to":9,"partition":3}],)"
              R"("position":[{"shard":0,"offset":2,"partition":0},)"
              R"({"shard":0,"offset":5,"partition":3}],"error":null,)"
              R"("createdAt":"2026-01-02T00:00:02.000Z","updatedAt":"2026-01-02T00:00:05.000Z",)"
              R"("request":{"pace":"instant"}})");
}

TEST(ReplayMerge, SaysWhoseErrorItIsAndNoPlaceWhereNobodyKnowsOne) {
    const std::string a =
        R"({"id":"r","status":"failed","range":null,"position":null,"error":null})";
    const std::string b =
        R"({"id":"r","status":"failed","range":null,"position":null,"error":"no room"})";
    const auto merged = merge_replay(std::vector<PartPage>{{0, a}, {2, b}});
    ASSERT_TRUE(merged);
    EXPECT_EQ(*merged, R"({"id":"r","status":"failed","range":null,"position":null,)"
                       R"("error":"partition 2: no room"})");
}

TEST(ReplayMerge, ADryRunsDifferencesAreAddedUp) {
    const std::string diff =
        R"("diff":{"compared":4,"same":3,"different":1,"missing":0,"kept":1},)";
    const std::string a = replay_text("rp_1", "completed", 2, diff);
    const auto merged = merge_replay(std::vector<PartPage>{{0, a}, {1, a}});
    ASSERT_TRUE(merged);
    EXPECT_NE(merged->find(R"("diff":{"compared":8,"same":6,"different":2,"missing":0,)"),
              std::string::npos)
        << *merged;
}

TEST(ReplayMerge, RunsWhileAnyRunsAndFailsIfAnyFailed) {
    using Statuses = std::vector<std::string_view>;
    EXPECT_EQ(merged_status(Statuses{"completed", "running", "failed"}), "running");
    EXPECT_EQ(merged_status(Statuses{"completed", "cancelled", "failed"}), "failed");
    EXPECT_EQ(merged_status(Statuses{"completed", "cancelled"}), "cancelled");
    EXPECT_EQ(merged_status(Statuses{"completed", "completed"}), "completed");
    const std::string good = replay_text("r", "completed", 1);
    EXPECT_FALSE(merge_replay(std::vector<PartPage>{{0, good}, {1, "[]"}}));
}

std::string replay_page(std::initializer_list<std::pair<int, std::string>> items, bool more) {
    std::string list, places;
    for (const auto& [at, text] : items) {
        list += (list.empty() ? "" : ",") + text;
        places += (places.empty() ? "" : ",") + (R"({"at":)" + std::to_string(at)) +
                  R"(,"next":"c)" + std::to_string(at) + R"("})";
    }
    return R"({"items":[)" + list + R"(],"next":)" + (more ? R"("x")" : "null") + R"(,"places":[)" +
           places + R"(],"begin":""})";
}

TEST(ReplayMerge, PagesAreOneListTheNewestFirst) {
    const std::string a = replay_page(
        {{5, replay_text("rp_5", "running", 1)}, {3, replay_text("rp_3", "failed", 1)}}, true);
    const std::string b = replay_page(
        {{5, replay_text("rp_5", "completed", 2)}, {4, replay_text("rp_4", "completed", 2)}},
        false);
    const auto merged = merge_replay_pages(std::vector<PartPage>{{0, a}, {1, b}}, 2);
    ASSERT_TRUE(merged);
    core::JsonDom dom;
    auto root = dom.parse(*merged);
    core::JsonElement member, id;
    core::JsonArray items;
    ASSERT_TRUE(root && root->find("items", member) && member.get(items));
    std::vector<std::string> ids;
    for (const core::JsonElement item : items) {
        ASSERT_TRUE(item.find("id", id));
        ids.emplace_back(id.raw());
    }
    EXPECT_EQ(ids, (std::vector<std::string>{"\"rp_5\"", "\"rp_4\""}));
    EXPECT_NE(merged->find(R"("id":"rp_5","status":"running","scanned":3)"), std::string::npos);
    EXPECT_NE(merged->find(R"("next":"c4")"), std::string::npos) << *merged;
    const auto all = merge_replay_pages(std::vector<PartPage>{{1, b}}, 50);
    ASSERT_TRUE(all);
    EXPECT_NE(all->find(R"("next":null)"), std::string::npos);
}

}  // namespace
}  // namespace millrace::runtime::node
