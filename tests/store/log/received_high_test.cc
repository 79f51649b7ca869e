// Goal: a time finds the first event of a shard's log that was received then or later, whatever the
// clock did and however late something came into the log. Method: random logs against a plain walk;
// the same with summaries of the first version, with damaged ones, after restarts and retention.
#include "store/log/received_high.h"

#include "core/random.h"
#include "store/commit/crc32c.h"
#include "store/engine.h"
#include "store/log/block_codec.h"
#include "store/retention/retention.h"
#include "store/rows/keys.h"
#include "tests/store/store_fixture.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

namespace millrace::store::test {
namespace {

class ReceivedHighTest : public StoreTest {
protected:
    // A block of some events; the clock goes on, or is set, and some come late.
    void put_block(core::Random& random) {
        for (std::uint64_t i = 0; i <= random.below(4); ++i) {
            if (random.below(20) == 0)
                clock_.step_wall_us(static_cast<std::int64_t>(random.below(4'000'000)) - 2'000'000);
            const auto late =
                static_cast<std::int64_t>(random.below(3) == 0 ? random.below(900) : 0);
            clock_.step_wall_us(-late);
            append(kZero, {.id = std::to_string(times_.size())});
            times_.push_back(clock_.wall_us());
            clock_.step_wall_us(late);
            clock_.advance_us(static_cast<std::int64_t>(random.below(300)));
        }
        commit(kZero);
    }
    void change_summaries(core::Random& random, std::uint64_t one_in,
                          const std::function<std::string(std::string)>& change) {
        Engine& engine = database_->engine();
        rocksdb::WriteBatch batch;
        const auto rows = engine.iterate(ColumnFamily::kSummary);
        for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
            if (random.below(one_in) == 0)
                batch.Put(engine.family(ColumnFamily::kSummary), rows->key(),
                          change(rows->value().ToString()));
        }
        ASSERT_TRUE(engine.commit(batch, Durability::kFsync));
    }
    // As folders of before have them.
    static std::string without_high(std::string value) {
        SummaryHeader header;
        std::memcpy(&header, value.data(), sizeof(header));
        value.resize(sizeof(header) + header.patterns_bytes + header.bloom_bytes);
        value[0] = static_cast<char>(kSummaryVersion);
        const std::uint32_t crc = record_crc(value, offsetof(SummaryHeader, crc32c));
        std::memcpy(value.data() + offsetof(SummaryHeader, crc32c), &crc, sizeof(crc));
        return value;
    }
    void check(core::Random& random) {
        const std::uint64_t kept = database_->first_kept(kZero).value;
        for (int i = 0; i < 400; ++i) {
            const std::int64_t at_us = times_[random.below(times_.size())] +
                                       static_cast<std::int64_t>(random.below(3)) - 1;
            std::uint64_t expected = kept;
            while (expected < times_.size() && times_[expected] < at_us) ++expected;
            const auto found = database_->log_reader().offset_at_time(kZero, at_us);
            ASSERT_TRUE(found) << found.error().message;
            ASSERT_EQ(found->value, expected) << "of " << times_.size() << " events";
        }
    }
    std::vector<std::int64_t> times_;  // by offset
};

TEST_F(ReceivedHighTest, FindsTheFirstEventOfATimeWhateverTheClockDid) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        core::Random random(seed);
        open();
        for (int round = 0; round < 4; ++round) {
            for (int i = 0; i < 60; ++i) put_block(random);
            check(random);
            reopen();
            check(random);
        }
        close();
        std::filesystem::remove_all(folder_.path());
        times_.clear();
    }
}

TEST_F(ReceivedHighTest, LateEventsInABlockOfTheirOwnHideNothingBeforeThem) {
    open();
    const auto put_at = [&](std::int64_t us) {
        clock_.step_wall_us(us - clock_.wall_us());
        append(kZero, {.id = std::to_string(us)});
        commit(kZero);
    };
    for (const std::int64_t us : {1'000, 3'000, 1'500, 1'600, 1'700}) put_at(us);
    EXPECT_EQ(database_->log_reader().offset_at_time(kZero, 2'500)->value, 1u);
    EXPECT_EQ(database_->log_reader().offset_at_time(kZero, 3'001)->value, 5u);
}

TEST_F(ReceivedHighTest, SummariesThatSayNothingAreLookedAtOneByOne) {
    core::Random random(7);
    open();
    for (int i = 0; i < 60; ++i) put_block(random);
    change_summaries(random, 1, without_high);
    check(random);
    reopen();
    // Those behind them say what is true of all.
    for (int i = 0; i < 60; ++i) put_block(random);
    check(random);
    EXPECT_EQ(*received_high_of(database_->engine(), kZero),
              *std::max_element(times_.begin(), times_.end()));
    change_summaries(random, 4, [](const std::string&) { return "\xee not a row"; });
    check(random);
    reopen();
    for (int i = 0; i < 20; ++i) put_block(random);
    check(random);
}

TEST_F(ReceivedHighTest, WhatRetentionTookIsNotFound) {
    core::Random random(9);
    open();
    for (int i = 0; i < 60; ++i) put_block(random);
    RowBatch rows;
    rows.put_cursor("deliveries", {kZero, core::LogOffset{times_.size() / 2}});
    commit(kZero, std::move(rows));
    ASSERT_TRUE(apply_retention(*database_, {.keep_bytes_max = 1}));
    ASSERT_GT(database_->first_kept(kZero).value, 0u);
    check(random);
    reopen();
    check(random);
}

}  // namespace
}  // namespace millrace::store::test
