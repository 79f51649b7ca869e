// Goal: every provider of the log keeps the promises of log_port.h. Method: the same cases for
// each; a provider says how to seal a block for it, how its disk fails and how retention drops.
#include "store/commit/log_port.h"

#include "store/ids/id_index.h"
#include "store/log/pool_set.h"
#include "store/retention/retention.h"
#include "store/rows/registry_store.h"
#include "tests/store/store_fixture.h"
#include "tests/support/memory_log.h"
#include "tests/support/wal_disk.h"

#include <atomic>
#include <map>

namespace millrace::store::test {
namespace {

constexpr std::size_t kShards = 2;

class RocksProvider final : public StoreTest {
public:
    RocksProvider() {
        Database::Options with = options();
        with.env = env_.get();
        open(with);
    }
    ~RocksProvider() override { crash(); }  // before the disk below it goes
    void TestBody() override {}

    LogPort& port() { return *writer_; }
    ShardLog& log(core::ShardId shard) { return database_->shard_log(shard); }
    void work() {
        while (writer_->do_work() > 0) {
        }
    }
    void fail_disk() {
        disk_->on_sync = [] { return rocksdb::IOStatus::IOError("as asked"); };
    }
    bool has_row(const std::string& id) {
        const auto found = database_->registry().get("k", id);
        return found && *found;
    }
    void drop_all_but_newest(core::ShardId shard) {
        RowBatch rows;
        rows.put_cursor("deliveries", {shard, database_->durable_end(shard)});
        ASSERT_TRUE(database_->write_now(rows));
        RetentionRule rule;
        rule.keep_received_after_us = rule.now_us = clock_.wall_us() + 1;
        ASSERT_TRUE(apply_retention(*database_, rule, nullptr));
    }

private:
    std::shared_ptr<millrace::test::WalDisk> disk_ = std::make_shared<millrace::test::WalDisk>();
    std::unique_ptr<rocksdb::Env> env_ = millrace::test::WalDisk::make_env(disk_);
};

class MemoryProvider {
public:
    MemoryProvider() {
        for (std::size_t i = 0; i < kShards; ++i) {
            const core::ShardId shard(static_cast<std::uint16_t>(i));
            ShardIdIndex::Options index;
            index.shard = shard;
            index.durable_end = &nothing_;
            index.first_kept = &nothing_;
            ids_.push_back(std::make_unique<ShardIdIndex>(std::move(index)));
            ShardLog::Options options;
            options.shard = shard;
            options.pools = &pools_;
            options.ids = ids_.back().get();
            logs_.push_back(std::make_unique<ShardLog>(options));
        }
    }
    LogPort& port() { return memory_; }
    ShardLog& log(core::ShardId shard) { return *logs_[shard.value]; }
    void work() {
        while (memory_.do_work() > 0) {
        }
    }
    void fail_disk() { memory_.fail(); }
    bool has_row(const std::string& id) const {
        for (const auto& [key, value] : memory_.rows()) {
            if (key.ends_with(id)) return true;
        }
        return false;
    }
    void drop_all_but_newest(core::ShardId shard) {
        memory_.drop_before(shard, core::LogOffset{memory_.position(shard).offset.value - 1});
    }

private:
    std::atomic<std::uint64_t> nothing_{0};
    PoolSet pools_;
    std::vector<std::unique_ptr<ShardIdIndex>> ids_;
    std::vector<std::unique_ptr<ShardLog>> logs_;
    millrace::test::MemoryLog memory_{kShards};
};

template <typename Provider>
class LogPortTest : public testing::Test {
protected:
    static constexpr core::ShardId kZero{0};
    static constexpr core::ShardId kOne{1};

