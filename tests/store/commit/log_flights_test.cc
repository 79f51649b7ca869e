// Goal: with several groups in flight each is told in its order, when a sync that began after it
// has ended well, and never after one that failed. Method: the writer and its syncers by hand, a
// syncer's two steps one at a time; at the end all of them on threads.
#include "core/agent.h"
#include "store/commit/log_writer.h"
#include "tests/store/store_fixture.h"
#include "tests/support/wal_disk.h"

#include <thread>

namespace millrace::store::test {
namespace {

class LogFlightsTest : public StoreTest {
protected:
    void SetUp() override {
        Database::Options with = options();
        with.env = env_.get();
        with.sync_depth_max = 3;
        with.sync_depth = [this] { return depth_.load(); };
        open(with);
    }
    void TearDown() override { crash(); }  // before the disk below it goes
    void submit(std::uint64_t tag, Durability durability = Durability::kFsync) {
        append(kZero, {.id = std::to_string(tag)});
        CommitUnit unit;
        unit.tag = tag;
        unit.durability = durability;
        unit.block = database_->shard_log(kZero).seal();
        ASSERT_TRUE(writer_->append(0, std::move(unit)));
    }
    // Written, and a syncer asked.
    void launch(std::uint64_t tag) {
        submit(tag);
        ASSERT_EQ(writer_->do_work(), 1u);
        EXPECT_EQ(told(), "");
    }
    void begin_sync(std::size_t syncer) { ASSERT_EQ(writer_->syncer(syncer).do_work(), 1u); }
    void end_sync(std::size_t syncer) { ASSERT_EQ(writer_->syncer(syncer).do_work(), 1u); }
    // The tags told since the last time, "!" behind those that failed.
    std::string told() {
        while (writer_->do_work() > 0) {
        }
        std::string out;
        Completion completion;
        while (writer_->poll(0, completion)) {
            out += (out.empty() ? "" : " ") + std::to_string(completion.tag);
            if (completion.failed) out += "!";
            last_ = completion.durability;
        }
        return out;
    }

