// Goal: workflows that were kept before they were documents are documents after a start: each
// version with its number and its text, found by those who name it; done once, or not at all.
// Method: a folder with the rows that were written then, byte for byte; and rows in memory where
// something stands in the way.
#include "runtime/registry/earlier_workflows.h"

#include "runtime/registry/overlaid_rows.h"
#include "runtime/registry/registry.h"
#include "tests/runtime/registry/memory_registry_rows.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kEarlierTenant{26};

// As it was written then.
RegistryRow earlier_row(core::TenantId tenant, const std::string& id, std::uint32_t version,
                        const std::string& body) {
    char text[32];
    std::snprintf(text, sizeof text, "%08x/", tenant.value);
    std::string row = text + id;
    std::snprintf(text, sizeof text, "/%08x", version);
    return {"workflow", row + text, version, 1'000 + version, body};
}

std::string earlier_text(const std::string& id, std::uint32_t version,
                         const std::string& duration) {
    return R"({"id":")" + id + R"(","name":"N \u00e9","description":"d","steps":[{"id":"s",)" +
           R"("type":"sleep","duration":")" + duration + R"("}],"timeout_ms":5000,"version":)" +
           std::to_string(version) + "}";
}

std::vector<std::uint32_t> earlier_versions(Registry& registry, core::TenantId tenant,
                                            const std::string& id) {
    std::vector<std::uint32_t> out;
    for (const WorkflowRef& one : registry.table<Workflow>().versions(tenant, id))
        out.push_back(one->version);
    return out;
}

class EarlierWorkflowsInAFolder : public store::test::StoreTest {
protected:
    core::Log log_{clock_, core::LogLevel::kOff};
    core::Random random_{1};
};

TEST_F(EarlierWorkflowsInAFolder, AreDocumentsAfterAStart) {
    open();
    {
        store::RowBatch batch;
        for (const RegistryRow& row : {
                 earlier_row(kEarlierTenant, "w", 1, earlier_text("w", 1, "1m")),
                 earlier_row(kEarlierTenant, "w", 16, earlier_text("w", 16, "2m")),
                 earlier_row(core::TenantId(0), "other", 2, earlier_text("other", 2, "3m")),
             })
            batch.put_registry(row.kind, row.id, row.version, row.updated_at_us, row.json);
        ASSERT_TRUE(database_->write_now(batch));
    }
    for (int start = 0; start < 2; ++start) {
        reopen();
        SetAside aside(log_);
        StoreRegistryRows rows(*database_, aside);
        ASSERT_TRUE(take_over_earlier_workflows(rows, clock_));
        auto registry = std::move(*Registry::open(rows, clock_, random_, {}));
        EXPECT_EQ(aside.count(), 0u);
        EXPECT_EQ(earlier_versions(*registry, kEarlierTenant, "w"),
                  (std::vector<std::uint32_t>{1, 16}));
        EXPECT_EQ(earlier_versions(*registry, core::TenantId(0), "other"),
                  std::vector<std::uint32_t>{2});
        const WorkflowRef newest = registry->table<Workflow>().find(kEarlierTenant, "w");
        ASSERT_TRUE(newest);
        EXPECT_EQ(newest->version, 16u);
        EXPECT_EQ(newest->definition.version, 16u);
        EXPECT_EQ(newest->definition.timeout_ms, 5'000);
        EXPECT_EQ(newest->name, "N \u00e9");
        EXPECT_EQ(newest->created_at_us, 1'001);
        EXPECT_EQ(newest->updated_at_us, 1'016);
        const WorkflowRef first = registry->table<Workflow>().versions(kEarlierTenant, "w")[0];
        EXPECT_EQ(first->definition.steps[0].duration, R"("1m")");
        EXPECT_NE(document_kind<Workflow>().show(*first).find(R"("description":"d")"),
                  std::string::npos);
        if (start == 1) {
            // What names it finds it, and it goes on as documents do.
            const auto made = registry->create_subscription(
                kEarlierTenant,
                R"({"id":"s","pattern":"a","executor":{"type":"workflow","workflowId":"w"}})", {});
            ASSERT_TRUE(made) << made.error().message;
            const ChangeContext context{.tenant = kEarlierTenant};
            const auto next = registry->table<Workflow>().put(context, "w", R"({"id":"w","steps":
                [{"id":"s","type":"sleep","duration":"9m"}]})");
            ASSERT_TRUE(next) << next.error().message;
            EXPECT_EQ(next->after->version, 17u);
            const auto fresh =
                registry->table<Workflow>().create(context, earlier_text("fresh", 1, "1m"));
            ASSERT_TRUE(fresh);
            EXPECT_EQ(fresh->after->number.value, 3u);
        }
    }
}

TEST(EarlierWorkflows, ThatDoNotReadStayWhatTheyWere) {
    MemoryRegistryRows rows;
    core::ManualClock clock{0};
    core::Random random{1};
    const RegistryRow bad =
        earlier_row(kEarlierTenant, "w", 2, R"({"id":"w","steps":[],"version":2})");
    const RegistryRow good = earlier_row(kEarlierTenant, "w", 1, earlier_text("w", 1, "1m"));
    for (const RegistryRow& row : {bad, good}) rows.rows[{row.kind, row.id}] = row;
    ASSERT_TRUE(take_over_earlier_workflows(rows, clock));
    auto registry = std::move(*Registry::open(rows, clock, random, {}));
    EXPECT_EQ(earlier_versions(*registry, kEarlierTenant, "w"), std::vector<std::uint32_t>{1});
    EXPECT_EQ(rows.aside.size(), 1u);
    EXPECT_TRUE(rows.rows.contains({bad.kind, bad.id}));
    EXPECT_FALSE(rows.rows.contains({good.kind, good.id}));
    // The document is removed as any other is.
    ASSERT_TRUE(registry->table<Workflow>().remove({.tenant = kEarlierTenant}, "w"));
    EXPECT_EQ(registry->table<Workflow>().find(kEarlierTenant, "w"), nullptr);
}

TEST(EarlierWorkflows, StandBelowADocumentThatWasMadeMeanwhile) {
    MemoryRegistryRows rows;
    core::ManualClock clock{0};
    core::Random random{1};
    {
        auto registry = std::move(*Registry::open(rows, clock, random, {}));
        ASSERT_TRUE(registry->table<Workflow>().create({.tenant = kEarlierTenant},
                                                       earlier_text("w", 3, "2h")));
        ASSERT_TRUE(registry->table<Workflow>().put({.tenant = kEarlierTenant}, "w",
                                                    earlier_text("w", 4, "1h")));
    }
    for (const std::uint32_t version : {1u, 3u, 7u}) {
        const RegistryRow row =
            earlier_row(kEarlierTenant, "w", version, earlier_text("w", version, "1m"));
        rows.rows[{row.kind, row.id}] = row;
    }
    ASSERT_TRUE(take_over_earlier_workflows(rows, clock));
    auto registry = std::move(*Registry::open(rows, clock, random, {}));
    EXPECT_EQ(earlier_versions(*registry, kEarlierTenant, "w"),
              (std::vector<std::uint32_t>{1, 3, 4}));
    EXPECT_EQ(registry->table<Workflow>().find(kEarlierTenant, "w")->version, 4u);
    EXPECT_EQ(rows.aside.size(), 2u);
}

TEST(EarlierWorkflows, AreReadWhereNothingIsWritten) {
    MemoryRegistryRows rows;
    core::ManualClock clock{0};
    core::Random random{1};
    const RegistryRow bad =
        earlier_row(kEarlierTenant, "w", 2, R"({"id":"w","steps":[],"version":2})");
    const RegistryRow good = earlier_row(kEarlierTenant, "w", 1, earlier_text("w", 1, "1m"));
    for (const RegistryRow& row : {bad, good}) rows.rows[{row.kind, row.id}] = row;
    rows.failing = true;
    OverlaidRows overlaid(rows);
    ASSERT_TRUE(take_over_earlier_workflows(overlaid, clock));
    auto registry = std::move(*Registry::open(overlaid, clock, random, {}));
    EXPECT_EQ(earlier_versions(*registry, kEarlierTenant, "w"), std::vector<std::uint32_t>{1});
    EXPECT_EQ(rows.aside.size(), 1u) << "the one that a start could not read either";
    EXPECT_EQ(rows.rows.size(), 2u);
}

TEST(EarlierWorkflows, AreLeftAloneWhereNothingCanBeWritten) {
    MemoryRegistryRows rows;
    core::ManualClock clock{0};
    const RegistryRow row = earlier_row(kEarlierTenant, "w", 1, earlier_text("w", 1, "1m"));
    rows.rows[{row.kind, row.id}] = row;
    const auto before = rows.rows.size();
    rows.failing = true;
    EXPECT_FALSE(take_over_earlier_workflows(rows, clock));
    EXPECT_EQ(rows.rows.size(), before);
    rows.failing = false;
    EXPECT_TRUE(take_over_earlier_workflows(rows, clock));
    const std::size_t commits = rows.audits.size();
    EXPECT_TRUE(take_over_earlier_workflows(rows, clock));
    EXPECT_EQ(rows.audits.size(), commits);
}

}  // namespace
}  // namespace millrace::runtime
