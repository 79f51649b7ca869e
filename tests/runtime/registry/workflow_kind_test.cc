// Goal: workflows are documents whose versions are their own: they go up, never change, and are all
// there after a start; what names one that is not there is refused, and one that is named stays.
// Method: a registry over rows in memory, opened again.
#include "runtime/registry/registry.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{3};

struct Opened {
    explicit Opened(MemoryRegistryRows& of) : rows(of) {}

    MemoryRegistryRows& rows;
    core::ManualClock clock{0};
    core::Random random{1};
    std::unique_ptr<Registry> registry = std::move(*Registry::open(rows, clock, random, {}));

    DocumentTable<Workflow>& table() { return registry->table<Workflow>(); }
    std::vector<std::uint32_t> versions() {
        std::vector<std::uint32_t> out;
        for (const WorkflowRef& one : table().versions(kTenant, "w")) out.push_back(one->version);
        return out;
    }
};

std::string body(const std::string& duration, const std::string& more = {}) {
    return R"({"id":"w",)" + more + R"("steps":[{"id":"s","type":"sleep","duration":")" + duration +
           R"("}]})";
}

TEST(WorkflowKind, CountsVersionsUnlessTheBodySaysThem) {
    MemoryRegistryRows rows;
    Opened first(rows);
    const ChangeContext context{.tenant = kTenant};
    ASSERT_TRUE(first.table().create(context, body("1m", R"("version":4,)")));
    ASSERT_TRUE(first.table().put(context, "w", body("2m")));
    const auto low = first.table().put(context, "w", body("3m", R"("version":2,)"));
    ASSERT_FALSE(low);
    EXPECT_EQ(low.error().code, core::ErrorCode::kConflict);
    EXPECT_EQ(low.error().field, "version");
    ASSERT_TRUE(first.table().put(context, "w", body("3m", R"("version":9,)")));
    EXPECT_EQ(first.versions(), (std::vector<std::uint32_t>{4, 5, 9}));
    Opened again(rows);
    EXPECT_TRUE(rows.aside.empty()) << rows.aside.front();
    EXPECT_EQ(again.versions(), (std::vector<std::uint32_t>{4, 5, 9}));
    const WorkflowRef middle = again.table().versions(kTenant, "w")[1];
    EXPECT_EQ(middle->definition.version, 5u);
    EXPECT_EQ(middle->definition.steps[0].duration, R"("2m")");
    EXPECT_EQ(document_kind<Workflow>().show(*middle),
              document_kind<Workflow>().show(*first.table().versions(kTenant, "w")[1]));
}

TEST(WorkflowKind, TakesWhatItShows) {
    MemoryRegistryRows rows;
    Opened opened(rows);
    const ChangeContext context{.tenant = kTenant};
    const auto made = opened.table().create(context, body("1m", R"("timeout_ms":5,"name":"N",)"));
    ASSERT_TRUE(made) << made.error().message;
    const auto sent = read_workflow(kTenant, "w", document_kind<Workflow>().show(*made->after),
                                    workflow::Unknown::kWarn);
    ASSERT_TRUE(sent) << sent.error().message;
    EXPECT_TRUE(sent->says_what(*made->after));
    EXPECT_EQ(sent->version, 1u);
}

TEST(WorkflowKind, IsNeededByWhoBeginsIt) {
    MemoryRegistryRows rows;
    Opened opened(rows);
    const ChangeContext context{.tenant = kTenant};
    const std::string subscription =
        R"({"id":"s","pattern":"a","executor":{"type":"workflow","workflowId":"w"}})";
    const auto early = opened.registry->create_subscription(kTenant, subscription, {});
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().field, "executor.workflowId");
    ASSERT_TRUE(opened.table().create(context, body("1m")));
    const auto made = opened.registry->create_subscription(kTenant, subscription, {});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_NE((*made)->executor.workflow.value, 0u);
    EXPECT_EQ((*made)->executor.script.value, 0u);
    EXPECT_FALSE(opened.table().remove(context, "w"));
    ASSERT_TRUE(opened.registry->remove_subscription(kTenant, "s"));
    EXPECT_TRUE(opened.table().remove(context, "w"));
}

TEST(WorkflowKind, LosesOneVersionButNotTheNewest) {
    MemoryRegistryRows rows;
    Opened opened(rows);
    const ChangeContext context{.tenant = kTenant};
    ASSERT_TRUE(opened.table().create(context, body("1m")));
    ASSERT_TRUE(opened.table().put(context, "w", body("2m")));
    EXPECT_FALSE(opened.table().remove_version(context, "w", 2));
    EXPECT_FALSE(opened.table().remove_version(context, "w", 7));
    ASSERT_TRUE(opened.table().remove_version(context, "w", 1));
    EXPECT_EQ(opened.versions(), std::vector<std::uint32_t>{2});
    Opened again(rows);
    EXPECT_EQ(again.versions(), std::vector<std::uint32_t>{2});
}

}  // namespace
}  // namespace millrace::runtime
