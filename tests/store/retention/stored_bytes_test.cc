// Goal: what tenants have in the log is counted to the byte, whatever retention takes of it, and is
// the same after a restart and after a crash.
// Method: blocks as a shard commits them; the truth is what the log holds.
#include "store/retention/stored_bytes.h"

#include "store/engine.h"
#include "store/log/tenant_bytes.h"
#include "store/retention/retention.h"
#include "store/retention/thinner.h"
#include "tests/store/store_fixture.h"

#include <map>

namespace millrace::store::test {
namespace {

class StoredBytesTest : public StoreTest {
protected:
    void SetUp() override { open(); }

    // As a shard does: what the block adds goes into the block's own commit.
    void commit_counted(core::ShardId shard) {
        CommitUnit unit;
        unit.durability = Durability::kFsync;
        unit.block = database_->shard_log(shard).seal();
        for (const TenantBytes& of : unit.block.of_tenants) {
            const core::TenantId tenant{of.tenant};
            const core::LogOffset all{database_->stored_bytes().add(shard, tenant, of.bytes)};
            unit.rows.put_cursor(stored_cursor(tenant), {shard, all});
        }
        unit.rows.put_cursor("deliveries", {shard, unit.block.events.end_offset()});
        ASSERT_TRUE(writer_->append(shard.value, std::move(unit)));
        ASSERT_EQ(writer_->do_work(), 1u);
        Completion completion;
        ASSERT_TRUE(writer_->poll(shard.value, completion));
    }
    void fill() {
        for (int block = 0; block < 10; ++block) {
            for (const core::ShardId shard : {kZero, kOne}) {
                for (std::uint32_t i = 0; i < 12; ++i) {
                    append(shard, {.id = std::to_string(block) + "-" + std::to_string(i) + "-" +
                                         std::to_string(shard.value),
                                   .pattern = i % 2 == 0 ? "debug.x" : "order.made",
                                   .body = std::string(10 * i, 'x'),
                                   // Blocks of one tenant and of several.
                                   .tenant = core::TenantId{block < 3 ? 1u : i % 3}});
                }
                commit_counted(shard);
            }
            clock_.advance_us(1'000'000);
        }
    }
    std::map<std::uint32_t, std::int64_t> in_the_log() {
        std::map<std::uint32_t, std::int64_t> out;
        auto page = database_->event_search().search({.limit = 1000});
        EXPECT_TRUE(page);
        for (const OwnedEvent& event : page->events)
            out[event.event.tenant.value] +=
                static_cast<std::int64_t>(event.event.raw.size() + event.event.fills.size());
        return out;
    }
    void expect_counted() {
        const auto truth = in_the_log();
        for (std::uint32_t tenant = 0; tenant < 3; ++tenant) {
            const auto there = truth.find(tenant);
            EXPECT_EQ(database_->stored_bytes().held(core::TenantId{tenant}),
                      there == truth.end() ? 0 : there->second)
                << tenant;
        }
    }
    RetentionReport apply(const RetentionRule& rule) {
        auto report = apply_retention(*database_, rule, &thinner_);
        EXPECT_TRUE(report) << report.error().message;
        return report ? *report : RetentionReport{};
    }
    Thinner thinner_;
};

TEST_F(StoredBytesTest, CountsWhatComesOfEachTenant) {
    expect_counted();
    fill();
    ASSERT_GT(database_->stored_bytes().held(core::TenantId{2}), 0);
    expect_counted();
    reopen();
    expect_counted();
    crash();
    open();
    expect_counted();
}

TEST_F(StoredBytesTest, ComesDownWithTheBlocksThatAreDropped) {
    fill();
    const std::int64_t before = database_->stored_bytes().held(core::TenantId{1});
    EXPECT_EQ(apply({.keep_received_after_us = clock_.wall_us() - 5'500'000}).events_dropped, 120u);
    EXPECT_LT(database_->stored_bytes().held(core::TenantId{1}), before / 2);
    expect_counted();
    crash();
    open();
    expect_counted();
}

TEST_F(StoredBytesTest, ComesDownWithTheEventsThatAreLetGoOutOfBlocksAndThenWithTheRest) {
    fill();
    RetentionRule rule{.rules = parse_event_rules("debug.*=1s").value(),
                       .now_us = clock_.wall_us()};
    EXPECT_GT(apply(rule).events_thinned, 0u);
    expect_counted();
    reopen();
    expect_counted();
    EXPECT_GT(apply({.keep_received_after_us = clock_.wall_us() - 5'500'000}).events_dropped, 0u);
    expect_counted();
    reopen();
    expect_counted();
}

TEST_F(StoredBytesTest, OneTenantsFigureStaysWhereItIs) {
    const StoredBytes::Held& held = database_->stored_bytes().of(core::TenantId{1});
    EXPECT_EQ(held.load(), 0);
    fill();
    EXPECT_EQ(held.load(), in_the_log()[1]);
}

}  // namespace
}  // namespace millrace::store::test
