// Goal: what is stored of a run comes back as it was, and opens only where it belongs: for its
// tenant, workflow, run, step and place; a rotation leaves what there is readable. Method: rows in
// a batch, read back, moved about.
#include "runtime/orchestrator/run_rows.h"

#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace millrace::runtime {
namespace {

RunHead head_of(std::uint32_t tenant, const std::string& run) {
    RunHead head;
    head.run = {core::TenantId(tenant), run};
    head.workflow_id = "orders";
    head.version = 3;
    head.started_us = 1'700'000'000'000'000;
    head.updated_us = head.started_us + 5;
    head.status = workflow::RunStatus::kWaiting;
    head.event_id = "e\"1";
    head.parent = {"run_0", "s-1", 2, 3};
    head.log_ends = {7, 0, 99};
    return head;
}

// The text of the one row of this kind.
std::string text_of(const store::RowBatch& rows, std::string_view kind) {
    std::size_t at = 0;
    store::RowBatch::OpView view;
    while (rows.next(at, view)) {
        if (view.key.starts_with(kind)) {
            const std::size_t begin = view.value.find('{');
            return std::string(view.value.substr(begin));
        }
    }
    return {};
}

TEST(RunRows, BringTheHeadBack) {
    const RunHead head = head_of(4, "run_1");
    store::RowBatch rows;
    put_head(rows, head);
    auto back = read_head(head.run, text_of(rows, kRunHeadKind));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->version, 3u);
    EXPECT_EQ(back->status, workflow::RunStatus::kWaiting);
    EXPECT_EQ(back->event_id, "e\"1");
    EXPECT_EQ(back->parent.step, "s-1");
    EXPECT_EQ(back->log_ends, head.log_ends);
    EXPECT_EQ(run_of_row(run_row_id(head.run)), head.run);
}

TEST(RunRows, ListTheNewestFirst) {
    RunHead old = head_of(4, "run_1"), fresh = head_of(4, "run_2");
    fresh.started_us = old.started_us + 1;
    EXPECT_LT(order_row_id(fresh), order_row_id(old));
    EXPECT_EQ(run_of_row(order_row_id(fresh)), fresh.run);
}

TEST(RunKeys, OpenAnEntryWhereItBelongsAndNowhereElse) {
    MemoryRegistryRows registry;
    RunKeys keys(&registry);
    ASSERT_TRUE(keys.ensure(core::TenantId(4), 1));
    ASSERT_TRUE(keys.ensure(core::TenantId(5), 1));
    RunHead head = head_of(4, "run_1");
    const auto [key, wrapped] = keys.make(head.run, head.workflow_id);
    head.key = wrapped;
    store::RowBatch rows;
    put_entry(rows, head, key, 2, "pay", R"({"secret":"in clear"})");
    const std::string text = text_of(rows, kRunJournalKind);
    EXPECT_EQ(text.find("in clear"), std::string::npos);
    auto opened = open_entry(head, *keys.unwrap(head), 2, text);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(*opened, R"({"secret":"in clear"})");
    EXPECT_FALSE(open_entry(head, key, 3, text)) << "at another place";
    RunHead other = head;
    other.run.id = "run_2";
    EXPECT_FALSE(open_entry(other, key, 2, text)) << "of another run";
    EXPECT_FALSE(keys.unwrap(other)) << "another run's key";
    other = head;
    other.run.tenant = core::TenantId(5);
    EXPECT_FALSE(keys.unwrap(other)) << "another tenant's key";
    EXPECT_FALSE(open_entry(other, key, 2, text)) << "of another tenant";
}

TEST(RunKeys, RotateWithoutLosingWhatThereIs) {
    MemoryRegistryRows registry;
    RunHead before = head_of(4, "run_1"), after = head_of(4, "run_2");
    std::string key;
    {
        RunKeys keys(&registry);
        ASSERT_TRUE(keys.ensure(core::TenantId(4), 1));
        std::tie(key, before.key) = keys.make(before.run, before.workflow_id);
        ASSERT_TRUE(keys.rotate(core::TenantId(4), 2));
        after.key = keys.make(after.run, after.workflow_id).second;
    }
    EXPECT_TRUE(before.key.starts_with("1:"));
    EXPECT_TRUE(after.key.starts_with("2:"));
    RunKeys again(&registry);
    ASSERT_TRUE(again.load());
    EXPECT_EQ(*again.unwrap(before), key);
    EXPECT_TRUE(again.unwrap(after));
}

}  // namespace
}  // namespace millrace::runtime
