// Goal: each offset of an edge counts once, in its order, also when several batches are on their
// way or come in another order than they were sent; what is refused changes nothing. Method:
// batches laid out by hand, a shard that keeps what it gets until it is told to be durable.
#include "runtime/hub/batch_desk.h"

#include "core/metrics.h"
#include "runtime/registry/registry.h"
#include "tests/runtime/registry/memory_registry_rows.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace millrace::runtime::hub {
namespace {

constexpr core::TenantId kHubTenant{3};

class BatchDeskTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        registry_ = *Registry::open(rows_, clock_, random_, {});
        BatchDesk::Deps deps;
        deps.clock = &clock_;
        deps.log = &log_;
        deps.metrics = &metrics_;
        deps.database = database_.get();
        deps.registry = [this] { return registry_->snapshot(); };
        deps.shards = kShards;
        deps.event_bytes_max = 10'000;
        deps.submit = [this](core::ShardId, std::unique_ptr<LaneResult>& result) {
            if (full_) return false;
            results_.push_back(std::move(result));
            return true;
        };
        deps.may_take = [this](core::TenantId, std::size_t, std::size_t) -> core::Status {
            if (may_take_) return {};
            return core::fail(core::ErrorCode::kRateLimited, "too much");
        };
        deps.holds = [] { return false; };
        deps.post = [](std::function<void()> task) { task(); };
        desk_ = std::make_unique<BatchDesk>(std::move(deps));
        ASSERT_TRUE(desk_->load(aside_));
        enroll();
    }
    void enroll() {
        auto made = registry_->table<EdgeNode>().create({.tenant = kHubTenant}, R"({"node":"n"})");
        ASSERT_TRUE(made) << made.error().message;
        edge_ = made->after;
    }

    // So many events from an offset on.
    static std::string batch(std::uint64_t from, std::uint64_t count,
                             std::uint64_t incarnation = 1) {
        BatchWriter writer;
        writer.begin(from);
        for (std::uint64_t offset = from; offset < from + count; ++offset) {
            const std::string text = text_of(offset);
            writer.add({.offset = offset, .received_at_us = 1, .id = {}, .text = text});
        }
        return writer.finish({.incarnation = incarnation,
                              .to = from + count,
                              .end = from + count,
                              .hash_before = hash_at(from),
                              .hash_after = hash_at(from + count)});
    }
    // Of which nothing crosses.
    static std::string skipped(std::uint64_t from, std::uint64_t to, std::uint32_t lane,
                               std::uint64_t filter_version) {
        BatchWriter writer;
        writer.begin(from);
        writer.skip(from, to);
        return writer.finish({.incarnation = 1,
                              .to = to,
                              .end = to,
                              .hash_before = from,
                              .hash_after = to,
                              .filter_version = filter_version,
                              .lane = lane});
    }
    static std::string text_of(std::uint64_t offset) {
        const std::string number = std::to_string(offset);
        return R"({"eventId":"e)" + number + R"(","pattern":"a","payload":{"n":)" + number + "}}";
    }
    static std::uint64_t hash_at(std::uint64_t offset) {
        std::uint64_t hash = 0;
        for (std::uint64_t i = 0; i < offset; ++i) hash = chain_on(hash, i, 1, text_of(i));
        return hash;
    }
    // What is answered is appended to answers_: "name:to/events;" or "name:code;".
    void take(const std::string& name, const std::string& bytes,
              Follows follows = Follows::kMaybe) {
        desk_->take(edge_, bytes, follows, [this, name](core::Result<BatchTaken>&& taken) {
            answers_ += name + ":";
            if (taken)
                answers_ += std::to_string(taken->to) + "/" + std::to_string(taken->events);
            else
                answers_ += core::error_code_text(taken.error().code);
            answers_ += ";";
        });
    }
    void be_durable() {
        while (!results_.empty()) {
            const std::unique_ptr<LaneResult> result = std::move(results_.front());
            results_.pop_front();
            events_ += result->emitted ? std::string(result->emitted.view()) : std::string();
            for (const auto& done : result->when_durable) done();
        }
    }
    std::string answers() { return std::exchange(answers_, {}); }

    core::Log log_{clock_, core::LogLevel::kOff};
    core::Metrics metrics_{core::Metrics::Options{}};
    SetAside aside_{log_};
    MemoryRegistryRows rows_;
    core::Random random_{1};
    std::unique_ptr<Registry> registry_;
    std::unique_ptr<BatchDesk> desk_;
    EdgeRef edge_;
    std::deque<std::unique_ptr<LaneResult>> results_;
    std::string answers_, events_;
    bool full_ = false, may_take_ = true;
};

