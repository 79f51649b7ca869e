// Goal: units that belong together are in one write, whatever comes between them and in whatever
// order their parts arrive; what waits holds up nothing that can be written, and is told when the
// store fails.
#include "store/commit/all_or_none.h"

#include "core/random.h"
#include "store/engine.h"
#include "tests/store/store_fixture.h"

#include <deque>
#include <map>

namespace millrace::store::test {
namespace {

class AllOrNoneTest : public StoreTest {
protected:
    static constexpr std::size_t kFour = 4;

    void SetUp() override {
        Database::Options four = options();
        four.shards = kFour;
        open(four);
    }
    static core::ShardId shard(std::size_t number) {
        return core::ShardId(static_cast<std::uint16_t>(number));
    }
    // One event in a unit of its own.
    void send(std::size_t number, const std::string& id, const BatchPart& part = {}) {
        ASSERT_EQ(append(shard(number), {.id = id}).status, AppendStatus::kAppended);
        CommitUnit unit;
        unit.tag = ++tags_;
        unit.part = part;
        unit.block = database_->shard_log(shard(number)).seal();
        ASSERT_TRUE(writer_->append(number, std::move(unit)));
    }
    bool durable(const std::string& id) {
        const auto found = database_->log_reader().find(core::TenantId{0}, id);
        return found && *found;
    }

    std::uint64_t tags_ = 0;
};

TEST_F(AllOrNoneTest, WaitsForEveryPartAndHoldsUpNobodyElse) {
    send(0, "a0", {.batch = 1, .producers = 3});
    send(0, "behind");
    send(1, "alone");
    send(3, "a3", {.batch = 1, .producers = 3});
    EXPECT_EQ(writer_->do_work(), 1u);
    EXPECT_EQ(writer_->do_work(), 0u);
    EXPECT_TRUE(durable("alone"));
    EXPECT_FALSE(durable("a0") || durable("behind") || durable("a3"));
    send(2, "a2", {.batch = 1, .producers = 3});
    EXPECT_EQ(writer_->do_work(), 4u);
    EXPECT_EQ(writer_->stats().groups, 2u);
    for (const char* id : {"a0", "behind", "a2", "a3"}) EXPECT_TRUE(durable(id)) << id;
}

TEST_F(AllOrNoneTest, APartMayBeSeveralUnits) {
    send(0, "first", {.batch = 7, .producers = 2, .last = false});
    send(1, "other", {.batch = 7, .producers = 2});
    EXPECT_EQ(writer_->do_work(), 0u);
    send(0, "second", {.batch = 7, .producers = 2});
    EXPECT_EQ(writer_->do_work(), 3u);
    // Of one producer alone, too.
    send(2, "x", {.batch = 8, .producers = 1, .last = false});
    EXPECT_EQ(writer_->do_work(), 0u);
    send(2, "y", {.batch = 8, .producers = 1});
    EXPECT_EQ(writer_->do_work(), 2u);
    EXPECT_EQ(writer_->stats().groups, 2u);
}

TEST_F(AllOrNoneTest, APartMayHoldNothing) {
    send(0, "a", {.batch = 1, .producers = 2});
    CommitUnit nothing;
    nothing.part = {.batch = 1, .producers = 2};
    ASSERT_TRUE(writer_->append(1, std::move(nothing)));
    EXPECT_EQ(writer_->do_work(), 2u);
    EXPECT_TRUE(durable("a"));
}

// The writer of nothing that can be written must not be kept awake by what waits.
TEST_F(AllOrNoneTest, SleepsWhileAPartIsMissing) {
    send(0, "a", {.batch = 1, .producers = 2});
    send(0, "behind");
    EXPECT_EQ(writer_->do_work(), 0u);
    const auto began = std::chrono::steady_clock::now();
    writer_->wait(std::chrono::milliseconds(20));
    EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(20));
}

TEST_F(AllOrNoneTest, WhatWaitsIsToldWhenTheStoreFails) {
    send(0, "a", {.batch = 1, .producers = 2});
    send(0, "behind");
    EXPECT_EQ(writer_->do_work(), 0u);
    database_->engine().set_fatal("as asked");
    while (writer_->do_work() > 0) {
    }
    Completion completion;
    for (std::uint64_t tag = 1; tag <= 2; ++tag) {
        ASSERT_TRUE(writer_->poll(0, completion)) << tag;
        EXPECT_EQ(completion.tag, tag);
        EXPECT_TRUE(completion.failed);
    }
}

// Batches over any of four shards, begun in one order, between plain units, each shard with a bound
// of units under way: nothing stands still, and each batch is in one group.
TEST_F(AllOrNoneTest, BatchesThatCrossEachOtherAllGoThrough) {
    core::Random random(3);
    struct Sent {
        std::string id;
        BatchPart part;
    };
    std::vector<std::deque<Sent>> backlog(kFour);
    std::map<std::uint64_t, std::vector<std::string>> batches;
    for (std::uint64_t batch = 1; batch <= 200; ++batch) {
        const std::uint64_t homes = 1 + random.below(15);
        const auto producers = static_cast<std::uint32_t>(__builtin_popcountll(homes));
        for (std::size_t i = 0; i < kFour; ++i) {
            if ((homes >> i & 1) == 0) continue;
            if (random.below(2) == 0) backlog[i].push_back({"p" + std::to_string(++tags_), {}});
            for (std::uint64_t left = 1 + random.below(3); left > 0; --left) {
                backlog[i].push_back(
                    {"b" + std::to_string(++tags_), {batch, producers, left == 1}});
                batches[batch].push_back(backlog[i].back().id);
            }
        }
    }
    std::vector<std::size_t> under_way(kFour);
    std::vector<bool> in_part(kFour);
    const auto all_sent = [&] {
        return std::all_of(backlog.begin(), backlog.end(), [](const auto& b) { return b.empty(); });
    };
    for (int turns = 0; !all_sent(); ++turns) {
        ASSERT_LT(turns, 200'000) << "it stands still";
        const std::size_t i = random.below(kFour);
        if (!backlog[i].empty() && (under_way[i] < 2 || in_part[i])) {
            const Sent next = backlog[i].front();
            backlog[i].pop_front();
            send(i, next.id, next.part);
            in_part[i] = !next.part.last;
            ++under_way[i];
        }
        if (random.below(3) != 0) continue;
        writer_->do_work();
        Completion completion;
        for (std::size_t k = 0; k < kFour; ++k) {
            while (writer_->poll(k, completion)) --under_way[k];
        }
        for (const auto& [batch, ids] : batches) {
            if (random.below(20) != 0) continue;
            const auto there = std::count_if(ids.begin(), ids.end(),
                                             [&](const std::string& id) { return durable(id); });
            ASSERT_TRUE(there == 0 || static_cast<std::size_t>(there) == ids.size()) << batch;
        }
    }
    while (writer_->do_work() > 0) {
    }
    for (const auto& [batch, ids] : batches) {
        for (const std::string& id : ids) EXPECT_TRUE(durable(id)) << batch;
    }
}

}  // namespace
}  // namespace millrace::store::test
