// Goal: of the scripts that runs are pinned to those go that nobody needs: not the newest version,
// not one that a stored run, or one on its way, is pinned to; and whoever is pinned to a version
// while it is looked at keeps it. Method: rows in a folder, walked to the end.
#include "runtime/orchestrator/code_upkeep.h"

#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

Script script_of(std::uint32_t tenant, const std::string& id, std::uint32_t version) {
    Script out;
    out.tenant = core::TenantId(tenant);
    out.id = out.name = id;
    out.version = version;
    out.type = ScriptType::kWorkflow;
    out.source = "return function() end";
    out.created_at_us = 77;
    out.timeout_ms = 1'000;
    out.memory_bytes = 4 << 20;
    return out;
}

RunHead pinned_head(std::uint32_t tenant, const std::string& run, const std::string& script,
                    std::uint32_t version) {
    RunHead head;
    head.run = {core::TenantId(tenant), run};
    head.workflow_id = script;
    head.version = version;
    head.status = workflow::RunStatus::kCompleted;
    head.code_made_us = 77;
    return head;
}

class CodeUpkeepTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        book_ = std::make_unique<CodeBook>(*database_);
    }
    void put_code(const Script& script) {
        store::RowBatch rows;
        book_->keep(rows, script);
        commit(kZero, std::move(rows));
    }
    void put_run(const RunHead& head) {
        store::RowBatch rows;
        put_head(rows, head);
        commit(kZero, std::move(rows));
    }
    CodeUpkeep make_upkeep() {
        return CodeUpkeep({
            .database = database_.get(),
            .codes = book_.get(),
            .every_us = 1,
            .is_newest =
                [this](const CodeBook::Name& code) {
                    return newest_.contains({code.script_id, code.version});
                },
            .visit_in_memory =
                [this](const CodeUpkeep::VisitHead& visit) {
                    for (const RunHead& head : in_memory_) visit(head);
                },
            .erase =
                [this](const CodeBook::Name& code, std::function<void()> done) {
                    store::RowBatch rows;
                    rows.erase_registry(kRunCodeKind, code.row);
                    EXPECT_FALSE(book_->version(code.tenant, code.script_id, code.version));
                    commit(kZero, std::move(rows));
                    done();
                },
        });
    }
    // One whole look.
    void walk(CodeUpkeep& upkeep) {
        now_us_ += 2'000'000;
        (void)upkeep.work(now_us_);
        now_us_ += 2'000'000;
        while (upkeep.work(now_us_)) {
        }
    }
    std::vector<std::string> left() {
        std::vector<std::string> out;
        auto rows = database_->registry().load_all(kRunCodeKind);
        EXPECT_TRUE(rows);
        for (const store::RegistryDocument& row : *rows) {
            const auto name = CodeBook::name_of(row.id);
            EXPECT_TRUE(name) << row.id;
            if (!name) continue;
            EXPECT_EQ(name->made_us, 77);
            out.push_back(std::to_string(name->tenant.value) + name->script_id +
                          std::to_string(name->version));
        }
        return out;
    }

    std::unique_ptr<CodeBook> book_;
    std::set<std::pair<std::string, std::uint32_t>> newest_;
    std::vector<RunHead> in_memory_;
    std::int64_t now_us_ = 0;
};

TEST_F(CodeUpkeepTest, RemovesVersionsThatNoRunIsPinnedTo) {
    for (const std::uint32_t version : {1u, 2u, 3u, 4u}) put_code(script_of(5, "a", version));
    put_code(script_of(5, "gone", 1));
    put_code(script_of(26, "a", 1));
    put_code(script_of(26, "b", 1));
    newest_ = {{"a", 4}};
    in_memory_ = {pinned_head(5, "run_m", "a", 3)};
    for (int i = 0; i < 200; ++i) put_run(pinned_head(5, "run_" + std::to_string(i), "a", 2));
    put_run(pinned_head(26, "run_x", "b", 1));
    RunHead json = pinned_head(26, "run_y", "a", 1);
    json.code_made_us = -1;  // of a definition that has the same id
    put_run(json);
    CodeUpkeep upkeep = make_upkeep();
    walk(upkeep);
    EXPECT_EQ(left(), (std::vector<std::string>{"5a2", "5a3", "5a4", "26b1"}));
    EXPECT_EQ(upkeep.removed(), 3u);
    walk(upkeep);
    EXPECT_EQ(left().size(), 4u);
}

TEST_F(CodeUpkeepTest, LeavesWhatARunIsPinnedToMeanwhile) {
    put_code(script_of(5, "a", 1));
    put_code(script_of(5, "a", 2));
    for (int i = 0; i < 200; ++i) put_run(pinned_head(5, "run_" + std::to_string(i), "z", 1));
    CodeUpkeep upkeep = make_upkeep();
    now_us_ = 2'000'000;
    (void)upkeep.work(now_us_);
    now_us_ += 2'000'000;
    ASSERT_TRUE(upkeep.work(now_us_));
    store::RowBatch rows;
    book_->keep(rows, script_of(5, "a", 1));  // there already
    EXPECT_TRUE(rows.empty());
    while (upkeep.work(now_us_)) {
    }
    EXPECT_EQ(left(), std::vector<std::string>{"5a1"});
}

TEST_F(CodeUpkeepTest, LooksAtNoRunWhereThereIsNoOlderVersion) {
    put_code(script_of(5, "a", 1));
    newest_ = {{"a", 1}};
    CodeUpkeep upkeep = make_upkeep();
    (void)upkeep.work(1);
    EXPECT_FALSE(upkeep.work(5'000'000));
    EXPECT_EQ(left(), std::vector<std::string>{"5a1"});
}

}  // namespace
}  // namespace millrace::runtime