    LogPort& port() { return provider_.port(); }
    // A unit of so many events and a row named after its tag.
    CommitUnit unit(core::ShardId shard, std::uint64_t tag, int events = 2) {
        CommitUnit out;
        out.tag = tag;
        out.follows = ends_[shard.value];
        for (int i = 0; i < events; ++i) {
            AppendInput input;
            input.raw = R"({"pattern":"a.b"})";
            input.pattern = "a.b";
            EXPECT_EQ(provider_.log(shard).append(input).status, AppendStatus::kAppended);
        }
        if (events > 0) {
            out.block = provider_.log(shard).seal();
            ends_[shard.value] = {out.block.sequence + 1, out.block.events.end_offset()};
        }
        out.rows.put_registry("k", "row" + std::to_string(tag), 1, 0, "{}");
        return out;
    }
    void append(core::ShardId shard, CommitUnit&& unit) {
        ASSERT_TRUE(port().append(shard.value, std::move(unit)));
    }
    // All completions of a producer, in order.
    std::vector<Completion> told(core::ShardId shard) {
        std::vector<Completion> out;
        Completion completion;
        while (port().poll(shard.value, completion)) out.push_back(std::move(completion));
        return out;
    }
    EventBlock read(core::ShardId shard, std::uint64_t from) {
        auto block = port().read(shard, core::LogOffset{from});
        EXPECT_TRUE(block);
        return block ? *block : EventBlock{};
    }