TEST_F(BatchDeskTest, OneBehindTheOtherIsTakenBeforeTheFirstIsDurable) {
    take("a", batch(0, 2));
    take("b", batch(2, 3), Follows::kYes);
    take("c", batch(5, 1), Follows::kYes);
    EXPECT_EQ(results_.size(), 3u);
    EXPECT_EQ(answers(), "");
    be_durable();
    EXPECT_EQ(answers(), "a:2/2;b:5/3;c:6/1;");
    EXPECT_EQ(desk_->look(edge_->number).shards.at(0).mark.taken, 6u);
}

TEST_F(BatchDeskTest, TheFigureOfWhatIsBehindIsTrueWhenNothingMoreComes) {
    const auto lag = [this] { return metrics_.sum_where(core::Metric::kEdgeLag, 1, edge_->id); };
    take("a", batch(0, 2));
    take("b", batch(2, 3), Follows::kYes);
    be_durable();
    EXPECT_EQ(answers(), "a:2/2;b:5/3;");
    EXPECT_EQ(lag(), 0);
}

TEST_F(BatchDeskTest, OneThatHasOvertakenWaitsForTheOneBefore) {
    take("a", batch(0, 1));
    be_durable();
    take("d", batch(4, 1), Follows::kYes);
    take("c", batch(2, 2), Follows::kYes);
    EXPECT_TRUE(results_.empty());
    take("b", batch(1, 1));
    EXPECT_EQ(results_.size(), 3u);
    be_durable();
    EXPECT_EQ(answers(), "a:1/1;b:2/1;c:4/2;d:5/1;");
    std::size_t at = 0;
    for (std::uint64_t offset = 0; offset < 5; ++offset) {
        const std::size_t next = events_.find("\"n\":" + std::to_string(offset), at);
        ASSERT_NE(next, std::string::npos) << offset;
        at = next;
    }
}

TEST_F(BatchDeskTest, OneWhosePredecessorDoesNotComeIsRefusedInTime) {
    take("a", batch(0, 1));
    be_durable();
    take("c", batch(3, 1), Follows::kYes);
    EXPECT_EQ(answers(), "a:1/1;");
    clock_.advance_us(BatchDesk::kEarlyNs / 1000 + 1);
    take("a", batch(0, 1));
    EXPECT_EQ(answers(), "c:UNAVAILABLE;a:1/0;");
}

TEST_F(BatchDeskTest, WhatSaysThatItFollowsBeginsNothing) {
    take("b", batch(7, 1), Follows::kYes);
    EXPECT_EQ(answers(), "b:UNAVAILABLE;");
    EXPECT_TRUE(results_.empty());
    // A folder whose beginning retention has taken may begin anywhere.
    take("a", batch(7, 1));
    be_durable();
    EXPECT_EQ(answers(), "a:8/1;");
}

TEST_F(BatchDeskTest, WhatIsThereIsAnsweredAndNotTaken) {
    take("a", batch(0, 4));
    take("again", batch(0, 4));
    EXPECT_EQ(answers(), "again:UNAVAILABLE;");  // it may still come to nothing
    be_durable();
    take("again", batch(0, 4));
    take("part", batch(2, 4));
    take("far", batch(9, 1));
    EXPECT_EQ(answers(), "a:4/4;again:4/0;part:4/0;far:4/0;");
    EXPECT_TRUE(results_.empty());
}

