// Goal: one group for all producers, completions in order with the durable end, levels named
// rightly, and the same with a real writer thread.
#include "store/commit/log_writer.h"

#include "tests/store/store_fixture.h"

#include <thread>

namespace millrace::store::test {
namespace {

class LogWriterTest : public StoreTest {
protected:
    void SetUp() override { open(); }
    CommitUnit unit(core::ShardId shard, std::uint64_t tag,
                    Durability durability = Durability::kFsync) {
        append(shard, {.id = std::to_string(shard.value) + "-" + std::to_string(tag)});
        CommitUnit out;
        out.tag = tag;
        out.durability = durability;
        out.block = database_->shard_log(shard).seal();
        return out;
    }
};

TEST_F(LogWriterTest, CommitsUnitsOfAllProducersInOneGroup) {
    for (std::uint64_t tag = 0; tag < 5; ++tag) {
        ASSERT_TRUE(writer_->append(0, unit(kZero, tag)));
        ASSERT_TRUE(writer_->append(1, unit(kOne, tag)));
    }
    CommitUnit rows;
    rows.tag = 77;
    rows.rows.put_registry("k", "id", 1, 0, "{}");
    ASSERT_TRUE(writer_->append(2, std::move(rows)));
    EXPECT_EQ(writer_->do_work(), 11u);
    EXPECT_EQ(writer_->do_work(), 0u);
    EXPECT_EQ(writer_->stats().groups, 1u);
    EXPECT_EQ(writer_->stats().syncs, 1u);
    for (std::size_t producer = 0; producer < 2; ++producer) {
        Completion completion;
        for (std::uint64_t tag = 0; tag < 5; ++tag) {
            ASSERT_TRUE(writer_->poll(producer, completion));
            EXPECT_EQ(completion.tag, tag);
            EXPECT_TRUE(completion.has_block);
            EXPECT_EQ(completion.durable_end.offset.value, tag + 1);
        }
        EXPECT_FALSE(writer_->poll(producer, completion));
    }
    Completion completion;
    ASSERT_TRUE(writer_->poll(2, completion));
    EXPECT_EQ(completion.tag, 77u);
    EXPECT_FALSE(completion.has_block);
}

TEST_F(LogWriterTest, NamesTheLevelReached) {
    ASSERT_TRUE(writer_->append(0, unit(kZero, 1, Durability::kOs)));
    writer_->do_work();
    Completion completion;
    ASSERT_TRUE(writer_->poll(0, completion));
    EXPECT_EQ(completion.durability, Durability::kOs);
    // One that asks for more lifts the whole group.
    ASSERT_TRUE(writer_->append(0, unit(kZero, 2, Durability::kOs)));
    ASSERT_TRUE(writer_->append(1, unit(kOne, 3, Durability::kFsync)));
    writer_->do_work();
    ASSERT_TRUE(writer_->poll(0, completion));
    EXPECT_EQ(completion.durability, Durability::kFsync);
    EXPECT_EQ(database_->stats().unsynced_bytes, 0u);
}

// Who repeats an event that came with less than it asks for is told what became of the first one.
TEST_F(LogWriterTest, LessThanOsIsWrittenToTheSystemAllTheSame) {
    ASSERT_TRUE(writer_->append(0, unit(kZero, 1, Durability::kMemory)));
    writer_->do_work();
    Completion completion;
    ASSERT_TRUE(writer_->poll(0, completion));
    EXPECT_EQ(completion.durability, Durability::kOs);
    EXPECT_GT(database_->stats().unsynced_bytes, 0u);
}

TEST_F(LogWriterTest, AFullRingRefusesAndLeavesTheUnitWhole) {
    LogWriter small(*database_, {.producers = 1, .ring_capacity = 2, .wake = {}, .on_fatal = {}});
    ASSERT_TRUE(small.append(0, unit(kZero, 1)));
    ASSERT_TRUE(small.append(0, unit(kZero, 2)));
    CommitUnit third = unit(kZero, 3);
    EXPECT_FALSE(small.append(0, std::move(third)));
    EXPECT_TRUE(third.block.events);
    EXPECT_EQ(small.do_work(), 2u);
    EXPECT_TRUE(small.append(0, std::move(third)));
    EXPECT_EQ(small.do_work(), 1u);
}

TEST_F(LogWriterTest, GivesRowBatchesBackForReuse) {
    CommitUnit rows;
    rows.rows.put_registry("k", "id", 1, 0, std::string(1000, 'x'));
    ASSERT_TRUE(writer_->append(0, std::move(rows)));
    writer_->do_work();
    Completion completion;
    ASSERT_TRUE(writer_->poll(0, completion));
    EXPECT_TRUE(completion.rows.empty());
}

TEST_F(LogWriterTest, RunsOnAThreadOfItsOwn) {
    std::atomic<bool> stop{false};
    std::thread thread([&] {
        while (!stop.load() || writer_->do_work() > 0) {
            if (writer_->do_work() == 0) writer_->wait(std::chrono::microseconds(2000));
        }
    });
    constexpr std::uint64_t kUnits = 500;
    std::uint64_t done = 0;
    std::uint64_t sent = 0;
    while (done < kUnits) {
        if (sent < kUnits) {
            CommitUnit next = unit(kZero, sent);
            while (!writer_->append(0, std::move(next))) std::this_thread::yield();
            ++sent;
        }
        Completion completion;
        while (writer_->poll(0, completion)) {
            ASSERT_EQ(completion.tag, done);
            ASSERT_FALSE(completion.failed);
            ++done;
        }
    }
    stop = true;
    writer_->wake_up();
    thread.join();
    EXPECT_EQ(database_->durable_end(kZero).value, kUnits);
    EXPECT_LE(writer_->stats().groups, kUnits);
}

}  // namespace
}  // namespace millrace::store::test
