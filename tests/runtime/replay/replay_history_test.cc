// Goal: so many replays of a tenant stay on record, and a list walks through all that are there.
// Method: the index alone.
#include "runtime/replay/replay_history.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{3};

TEST(ReplayHistory, FinishedOnesBeyondTheNewestLeaveWithOneThatEnds) {
    ReplayHistory history;
    history.add(kTenant, {.created_at_us = 1, .id = "old", .running = true});
    for (std::size_t i = 0; i < ReplayHistory::kFinishedMax; ++i) {
        const auto created = static_cast<std::int64_t>(10 + i);
        history.add(kTenant, {.created_at_us = created, .id = "r" + std::to_string(i)});
        history.add(core::TenantId{4}, {.created_at_us = created, .id = "o" + std::to_string(i)});
    }
    history.add(kTenant, {.created_at_us = 5000, .id = "new", .running = true});
    const auto leaving = history.end(kTenant, "new");
    ASSERT_EQ(leaving.size(), 1u);
    EXPECT_EQ(leaving[0].id, "r0") << "the oldest that has ended; one that runs stays";
    EXPECT_EQ(history.page(kTenant, "", 5000)->ids.size(), ReplayHistory::kFinishedMax + 1);
    // It has ended last, and is the oldest all the same.
    EXPECT_EQ(history.end(kTenant, "old").at(0).id, "old");
}

TEST(ReplayHistory, PagesAreTheNewestFirstAndGoOnWhereOneWas) {
    ReplayHistory history;
    for (int i = 0; i < 5; ++i)
        history.add(kTenant, {.created_at_us = i / 2, .id = "r" + std::to_string(i)});
    const auto first = *history.page(kTenant, "", 2);
    EXPECT_EQ(first.ids, (std::vector<std::string>{"r4", "r2"}));
    history.add(kTenant, {.created_at_us = 9, .id = "r9"});
    const auto second = *history.page(kTenant, first.next, 2);
    EXPECT_EQ(second.ids, (std::vector<std::string>{"r3", "r0"}));
    const auto third = *history.page(kTenant, second.next, 2);
    EXPECT_EQ(third.ids, (std::vector<std::string>{"r1"}));
    EXPECT_EQ(third.next, "");
    EXPECT_EQ(history.page(kTenant, "1 gone", 1)->ids, (std::vector<std::string>{"r2"}));
    EXPECT_FALSE(history.page(kTenant, "r2", 2));
    EXPECT_TRUE(history.page(core::TenantId{8}, "", 2)->ids.empty());
}

TEST(ReplayHistory, DifferencesOfTheNewestDryRunsAreKept) {
    ReplayHistory history;
    for (int i = 0; i < 9; ++i)
        history.add(kTenant,
                    {.created_at_us = i, .id = "d" + std::to_string(i), .has_differences = i != 4});
    EXPECT_EQ(history.old_differences(kTenant), (std::vector<std::string>{"d0"}));
    EXPECT_TRUE(history.old_differences(kTenant).empty());
}

}  // namespace
}  // namespace millrace::runtime