TEST_F(BatchDeskTest, ACopyIsRefusedAlsoBehindWhatIsOnItsWay) {
    take("a", batch(0, 2));
    BatchWriter writer;
    writer.begin(2);
    writer.skip(2, 3);
    const std::string copy = writer.finish(
        {.incarnation = 1, .to = 3, .end = 3, .hash_before = hash_at(2) ^ 1, .hash_after = 9});
    take("copy", copy, Follows::kYes);
    EXPECT_EQ(answers(), "copy:CONFLICT;");
    be_durable();
    take("copy", copy);
    EXPECT_EQ(answers(), "a:2/2;copy:CONFLICT;");
    EXPECT_NE(desk_->look(edge_->number).last_error.find("cloned"), std::string::npos);
}

TEST_F(BatchDeskTest, WhatTheShardHasNoRoomForChangesNothing) {
    may_take_ = false;
    take("a", batch(0, 2));
    EXPECT_EQ(answers(), "a:RATE_LIMIT_EXCEEDED;");
    may_take_ = true;
    full_ = true;
    take("a", batch(0, 2));
    EXPECT_EQ(answers(), "a:UNAVAILABLE;");
    EXPECT_TRUE(desk_->look(edge_->number).shards.empty());
    full_ = false;
    may_take_ = false;  // what was paid for is
    take("a", batch(0, 2));
    be_durable();
    EXPECT_EQ(answers(), "a:2/2;");
}

TEST_F(BatchDeskTest, AsManyAreOnTheirWayAsMayBe) {
    for (std::size_t i = 0; i <= BatchDesk::kUnderWayMax; ++i)
        take("x", batch(i, 1), i == 0 ? Follows::kMaybe : Follows::kYes);
    EXPECT_EQ(results_.size(), BatchDesk::kUnderWayMax);
    EXPECT_EQ(answers(), "x:UNAVAILABLE;");
}

TEST_F(BatchDeskTest, TheFolderThatWasLeftFirstIsForgottenWhenThereAreTooMany) {
    for (std::size_t i = 1; i <= BatchDesk::kIncarnationsMax; ++i) {
        take("x", batch(0, 1, i));
        be_durable();
        clock_.advance_us(1'000'000);
    }
    full_ = true;
    take("x", batch(0, 1, 99));
    const auto known = [this](std::uint64_t incarnation) {
        const EdgeStatus status = desk_->look(edge_->number);
        return std::any_of(status.shards.begin(), status.shards.end(), [&](const auto& shard) {
            return shard.mark.incarnation == incarnation;
        });
    };
    EXPECT_TRUE(known(1));  // nothing was taken, and so nothing is forgotten
    full_ = false;
    take("x", batch(0, 1, 99));
    be_durable();
    EXPECT_FALSE(known(1));
    EXPECT_TRUE(known(2) && known(99));
    EXPECT_EQ(desk_->look(edge_->number).shards.size(), BatchDesk::kIncarnationsMax);
}

