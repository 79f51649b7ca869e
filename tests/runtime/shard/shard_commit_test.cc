// Goal: requests that are all or none go into units that the log writes together, over several
// homes, several units and repeats; nobody waits for ever; others are not touched by it.
// Method: two homes over a log in memory.
#include "runtime/shard/shard_commit.h"

#include "store/ids/id_index.h"
#include "store/log/pool_set.h"
#include "tests/support/memory_log.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::size_t kHomes = 2;

class Home {
public:
    Home(std::uint16_t number, store::LogPort& port, core::ManualClock& clock,
         store::PoolSet& pools, core::Metrics& metrics)
        : metrics_(metrics) {
        store::ShardIdIndex::Options index;
        index.shard = core::ShardId(number);
        index.durable_end = index.first_kept = &nothing_;
        index.table_entries_max = 8;  // the housekeeper, which never comes, is soon behind
        ids_ = std::make_unique<store::ShardIdIndex>(std::move(index));
        store::ShardLog::Options log;
        log.shard = core::ShardId(number);
        log.pools = &pools;
        log.ids = ids_.get();
        log_ = std::make_unique<store::ShardLog>(log);
        ShardCommit::Handlers handlers;
        handlers.block_durable = [this](const store::EventBlock& block, auto) {
            durable += block.count();
        };
        handlers.request_done = [this](IngestRequest& request) {
            ++done;
            failed += request.failed();
        };
        handlers.rows_due = [this](IngestRequest&) {
            store::RowBatch rows;
            rows.put_registry("row", "of it", 1, 1, "{}");
            commit->add_rows(rows, {[this] { ++rows_durable; }});
        };
        handlers.before_seal = [](store::RowBatch&) {};
        commit.emplace(ShardCommit::Options{core::ShardId(number), 0}, *log_, port, clock, metrics_,
                       std::move(handlers));
    }

    std::optional<ShardCommit> commit;
    int done = 0;
    int failed = 0;
    std::uint64_t durable = 0;
    int rows_durable = 0;

private:
    std::atomic<std::uint64_t> nothing_{0};
    ShardMetrics metrics_;
    std::unique_ptr<store::ShardIdIndex> ids_;
    std::unique_ptr<store::ShardLog> log_;
};

class ShardCommitTest : public testing::Test {
protected:
    static constexpr const char* kText = R"({"pattern":"a.b"})";

    // So many events at each home, with ids from `first_id` on; 0: without ids.
    std::unique_ptr<IngestRequest> request(std::array<int, kHomes> events, std::uint64_t first_id,
                                           Atomicity atomicity = Atomicity::kAllOrNone) {
        auto out = std::make_unique<IngestRequest>();
        out->reset(kHomes);
        out->atomicity = atomicity;
        for (std::size_t home = 0; home < kHomes; ++home) {
            for (int i = 0; i < events[home]; ++i) {
                IngestItem& item = out->items.emplace_back();
                item.input.raw = kText;
                item.input.pattern = "a.b";
                if (first_id != 0) item.input.id = {first_id + out->items.size(), 1};
                out->by_home[home].push_back(static_cast<std::uint32_t>(out->items.size() - 1));
            }
        }
        if (out->homes() > 1 && atomicity == Atomicity::kAllOrNone) out->batch = ++batches_;
        return out;
    }
    bool append(std::size_t home, IngestRequest& request) {
        std::size_t next = 0;
        return homes_[home].commit->append(request, next);
    }
    void work() {
        for (std::size_t done = 1; done > 0;) {
            done = log_.do_work();
            for (Home& home : homes_) done += home.commit->do_work();
        }
    }
    std::uint64_t end(std::uint16_t home) {
        return log_.position(core::ShardId(home)).offset.value;
    }

    core::ManualClock clock_;
    core::Metrics metrics_;
    store::PoolSet pools_;
    millrace::test::MemoryLog log_{kHomes};
    std::array<Home, kHomes> homes_{Home(0, log_, clock_, pools_, metrics_),
                                    Home(1, log_, clock_, pools_, metrics_)};
    std::uint64_t batches_ = 0;
};

TEST_F(ShardCommitTest, WhatIsAllOrNoneIsWrittenWhenEveryHomeHasIt) {
    const auto whole = request({3, 2}, 100), other = request({1, 0}, 200, Atomicity::kEachEntry);
    ASSERT_TRUE(append(0, *whole) && append(0, *other));
    work();
    EXPECT_EQ(end(0), 0u);
    EXPECT_EQ(homes_[0].done, 0);
    ASSERT_TRUE(append(1, *whole));
    work();
    EXPECT_EQ(end(0), 4u);
    EXPECT_EQ(end(1), 2u);
    EXPECT_EQ(homes_[0].done, 2);
    EXPECT_EQ(homes_[1].done, 1);
    EXPECT_EQ(homes_[0].durable + homes_[1].durable, 6u);
}

