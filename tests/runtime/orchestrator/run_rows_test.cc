// Goal: what is stored of a run comes back as it was, and opens only where it belongs: for its
// tenant, workflow, run, step and place; a rotation leaves what there is readable. Method: rows in
// a batch, read back, moved about.
#include "runtime/orchestrator/run_rows.h"

#include "runtime/orchestrator/run_begin.h"
#include "runtime/orchestrator/run_keys.h"
#include "runtime/workflow/asked.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

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
            const std::size_t begin = view.value.find_first_of("[{");
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

// After wf.continueAsNew the code has not been run yet when its new beginning is stored: whoever
// came up then did not know of it, and the run stood still.
TEST(RunRows, TheMarkOfARunWhoseCodeHasNotBeenRunSaysSo) {
    auto of = std::make_shared<Workflow>();
    of->definition = workflow::code_definition("w", "w", 1);
    StoredRun run;
    run.workflow = of;
    std::vector<workflow::Effect> effects;
    workflow::Input start;
    start.kind = workflow::InputKind::kStart;
    start.at_us = 7;
    ASSERT_TRUE(workflow::decide(of->definition, run.state, start, effects));
    run.state.heard = 1;  // in this process it is done when that is durable
    EXPECT_FALSE(mark_of(run).busy);
    EXPECT_TRUE(mark_of(run).waits);
    const std::vector<std::string> steps = {R"({"id":"sleep:1","type":"sleep","durationMs":5})"};
    workflow::Input asked;
    asked.kind = workflow::InputKind::kAsked;
    asked.at_us = 8;
    asked.value = workflow::write_asked(steps, {});
    ASSERT_TRUE(workflow::grow(of->definition, asked.value));
    ASSERT_TRUE(workflow::decide(of->definition, run.state, asked, effects));
    EXPECT_FALSE(mark_of(run).waits);
    EXPECT_EQ(mark_of(run).due_us, 5'008);
    workflow::Input pause;
    pause.kind = workflow::InputKind::kPause;
    workflow::Input time;
    time.kind = workflow::InputKind::kTime;
    time.at_us = 5'008;
    ASSERT_TRUE(workflow::decide(of->definition, run.state, time, effects));
    run.state.heard = run.state.ended.size() + 1;
    EXPECT_TRUE(mark_of(run).waits);
    ASSERT_TRUE(workflow::decide(of->definition, run.state, pause, effects));
    EXPECT_FALSE(mark_of(run).waits);
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

TEST(RunKeys, EntriesOfOneCommitAreOneRowThatOpensAtItsPlace) {
    MemoryRegistryRows registry;
    RunKeys keys(&registry);
    ASSERT_TRUE(keys.ensure(core::TenantId(4), 1));
    RunHead head = head_of(4, "run_1");
    const auto [key, wrapped] = keys.make(head.run, head.workflow_id);
    head.key = wrapped;
    const std::vector<std::string> inputs = {R"({"n":1})", "{\"n\": [2,\n3]}", R"({"s":"],"})"};
    for (const std::string& with : {key, std::string()}) {
        store::RowBatch rows;
        put_entries(rows, head, with, 1, "a,b,c", inputs);
        const std::string text = text_of(rows, kRunJournalKind);
        EXPECT_EQ(text.find("[2,") == std::string::npos, !with.empty());
        std::vector<std::string> journal = {"{}"};
        ASSERT_TRUE(open_entries(head, with, text, journal));
        ASSERT_EQ(journal.size(), 4u);
        EXPECT_EQ(std::vector<std::string>(journal.begin() + 1, journal.end()), inputs);
        if (with.empty()) continue;
        std::vector<std::string> none;
        EXPECT_FALSE(open_entries(head, with, text, none)) << "at another place";
        EXPECT_TRUE(none.empty());
    }
    store::RowBatch rows;
    put_entries(rows, head, key, 0, "a", std::vector<std::string>{"{}"});
    EXPECT_TRUE(open_entry(head, key, 0, text_of(rows, kRunJournalKind))) << "one is as ever";

    store::RowBatch many;
    const std::vector<std::string> ends(300, "{}");
    put_entries(many, head, key, 0, std::string(300 * 20, 's'), ends);
    std::vector<std::string> journal;
    ASSERT_TRUE(open_entries(head, key, text_of(many, kRunJournalKind), journal));
    EXPECT_EQ(journal, ends) << "whatever the names of their steps come to";
}

TEST(RunKeys, RotateWithoutLosingWhatThereIs) {
    MemoryRegistryRows registry;
    RunHead before = head_of(4, "run_1"), after = head_of(4, "run_2");
    std::string key;
    {
        RunKeys keys(&registry);
        ASSERT_TRUE(keys.ensure(core::TenantId(4), 1));
        std::tie(key, before.key) = keys.make(before.run, before.workflow_id);
        ASSERT_TRUE(keys.rotate(core::TenantId(4), 2, ""));
        after.key = keys.make(after.run, after.workflow_id).second;
    }
    EXPECT_EQ(RunKeys::version_of(before.key), 1u);
    EXPECT_EQ(RunKeys::version_of(after.key), 2u);
    RunKeys again(&registry);
    ASSERT_TRUE(again.load());
    EXPECT_EQ(*again.unwrap(before), key);
    EXPECT_TRUE(again.unwrap(after));
    // Wrapped anew it needs the old version no more, and what was sealed with it opens as before.
    const auto anew = again.wrap_anew(before);
    ASSERT_TRUE(anew && *anew);
    EXPECT_FALSE(*again.wrap_anew(after)) << "the newest has wrapped it";
    RunHead moved = before;
    moved.key = **anew;
    ASSERT_TRUE(again.drop_below(core::TenantId(4), 2, 3));
    EXPECT_EQ(*again.unwrap(moved), key);
    EXPECT_TRUE(again.unwrap(after));
    const auto gone = again.unwrap(before);
    ASSERT_FALSE(gone);
    EXPECT_NE(gone.error().message.find("version 1"), std::string::npos);
    RunKeys third(&registry);
    ASSERT_TRUE(third.load());
    EXPECT_EQ(third.versions(core::TenantId(4)).size(), 1u);
    EXPECT_EQ(*third.unwrap(moved), key);
}

// With another key of secrets none of them opens; a new one took the place of the first, and with
// the right key again nothing that it had wrapped was left to open.
TEST(RunKeys, LeaveAVersionThatDoesNotOpenWhereItIs) {
    MemoryRegistryRows registry;
    RunHead run = head_of(4, "run_1");
    std::string key;
    {
        RunKeys keys(&registry);
        ASSERT_TRUE(keys.ensure(core::TenantId(4), 1));
        ASSERT_TRUE(keys.rotate(core::TenantId(4), 2, ""));
        std::tie(key, run.key) = keys.make(run.run, run.workflow_id);
    }
    const auto right = registry.rows;
    for (auto& [name, row] : registry.rows) row.json = R"({"sealed":"AAAA"})";
    {
        RunKeys keys(&registry);
        ASSERT_TRUE(keys.load());
        EXPECT_EQ(registry.aside.size(), 2u);
        EXPECT_TRUE(keys.is_missing(core::TenantId(4)));
        EXPECT_FALSE(keys.unwrap(run));
        ASSERT_TRUE(keys.ensure(core::TenantId(4), 3));
        EXPECT_FALSE(keys.is_missing(core::TenantId(4)));
        EXPECT_EQ(keys.newest(core::TenantId(4)), 3u);
        EXPECT_EQ(*keys.rotate(core::TenantId(4), 4, ""), 4u);
    }
    for (const auto& [name, row] : right) registry.rows.at(name) = row;
    RunKeys again(&registry);
    ASSERT_TRUE(again.load());
    EXPECT_EQ(*again.unwrap(run), key);
    RunKeys unsealed(nullptr);
    EXPECT_FALSE(unsealed.is_missing(core::TenantId(4)));
}

// The process may die between any two commits of a rotation: whatever is on the disk then opens.
TEST(RunKeys, OpenEveryRunAtEachPointOfARotation) {
    MemoryRegistryRows registry;
    std::vector<RunHead> heads;
    std::vector<std::string> plain;
    {
        RunKeys keys(&registry);
        ASSERT_TRUE(keys.ensure(core::TenantId(4), 1));
        for (int i = 0; i < 5; ++i) {
            heads.push_back(head_of(4, "run_" + std::to_string(i)));
            std::string key;
            std::tie(key, heads.back().key) = keys.make(heads.back().run, "orders");
            plain.push_back(key);
        }
        ASSERT_TRUE(keys.rotate(core::TenantId(4), 2, ""));
    }
    const auto all_open = [&] {
        RunKeys keys(&registry);
        EXPECT_TRUE(keys.load());
        for (std::size_t i = 0; i < heads.size(); ++i) EXPECT_EQ(*keys.unwrap(heads[i]), plain[i]);
    };
    all_open();
    for (RunHead& head : heads) {
        RunKeys keys(&registry);
        ASSERT_TRUE(keys.load());
        head.key = **keys.wrap_anew(head);
        all_open();
    }
    RunKeys keys(&registry);
    ASSERT_TRUE(keys.load());
    EXPECT_EQ(keys.rotating().size(), 1u);
    ASSERT_TRUE(keys.drop_below(core::TenantId(4), 2, 3));
    EXPECT_TRUE(keys.rotating().empty());
    all_open();
}

TEST(RunKeys, RefuseRunsThatTwoTenantsHaveSwapped) {
    MemoryRegistryRows registry;
    RunKeys keys(&registry);
    store::RowBatch rows[2];
    RunHead heads[2] = {head_of(4, "run_1"), head_of(5, "run_1")};
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(keys.ensure(heads[i].run.tenant, 1));
        const auto [key, wrapped] = keys.make(heads[i].run, heads[i].workflow_id);
        heads[i].key = wrapped;
        put_entry(rows[i], heads[i], key, 0, "", "{}");
    }
    // Entry alone, head alone, and both: neither opens for the other.
    std::string keys_of[2] = {*keys.unwrap(heads[0]), *keys.unwrap(heads[1])};
    EXPECT_FALSE(open_entry(heads[0], keys_of[0], 0, text_of(rows[1], kRunJournalKind)));
    std::swap(heads[0].key, heads[1].key);
    EXPECT_FALSE(keys.unwrap(heads[0]));
    EXPECT_FALSE(keys.unwrap(heads[1]));
    EXPECT_FALSE(open_entry(heads[0], keys_of[1], 0, text_of(rows[1], kRunJournalKind)))
        << "an entry says for whom it is";
}