TEST_F(BatchDeskTest, WhatFiltersHaveLeftOutIsAskedForAndTakenOnce) {
    const auto asked = [this] {
        std::string out;
        desk_->ask_for_the_rest(edge_, [&out](core::Result<std::vector<EdgeMark>>&& asks) {
            ASSERT_TRUE(asks);
            for (const EdgeMark& mark : *asks)
                out += std::to_string(mark.lane) + ":" + std::to_string(mark.backfill->from) + "-" +
                       std::to_string(mark.backfill->to) + ";";
        });
        be_durable();
        return out;
    };
    EXPECT_EQ(asked(), "");  // nothing has come yet
    take("a", skipped(0, 5, 0, 7));
    be_durable();
    answers();
    const std::string lane = std::to_string(kPartStep * 4);
    EXPECT_EQ(asked(), lane + ":0-5;");
    EXPECT_EQ(asked(), "");  // it is on its way
    EXPECT_NE(desk_->told_to(*edge_).find(R"("backfills":[{"lane":)" + lane), std::string::npos)
        << desk_->told_to(*edge_);
    // In two pieces, and nothing beyond.
    take("b", skipped(0, 3, kPartStep * 4, 0));
    be_durable();
    take("far", skipped(3, 6, kPartStep * 4, 0));
    take("c", skipped(3, 5, kPartStep * 4, 0));
    be_durable();
    take("again", skipped(3, 5, kPartStep * 4, 0));
    EXPECT_EQ(answers(), "b:3/0;far:VALIDATION_ERROR;c:5/0;again:5/0;");
    EXPECT_EQ(desk_->told_to(*edge_).find("backfills"), std::string::npos);
    const EdgeStatus status = desk_->look(edge_->number);
    ASSERT_EQ(status.backfills.size(), 1u);
    EXPECT_TRUE(status.backfills[0].done());
    EXPECT_EQ(status.shards.size(), 1u);
    EXPECT_EQ(asked(), "");  // nothing of what is wanted is left there
    EXPECT_EQ(desk_->look(edge_->number).backfills.size(), 1u);
    // Asked for again, when more is wanted: a backfill of its own.
    auto more = registry_->create_subscription(
        kHubTenant,
        R"({"id":"s","pattern":"a","edges":"*","executor":{"type":"webhook","url":"https://example.com/"}})",
        {});
    ASSERT_TRUE(more) << more.error().message;
    desk_->changed({nullptr, *more});
    EXPECT_EQ(asked(), std::to_string(kPartStep * 6) + ":0-5;");
    EXPECT_EQ(desk_->look(edge_->number).backfills.size(), 1u);
}

TEST_F(BatchDeskTest, WhatNobodyHasAskedForIsNotTaken) {
    take("a", skipped(0, 5, kPartStep * 4, 0));
    EXPECT_EQ(answers(), "a:NOT_FOUND;");
    take("a", skipped(0, 5, kPartStep * kUrgentPart, 0));
    be_durable();
    EXPECT_EQ(answers(), "a:5/0;");
}

TEST_F(BatchDeskTest, WithTheEdgeGoesWhatWasKeptOfIt) {
    take("a", batch(0, 1));
    be_durable();
    take("c", batch(2, 1), Follows::kYes);
    const auto gone = registry_->table<EdgeNode>().remove({.tenant = kHubTenant}, "n");
    ASSERT_TRUE(gone);
    desk_->changed(*gone);
    EXPECT_EQ(answers(), "a:1/1;c:NOT_FOUND;");
    EXPECT_TRUE(desk_->look(edge_->number).shards.empty());
}

TEST_F(BatchDeskTest, WithTheEdgeGoFiguresAndOneOfItsNameBeginsAtNought) {
    const auto page = [this] {
        std::string out;
        metrics_.export_text(out);
        return out;
    };
    const auto taken = [this] { return metrics_.sum_where(core::Metric::kEdgeEvents, 1, "n"); };
    take("a", batch(0, 2));
    take("b", batch(2, 1), Follows::kYes);
    EXPECT_EQ(taken(), 3);
    EXPECT_NE(page().find("edge=\"n\""), std::string::npos);
    const auto gone = registry_->table<EdgeNode>().remove({.tenant = kHubTenant}, "n");
    ASSERT_TRUE(gone);
    desk_->changed(*gone);
    EXPECT_EQ(page().find("edge=\"n\""), std::string::npos) << page();
    be_durable();  // what was on its way brings them back no more
    EXPECT_EQ(answers(), "a:NOT_FOUND;b:NOT_FOUND;");
    EXPECT_EQ(page().find("edge=\"n\""), std::string::npos) << page();
    enroll();
    take("c", batch(0, 1));
    be_durable();
    EXPECT_EQ(answers(), "c:1/1;");
    EXPECT_EQ(taken(), 1);
}

}  // namespace
}  // namespace millrace::runtime::hub