    Provider provider_;
    LogEnd ends_[kShards];
};

using Providers = testing::Types<RocksProvider, MemoryProvider>;
TYPED_TEST_SUITE(LogPortTest, Providers);

TYPED_TEST(LogPortTest, TellsEachProducersUnitsInTheirOrder) {
    for (std::uint64_t tag = 1; tag <= 5; ++tag) {
        this->append(this->kZero, this->unit(this->kZero, tag));
        this->append(this->kOne, this->unit(this->kOne, 100 + tag, tag % 2 == 0 ? 0 : 1));
    }
    this->provider_.work();
    std::uint64_t tag = 0;
    for (const Completion& completion : this->told(this->kZero)) {
        EXPECT_EQ(completion.tag, ++tag);
        EXPECT_FALSE(completion.failed);
        EXPECT_TRUE(completion.has_block && completion.rows.empty());
        EXPECT_EQ(completion.durable_end.offset.value, 2 * tag);
    }
    EXPECT_EQ(tag, 5u);
    for (const Completion& completion : this->told(this->kOne)) {
        EXPECT_EQ(completion.tag, 100 + ++tag - 5);
        EXPECT_EQ(completion.has_block, completion.tag % 2 != 0);
    }
    EXPECT_EQ(tag, 10u);
    EXPECT_EQ(this->port().position(this->kZero), (LogEnd{5, core::LogOffset{10}}));
    EXPECT_EQ(this->port().position(this->kOne), (LogEnd{3, core::LogOffset{3}}));
}

TYPED_TEST(LogPortTest, TellsALevelThatIsNotBelowTheOneAskedFor) {
    for (const auto level : {Durability::kMemory, Durability::kOs, Durability::kFsync}) {
        CommitUnit unit = this->unit(this->kZero, 1);
        unit.durability = level;
        this->append(this->kZero, std::move(unit));
        this->provider_.work();
        const auto told = this->told(this->kZero);
        ASSERT_EQ(told.size(), 1u);
        EXPECT_GE(told.front().durability, level);
    }
}

TYPED_TEST(LogPortTest, ReadsFromAnyPlaceWhatIsDurable) {
    this->append(this->kZero, this->unit(this->kZero, 1));
    EXPECT_EQ(this->port().position(this->kZero), LogEnd{});
    EXPECT_FALSE(this->read(this->kZero, 0)) << "nothing is durable yet";
    this->append(this->kZero, this->unit(this->kZero, 2, 3));
    this->provider_.work();
    for (std::uint64_t from = 0; from < 5; ++from) {
        const EventBlock block = this->read(this->kZero, from);
        ASSERT_TRUE(block);
        EXPECT_EQ(block.first_offset().value, from < 2 ? 0u : 2u);
        EXPECT_EQ(block.event(0).pattern, "a.b");
    }
    EXPECT_FALSE(this->read(this->kZero, this->port().position(this->kZero).offset.value));
    EXPECT_FALSE(this->read(this->kOne, 0));
}

TYPED_TEST(LogPortTest, WhatRetentionTookIsSteppedOver) {
    for (std::uint64_t tag = 1; tag <= 3; ++tag) {
        this->append(this->kZero, this->unit(this->kZero, tag));
        this->provider_.work();
    }
    this->provider_.drop_all_but_newest(this->kZero);
    EXPECT_EQ(this->read(this->kZero, 0).first_offset().value, 4u);
    EXPECT_EQ(this->read(this->kZero, 5).first_offset().value, 4u);
    EXPECT_EQ(this->port().position(this->kZero), (LogEnd{3, core::LogOffset{6}}));
    this->append(this->kZero, this->unit(this->kZero, 4));
    this->provider_.work();
    EXPECT_FALSE(this->told(this->kZero).back().failed);
}

TYPED_TEST(LogPortTest, RowsComeWithTheirUnit) {
    this->append(this->kZero, this->unit(this->kZero, 1));
    this->append(this->kOne, this->unit(this->kOne, 2, 0));
    EXPECT_FALSE(this->provider_.has_row("row1") || this->provider_.has_row("row2"));
    this->provider_.work();
    EXPECT_TRUE(this->provider_.has_row("row1") && this->provider_.has_row("row2"));
}

TYPED_TEST(LogPortTest, RefusesAUnitThatFollowsAnotherEnd) {
    this->append(this->kZero, this->unit(this->kZero, 1));
    this->provider_.work();
    const LogEnd end = this->port().position(this->kZero);
    for (const int events : {2, 0}) {
        CommitUnit wrong = this->unit(this->kZero, 2, events);
        wrong.follows->offset = core::LogOffset{wrong.follows->offset.value + 1};
        this->append(this->kZero, std::move(wrong));
        this->append(this->kOne, this->unit(this->kOne, 3));
        this->provider_.work();
    }
    for (const core::ShardId shard : {this->kZero, this->kOne}) {
        const auto told = this->told(shard);
        ASSERT_EQ(told.size(), shard == this->kZero ? 3u : 2u);
        EXPECT_TRUE(told.back().failed);
    }
    EXPECT_EQ(this->port().position(this->kZero), end);
    EXPECT_EQ(this->port().position(this->kOne), LogEnd{});
    EXPECT_FALSE(this->read(this->kZero, end.offset.value));
    EXPECT_FALSE(this->provider_.has_row("row2"));
}

TYPED_TEST(LogPortTest, AfterAFailureNothingIsAcknowledged) {
    this->append(this->kZero, this->unit(this->kZero, 1));
    this->provider_.work();
    this->provider_.fail_disk();
    for (std::uint64_t tag = 2; tag <= 4; ++tag) {
        this->append(this->kZero, this->unit(this->kZero, tag));
        this->append(this->kOne, this->unit(this->kOne, tag, 0));
        this->provider_.work();
    }
    const auto told = this->told(this->kZero);
    ASSERT_EQ(told.size(), 4u);
    for (std::size_t i = 0; i < told.size(); ++i) EXPECT_EQ(told[i].failed, i > 0) << i;
    for (const Completion& completion : this->told(this->kOne)) EXPECT_TRUE(completion.failed);
    EXPECT_EQ(this->port().position(this->kZero).offset.value, 2u);
    EXPECT_FALSE(this->read(this->kZero, 2));
}

TYPED_TEST(LogPortTest, ABatchIsThereWholeOrNotAtAll) {
    CommitUnit part = this->unit(this->kZero, 1);
    part.part = {.batch = 9, .producers = 2};
    this->append(this->kZero, std::move(part));
    this->append(this->kZero, this->unit(this->kZero, 2));
    this->provider_.work();
    EXPECT_TRUE(this->told(this->kZero).empty());
    EXPECT_FALSE(this->read(this->kZero, 0));
    part = this->unit(this->kOne, 3, 0);
    part.part = {.batch = 9, .producers = 2};
    this->append(this->kOne, std::move(part));
    this->provider_.work();
    EXPECT_EQ(this->told(this->kZero).size(), 2u);
    EXPECT_EQ(this->told(this->kOne).size(), 1u);
    EXPECT_EQ(this->port().position(this->kZero).offset.value, 4u);
}

TYPED_TEST(LogPortTest, RefusesWhenTooManyAreUnderWayAndLeavesTheUnitWhole) {
    std::size_t taken = 0;
    CommitUnit next = this->unit(this->kZero, 0, 0);
    while (this->port().append(0, std::move(next))) next = this->unit(this->kZero, ++taken, 0);
    EXPECT_GE(taken, LogPort::kUnderWayMin - 1);
    EXPECT_FALSE(next.rows.empty());
    this->provider_.work();
    EXPECT_EQ(this->told(this->kZero).size(), taken);
    EXPECT_TRUE(this->port().append(0, std::move(next)));
}

}  // namespace
}  // namespace millrace::store::test
