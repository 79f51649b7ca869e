// Goal: a row of the audit log that was changed, taken out or put in is found.
// Method: rows linked by the chain, and stored as they are or not quite.
#include "runtime/registry/audit_chain.h"

#include "runtime/registry/registry_rows.h"
#include "store/rows/audit_log.h"
#include "store/rows/row_batch.h"
#include "tests/store/store_fixture.h"

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{3};

class AuditChainTest : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }

    // Rows as the chain makes them, none of them stored.
    std::vector<AuditChain::Link> links(int count) {
        AuditChain chain(*database_);
        std::vector<AuditChain::Link> out;
        for (int i = 0; i < count; ++i) {
            auto link = chain.link(kTenant, 1000 + i,
                                   R"({"action":"create","n":)" + std::to_string(i) + "}");
            EXPECT_TRUE(link);
            chain.took(*link);
            out.push_back(*link);
        }
        return out;
    }
    void store_row(const AuditChain::Link& link) {
        store::RowBatch batch;
        batch.put_audit(link.head.at_us, link.tenant, link.row);
        batch.put_registry(kAuditHeadKind, std::to_string(link.tenant.value), link.head.number,
                           link.head.at_us, audit_head_document(link.head));
        ASSERT_TRUE(database_->write_now(batch));
    }
    AuditReport check() {
        auto report = check_audit(*database_, kTenant);
        EXPECT_TRUE(report);
        return *report;
    }
};

TEST_F(AuditChainTest, IsWholeAsItWasWritten) {
    EXPECT_EQ(check().reason, "");
    for (const auto& link : links(5)) store_row(link);
    const AuditReport report = check();
    EXPECT_EQ(report.reason, "");
    EXPECT_EQ(report.checked, 5u);
    EXPECT_EQ(report.head.size(), 64u);
}

TEST_F(AuditChainTest, WhatIsLeftVerifiesFromItsFirstRow) {
    for (const auto& link : links(5)) store_row(link);  // at 1000 to 1004
    EXPECT_EQ(*prune_audit(*database_, 1000, 100), 0u);
    EXPECT_EQ(*prune_audit(*database_, 1003, 2), 2u);
    EXPECT_EQ(check().reason, "");
    EXPECT_EQ(*prune_audit(*database_, 1003, 2), 1u);
    AuditReport report = check();
    EXPECT_EQ(report.reason, "");
    EXPECT_EQ(report.checked, 2u);
    EXPECT_EQ(report.let_go, 3u);
    // More than that is missing: nobody's rule took it.
    auto next = database_->audit().before(1004, 10);
    ASSERT_TRUE(next && next->size() == 1);
    store::RowBatch batch;
    batch.erase(store::ColumnFamily::kAudit, next->front().key);
    ASSERT_TRUE(database_->write_now(batch));
    EXPECT_EQ(check().reason, "the first 1 rows are missing");
}

TEST_F(AuditChainTest, AChainOfWhichNothingIsLeftGoesOn) {
    core::Log log(clock_, core::LogLevel::kOff);
    SetAside aside(log);
    StoreRegistryRows rows(*database_, aside);
    for (int i = 0; i < 3; ++i)
        ASSERT_TRUE(rows.commit({}, {}, 10 + i, kTenant, R"({"action":"x"})"));
    EXPECT_EQ(*prune_audit(*database_, 1000, 100), 3u);
    EXPECT_EQ(check().reason, "");
    ASSERT_TRUE(rows.commit({}, {}, 2000, kTenant, R"({"action":"y"})"));
    const AuditReport report = check();
    EXPECT_EQ(report.reason, "");
    EXPECT_EQ(report.checked, 1u);
    EXPECT_EQ(report.let_go, 3u);
}