    std::shared_ptr<millrace::test::WalDisk> disk_ = std::make_shared<millrace::test::WalDisk>();
    std::unique_ptr<rocksdb::Env> env_ = millrace::test::WalDisk::make_env(disk_);
    std::atomic<std::size_t> depth_{3};
    Durability last_ = Durability::kMemory;
};

TEST_F(LogFlightsTest, AGroupIsToldWhenItsSyncHasEnded) {
    launch(1);
    EXPECT_EQ(database_->durable_end(kZero).value, 0u);
    begin_sync(0);
    EXPECT_EQ(told(), "");
    end_sync(0);
    EXPECT_EQ(told(), "1");
    EXPECT_EQ(last_, Durability::kFsync);
    EXPECT_EQ(database_->durable_end(kZero).value, 1u);
}

TEST_F(LogFlightsTest, ASyncThatBeganBeforeTheWriteDoesNotCount) {
    launch(1);
    begin_sync(0);
    launch(2);
    end_sync(0);
    EXPECT_EQ(told(), "1");
    begin_sync(1);
    end_sync(1);
    EXPECT_EQ(told(), "2");
}

TEST_F(LogFlightsTest, OrderIsKeptWhenTheLaterSyncEndsFirst) {
    launch(1);
    begin_sync(0);
    launch(2);
    begin_sync(1);
    launch(3);
    end_sync(1);
    EXPECT_EQ(told(), "1 2");
    end_sync(0);
    EXPECT_EQ(told(), "");
    begin_sync(2);
    end_sync(2);
    EXPECT_EQ(told(), "3");
}

TEST_F(LogFlightsTest, WhileEverySyncerIsBusyUnitsGather) {
    for (std::uint64_t tag = 1; tag <= 3; ++tag) launch(tag);
    submit(4);
    submit(5);
    EXPECT_EQ(told(), "");
    begin_sync(2);
    end_sync(2);
    EXPECT_EQ(told(), "1 2 3");
    EXPECT_EQ(writer_->stats().groups, 3u);
    begin_sync(2);  // of 4 and 5, one group
    end_sync(2);
    EXPECT_EQ(told(), "4 5");
    EXPECT_EQ(writer_->stats().groups, 4u);
}

TEST_F(LogFlightsTest, AFailedSyncFailsAllInFlight) {
    launch(1);
    begin_sync(0);
    launch(2);
    disk_->on_sync = [] { return rocksdb::IOStatus::IOError("gone"); };
    begin_sync(1);
    disk_->on_sync = [] { return rocksdb::IOStatus::OK(); };
    end_sync(0);  // well, but nothing is known any more
    EXPECT_EQ(told(), "1! 2!");
    EXPECT_TRUE(database_->fatal());
    EXPECT_EQ(database_->durable_end(kZero).value, 0u);
    end_sync(1);
    submit(3);
    EXPECT_EQ(told(), "3!");
    EXPECT_NE(database_->fatal_reason().find("gone"), std::string::npos);
}

TEST_F(LogFlightsTest, AFailedSyncOfSomebodyElseFailsThemToo) {
    launch(1);
    begin_sync(0);
    disk_->on_sync = [] { return rocksdb::IOStatus::IOError("gone"); };
    RowBatch rows;
    rows.put_registry("k", "id", 1, 0, "{}");
    EXPECT_FALSE(database_->write_now(rows));
    end_sync(0);
    EXPECT_EQ(told(), "1!");
}

TEST_F(LogFlightsTest, ALowerLevelWaitsForItsTurnAndNoSync) {
    launch(1);
    submit(2, Durability::kOs);
    EXPECT_EQ(told(), "");
    begin_sync(0);
    end_sync(0);
    EXPECT_EQ(told(), "1 2");
    EXPECT_EQ(last_, Durability::kOs);
    EXPECT_GT(database_->stats().unsynced_bytes, 0u);
    submit(3, Durability::kOs);
    EXPECT_EQ(told(), "3");
    launch(4);
    begin_sync(0);
    end_sync(0);
    EXPECT_EQ(told(), "4");
    EXPECT_EQ(database_->stats().unsynced_bytes, 0u);
}

TEST_F(LogFlightsTest, WhatIsInFlightIsNotCountedAsAcknowledged) {
    launch(1);
    EXPECT_EQ(database_->stats().unsynced_bytes, 0u);
    submit(2, Durability::kOs);
    EXPECT_EQ(told(), "");
    begin_sync(0);  // covers 2 as well, but was asked for before it came
    end_sync(0);
    EXPECT_EQ(told(), "1 2");
    housekeep();
    EXPECT_EQ(database_->stats().unsynced_bytes, 0u);
}

TEST_F(LogFlightsTest, TheLogMayChangeItsFileInFlight) {
    launch(1);
    begin_sync(0);
    launch(2);
    ASSERT_TRUE(database_->flush());  // another WAL file; RocksDB syncs the one before
    EXPECT_EQ(told(), "1 2");
    launch(3);
    end_sync(0);
    EXPECT_EQ(told(), "");
    begin_sync(2);
    end_sync(2);
    EXPECT_EQ(told(), "3");
    begin_sync(1);
    end_sync(1);
    close();
    open();
    EXPECT_EQ(database_->durable_end(kZero).value, 3u);
}

TEST_F(LogFlightsTest, AnyPathLeadsToTheSameFiles) {
    const std::string absolute = folder_.path();
    for (const std::string& path :
         {absolute + "/", absolute + "//.", std::filesystem::relative(absolute).string()}) {
        crash();
        Database::Options with = options();
        with.path = path;
        with.env = env_.get();
        with.sync_depth_max = 3;
        with.sync_depth = [] { return 3u; };
        open(with);
        const std::uint64_t tag = database_->durable_end(kZero).value + 1;
        launch(tag);
        begin_sync(0);
        end_sync(0);
        EXPECT_EQ(told(), std::to_string(tag)) << path;
    }
}

TEST_F(LogFlightsTest, GoesBackToOneWhenNothingIsInFlight) {
    launch(1);
    launch(2);
    depth_ = 1;
    submit(3);
    EXPECT_EQ(told(), "");
    EXPECT_EQ(writer_->depth(), 1u);
    begin_sync(0);
    end_sync(0);
    EXPECT_EQ(told(), "1 2 3");
    depth_ = 3;
    launch(4);
    begin_sync(0);
    end_sync(0);
    EXPECT_EQ(told(), "4");
}

TEST_F(LogFlightsTest, WhatWasToldIsThereAfterACrash) {
    launch(1);
    begin_sync(0);
    end_sync(0);
    EXPECT_EQ(told(), "1");
    launch(2);
    crash();
    open();
    EXPECT_GE(database_->durable_end(kZero).value, 1u);
}

TEST_F(LogFlightsTest, RunOnThreadsOfTheirOwn) {
    struct Runner final : core::Agent {
        explicit Runner(LogWriter& it) : writer(it) {}
        std::string_view name() const override { return "writer"; }
        std::size_t do_work() override { return writer.do_work(); }
        void wait(std::int64_t us) override { writer.wait(std::chrono::microseconds(us)); }
        void wake() override { writer.wake_up(); }
        LogWriter& writer;
    };
    disk_->on_sync = [] {
        std::this_thread::sleep_for(std::chrono::microseconds(300));
        return rocksdb::IOStatus::OK();
    };
    Runner runner(*writer_);
    std::vector<std::unique_ptr<core::AgentThread>> threads;
    for (std::size_t i = 0; i < writer_->syncers(); ++i) {
        threads.push_back(
            std::make_unique<core::AgentThread>(writer_->syncer(i), core::AgentThread::kNotPinned));
    }
    auto writer = std::make_unique<core::AgentThread>(runner, core::AgentThread::kNotPinned);
    constexpr std::uint64_t kUnits = 600;
    std::uint64_t done = 0;
    for (std::uint64_t sent = 0; done < kUnits;) {
        if (sent < kUnits && sent - done < 8) {
            submit(++sent);
            if (sent % 100 == 0) depth_ = depth_ == 1 ? 3 : 1;
            if (sent % 150 == 0) {
                EXPECT_TRUE(database_->flush());
            }
        }
        Completion completion;
        while (writer_->poll(0, completion)) {
            ASSERT_EQ(completion.tag, ++done);
            ASSERT_FALSE(completion.failed);
            ASSERT_GE(database_->durable_end(kZero).value, done);
        }
    }
    writer.reset();
    threads.clear();
    close();
    open();
    EXPECT_EQ(database_->durable_end(kZero).value, kUnits);
}

}  // namespace
}  // namespace millrace::store::test