TEST_F(ShardCommitTest, APartLargerThanABlockGoesInOnePiece) {
    const int large = 3 * static_cast<int>(core::kBlockEventsMax) + 10;
    const auto whole = request({large, 1}, 0);
    ASSERT_TRUE(append(0, *whole)) << "a part that has begun is not put off";
    work();
    EXPECT_EQ(end(0), 0u);
    ASSERT_TRUE(append(1, *whole));
    work();
    EXPECT_EQ(end(0), static_cast<std::uint64_t>(large));
    // At one home alone, too: its units are one write.
    const auto alone = request({large, 0}, 0);
    ASSERT_TRUE(append(0, *alone));
    EXPECT_EQ(log_.do_work(), 4u);
    work();
    EXPECT_EQ(end(0), static_cast<std::uint64_t>(2 * large));
}

TEST_F(ShardCommitTest, RowsThatItBringsAreInTheWriteOfItsEvents) {
    // Its edge has none of the events.
    const auto whole = request({3, 0}, 100);
    whole->edge = core::ShardId(1);
    whole->brings_rows = true;
    EXPECT_TRUE(whole->goes_to(0) && whole->goes_to(1));
    ASSERT_EQ(whole->homes(), 2u);
    whole->batch = ++batches_;
    ASSERT_TRUE(append(1, *whole));
    work();
    EXPECT_EQ(homes_[1].rows_durable, 0) << "its events are not there";
    ASSERT_TRUE(append(0, *whole));
    EXPECT_EQ(log_.do_work(), 2u) << "one write";
    work();
    EXPECT_EQ(homes_[1].rows_durable, 1);
    EXPECT_EQ(homes_[0].rows_durable, 0);
    EXPECT_EQ(end(0), 3u);
    // At one home in several units: with the last of them.
    const int large = 3 * static_cast<int>(core::kBlockEventsMax) + 10;
    const auto alone = request({large, 0}, 0);
    alone->brings_rows = true;
    ASSERT_EQ(alone->homes(), 1u);
    ASSERT_TRUE(append(0, *alone));
    EXPECT_EQ(log_.do_work(), 4u);
    work();
    EXPECT_EQ(homes_[0].rows_durable, 1);
    // Nothing of it is new: there are rows all the same.
    const auto again = request({3, 0}, 100);
    again->brings_rows = true;
    ASSERT_TRUE(append(0, *again));
    work();
    EXPECT_EQ(homes_[0].rows_durable, 2);
    EXPECT_EQ(end(0), 3u + static_cast<std::uint64_t>(large));
}

TEST_F(ShardCommitTest, AHomeThatHasAllOfItAlreadyHoldsNobodyUp) {
    const auto first = request({0, 2}, 300, Atomicity::kEachEntry);
    ASSERT_TRUE(append(1, *first));
    work();
    const auto whole = request({2, 2}, 298);
    ASSERT_TRUE(append(0, *whole) && append(1, *whole));
    work();
    EXPECT_EQ(end(0), 2u);
    EXPECT_EQ(end(1), 2u);
    EXPECT_TRUE(whole->items[2].duplicate && whole->items[3].duplicate);
    EXPECT_EQ(homes_[0].done + homes_[1].done, 3);
}

TEST_F(ShardCommitTest, AnIndexThatIsBehindRefusesItBeforeItBeginsAndNotInTheMiddle) {
    const auto fill = request({4 * 8, 0}, 1000, Atomicity::kEachEntry);
    ASSERT_TRUE(append(0, *fill));
    const auto middle = request({20, 1}, 2000);
    ASSERT_TRUE(append(0, *middle) && append(1, *middle));
    const auto refused = request({1, 1}, 3000);
    EXPECT_FALSE(append(0, *refused)) << "it waits";
    EXPECT_FALSE(refused->items[0].refused);
    work();
    EXPECT_EQ(end(0), 52u);
    EXPECT_EQ(end(1), 1u);
}

TEST_F(ShardCommitTest, BatchesInOneOrderNeverWaitForEachOther) {
    std::vector<std::unique_ptr<IngestRequest>> batches;
    for (int i = 0; i < 150; ++i) batches.push_back(request({1, 1}, 0));
    std::size_t next[kHomes] = {};
    for (int turn = 0; next[0] + next[1] < 2 * batches.size(); ++turn) {
        ASSERT_LT(turn, 10'000) << "it stands still";
        // One home runs ahead until it may not any more.
        while (next[0] < batches.size() && append(0, *batches[next[0]])) ++next[0];
        if (next[1] < batches.size() && append(1, *batches[next[1]])) ++next[1];
        work();
        EXPECT_EQ(end(0), end(1));
    }
    work();
    EXPECT_EQ(end(0), batches.size());
    EXPECT_EQ(homes_[0].done, 150);
}

TEST_F(ShardCommitTest, AFailedStoreFailsWhatWaitsForItsOtherPart) {
    const auto whole = request({1, 1}, 100);
    ASSERT_TRUE(append(0, *whole));
    work();
    log_.fail();
    work();
    EXPECT_EQ(homes_[0].failed, 1);
    EXPECT_EQ(end(0), 0u);
}

}  // namespace
}  // namespace millrace::runtime
