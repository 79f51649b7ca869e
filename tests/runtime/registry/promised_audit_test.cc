// Goal: an entry of the audit log that was promised with another's change is in the log once, also
// when the process ends in between; what is left of a promise is nothing.
// Method: promises among rows in memory and in a folder, with a chain over them.
#include "runtime/registry/promised_audit.h"

#include "store/rows/audit_log.h"
#include "store/rows/row_batch.h"
#include "tests/runtime/registry/memory_registry_rows.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kPromisedTo{17};

TEST(PromisedAudit, HasARowOfItsOwnInTheOrderOfTime) {
    const std::string first = promised_audit_row(5, kPromisedTo),
                      again = promised_audit_row(5, kPromisedTo);
    EXPECT_NE(first, again);
    EXPECT_LT(again, promised_audit_row(6, core::TenantId(1)));
}

TEST(PromisedAudit, IsKeptOnceAndStaysWhereNothingCanBeWritten) {
    MemoryRegistryRows rows;
    for (const int at : {2, 1}) {
        const std::string id = promised_audit_row(at, kPromisedTo);
        rows.rows[{std::string(kPromisedAuditKind), id}] = {
            std::string(kPromisedAuditKind), id, 1, at, R"({"n":)" + std::to_string(at) + "}"};
    }
    rows.failing = true;
    EXPECT_FALSE(keep_promised_audits(rows));
    EXPECT_EQ(rows.rows.size(), 2u);
    rows.failing = false;
    ASSERT_TRUE(keep_promised_audits(rows));
    EXPECT_EQ(rows.audits, (std::vector<std::string>{R"({"n":1})", R"({"n":2})"}));
    EXPECT_TRUE(rows.rows.empty());
    ASSERT_TRUE(keep_promised_audits(rows));
    EXPECT_EQ(rows.audits.size(), 2u);
}

class PromisedAuditInAFolder : public store::test::StoreTest {};

TEST_F(PromisedAuditInAFolder, StandsInTheChainAfterACrash) {
    open();
    store::RowBatch change;
    change.put_registry("workflow_run", "0000", 1, 1, "{}");
    change.put_registry(kPromisedAuditKind, promised_audit_row(1'000, kPromisedTo), 1, 1'000,
                        R"({"action":"cancel"})");
    commit(kZero, std::move(change));
    crash();
    open();
    core::Log log(clock_, core::LogLevel::kOff);
    SetAside aside(log);
    {
        StoreRegistryRows rows(*database_, aside);
        ASSERT_TRUE(rows.commit({}, {}, 500, kPromisedTo, R"({"action":"before"})"));
        ASSERT_TRUE(keep_promised_audits(rows));
        ASSERT_TRUE(keep_promised_audits(rows));
    }
    store::AuditLog::Query query;
    query.tenant = kPromisedTo;
    query.limit = 10;
    const auto page = database_->audit().list(query);
    ASSERT_TRUE(page);
    ASSERT_EQ(page->entries.size(), 2u);
    EXPECT_NE(page->entries[0].json.find("cancel"), std::string::npos);
    const auto report = check_audit(*database_, kPromisedTo);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->reason, "");
    EXPECT_EQ(report->checked, 2u);
}

}  // namespace
}  // namespace millrace::runtime