TEST(RunKeys, NeverSealTwiceWithTheSameNonce) {
    MemoryRegistryRows registry;
    RunKeys keys(&registry);
    ASSERT_TRUE(keys.ensure(core::TenantId(4), 1));
    RunHead head = head_of(4, "run_1");
    const auto [key, wrapped] = keys.make(head.run, head.workflow_id);
    std::set<std::string> nonces;
    constexpr std::size_t kSeals = 100'000;
    for (std::size_t i = 0; i < kSeals; ++i) {
        store::RowBatch rows;
        put_entry(rows, head, key, 7, "pay", "{}");  // the same each time, as after deaths
        const std::string text = text_of(rows, kRunJournalKind);
        const std::size_t at = text.find(R"("sealed":")") + 10;
        nonces.insert(text.substr(at, 16));  // 12 bytes as base64
    }
    EXPECT_EQ(nonces.size(), kSeals);
}

TEST(RunRows, RemoveAllThatThereIsOfAnOldRun) {
    RunHead head = head_of(4, "run_1");
    head.ended_us = head.started_us + 77;
    store::RowBatch rows;
    put_order(rows, head);
    put_head(rows, head);
    put_entry(rows, head, "", 0, "", "{}");
    put_entry(rows, head, "", 1, "", "{}");
    put_ended(rows, head, 2);
    std::set<std::string> kept;
    std::string ended_id, ended_text;
    std::size_t at = 0;
    store::RowBatch::OpView view;
    while (rows.next(at, view)) {
        kept.insert(std::string(view.key));
        if (!view.key.starts_with(kRunEndedKind)) continue;
        ended_id = view.key.substr(kRunEndedKind.size() + 1);
        ended_text = view.value.substr(view.value.find('{'));
    }
    EXPECT_EQ(ended_us_of(ended_id), head.ended_us);
    store::RowBatch erases;
    ASSERT_TRUE(erase_ended(erases, ended_id, ended_text));
    at = 0;
    while (erases.next(at, view)) kept.erase(std::string(view.key));
    EXPECT_TRUE(kept.empty()) << *kept.begin();
}

}  // namespace
}  // namespace millrace::runtime