TEST_F(AuditChainTest, GoesOnAfterARestartAndBehindRowsThatHaveNoPlaceInIt) {
    store::RowBatch old;
    old.put_audit(5, kTenant, R"({"action":"create"})");
    ASSERT_TRUE(database_->write_now(old));
    core::Log log(clock_, core::LogLevel::kOff);
    SetAside aside(log);
    for (int start = 0; start < 3; ++start) {
        StoreRegistryRows rows(*database_, aside);
        for (int i = 0; i < 2; ++i) {
            // A clock that goes back does not turn the chain around.
            ASSERT_TRUE(rows.commit({}, {}, 5000 - start * 1000, kTenant, R"({"action":"x"})"));
            ASSERT_TRUE(rows.commit({}, {}, 5000, core::TenantId{}, R"({"action":"other"})"));
        }
    }
    const AuditReport report = check();
    EXPECT_EQ(report.reason, "");
    EXPECT_EQ(report.checked, 6u);
    EXPECT_EQ(report.unchained, 1u);
}

TEST_F(AuditChainTest, ChangesThatAreOneCommitAreThereTogether) {
    core::Log log(clock_, core::LogLevel::kOff);
    SetAside aside(log);
    StoreRegistryRows rows(*database_, aside);
    const RegistryRow schedule{"schedule", "3/a", 1, 10, "{}"};
    const RegistryRow subscription{"subscription", "3/b", 1, 10, "{}"};
    const std::uint64_t before = rows.revision();
    rows.begin_one();
    ASSERT_TRUE(rows.commit({&schedule, 1}, {}, 10, kTenant, R"({"action":"create"})"));
    ASSERT_TRUE(rows.commit({&subscription, 1}, {}, 10, kTenant, R"({"action":"create"})"));
    const RegistryRowName gone{"schedule", "3/a"};
    ASSERT_TRUE(rows.commit({}, {&gone, 1}, 11, kTenant, R"({"action":"delete"})"));
    EXPECT_TRUE(rows.load_all("schedule")->empty());
    EXPECT_TRUE(rows.load_all("subscription")->empty()) << "nothing is written before the end";
    ASSERT_TRUE(rows.end_one());
    EXPECT_TRUE(rows.load_all("schedule")->empty()) << "in their order";
    EXPECT_EQ(rows.load_all("subscription")->size(), 1u);
    EXPECT_EQ(rows.revision(), before + 3);
    const AuditReport report = check();
    EXPECT_EQ(report.reason, "");
    EXPECT_EQ(report.checked, 3u);
    rows.begin_one();
    EXPECT_TRUE(rows.end_one()) << "nothing at all";
}

TEST_F(AuditChainTest, FindsAChangedRow) {
    auto all = links(3);
    all[1].row.replace(all[1].row.find("create"), 6, "delete");
    for (const auto& link : all) store_row(link);
    EXPECT_NE(check().reason, "");
    EXPECT_EQ(check().broken_at_us, 1001);
}

TEST_F(AuditChainTest, FindsAMissingRowWhereverItStood) {
    for (std::uint32_t missing = 0; missing < 4; ++missing) {
        const core::TenantId tenant{10 + missing};
        AuditChain chain(*database_);
        for (std::uint32_t i = 0; i < 4; ++i) {
            auto link = chain.link(tenant, 1000 + i, R"({"action":"create"})");
            ASSERT_TRUE(link);
            chain.took(*link);
            store::RowBatch batch;
            if (i != missing) batch.put_audit(link->head.at_us, tenant, link->row);
            batch.put_registry(kAuditHeadKind, std::to_string(tenant.value), link->head.number, 0,
                               audit_head_document(link->head));
            ASSERT_TRUE(database_->write_now(batch));
        }
        const auto report = check_audit(*database_, tenant);
        ASSERT_TRUE(report);
        EXPECT_NE(report->reason, "") << missing;
    }
}

TEST_F(AuditChainTest, FindsARowThatWasPutIn) {
    for (const auto& link : links(3)) store_row(link);
    store::RowBatch batch;
    batch.put_audit(1001, kTenant, R"({"action":"forged"})");
    ASSERT_TRUE(database_->write_now(batch));
    EXPECT_NE(check().reason, "");
}

}  // namespace
}  // namespace millrace::runtime
