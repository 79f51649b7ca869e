// Goal: a keeper lets one request at a time have an identity, and knows what has been taken at
// other shards: from memory, from runs, after a crash; and no longer than it is kept there.
// Method: two shards' logs, events whose keeper is the first and whose home is the second.
#include "runtime/shard/identity_keeper.h"

#include "store/engine.h"
#include "tests/store/store_fixture.h"

namespace millrace::runtime {
namespace {

using store::AppendStatus;

class IdentityKeeperTest : public store::test::StoreTest {
protected:
    void SetUp() override { begin(); }
    void begin() {
        auto with = options();
        with.id_table_entries_max = 8;  // runs come soon
        open(with);
        keeper_ = std::make_unique<IdentityKeeper>(kZero, database_->ids());
    }
    // The n-th id that the first shard keeps.
    store::test::TestEvent event(int n) {
        for (int i = 0;; ++i) {
            store::test::TestEvent made{.id = "id-" + std::to_string(i)};
            if (store::keeper_of(identity(made), kShards) == kZero && n-- == 0) return made;
        }
    }
    store::IdHash identity(const store::test::TestEvent& of) {
        return database_->hasher().identity({of.tenant, "external", of.source, of.id});
    }
    KeeperAnswer ask(IngestRequest& request, const store::IdHash& id) {
        request.reset(kShards);
        IngestItem& item = request.items.emplace_back();
        item.input.id = id;
        item.home = kOne;
        request.place(0, kZero, MustAsk::kYes);
        keeper_->answer(request);
        return item.answer;
    }
    // Of an event that lives at its keeper and did not ask.
    bool stands_elsewhere(const store::IdHash& id) {
        IngestRequest request;
        request.reset(kShards);
        IngestItem& item = request.items.emplace_back();
        item.input.id = id;
        item.home = kZero;
        request.place(0, kZero, MustAsk::kNo);
        keeper_->mark_elsewhere(request, 0);
        return item.again;
    }
    KeeperAnswer ask_once(const store::IdHash& id) {
        IngestRequest request;
        const KeeperAnswer answer = ask(request, id);
        keeper_->release(request);
        return answer;
    }
    // As its home does it when the keeper has granted it.
    void take(const store::test::TestEvent& of) {
        const std::string text = of.text();
        store::AppendInput input;
        input.raw = text;
        input.pattern = of.pattern;
        input.received_at_us = clock_.wall_us();
        input.id = identity(of);
        input.asked = true;
        ASSERT_EQ(database_->shard_log(kOne).append(input).status, AppendStatus::kAppended);
    }

    std::unique_ptr<IdentityKeeper> keeper_;
};

TEST_F(IdentityKeeperTest, GrantsAnIdentityToOneRequestAtATime) {
    const store::IdHash id = identity(event(0));
    IngestRequest first;
    IngestRequest second;
    EXPECT_EQ(ask(first, id), KeeperAnswer::kGranted);
    EXPECT_EQ(ask(second, id), KeeperAnswer::kOnItsWay);
    EXPECT_TRUE(stands_elsewhere(id));
    keeper_->release(second);  // was granted nothing
    EXPECT_EQ(ask(second, id), KeeperAnswer::kOnItsWay);
    keeper_->release(first);  // and has not taken it
    EXPECT_FALSE(stands_elsewhere(id));
    EXPECT_EQ(ask(second, id), KeeperAnswer::kGranted);
    keeper_->release(second);
    EXPECT_EQ(keeper_->granted(), 0u);
}

TEST_F(IdentityKeeperTest, OneBatchWithAnIdTwiceIsGrantedItOnce) {
    IngestRequest request;
    request.reset(kShards);
    for (std::uint32_t i = 0; i < 2; ++i) {
        request.items.emplace_back().input.id = identity(event(0));
        request.place(i, kZero, MustAsk::kYes);
    }
    keeper_->answer(request);
    EXPECT_EQ(request.items[0].answer, KeeperAnswer::kGranted);
    EXPECT_EQ(request.items[1].answer, KeeperAnswer::kOnItsWay);
}

TEST_F(IdentityKeeperTest, AnotherTenantsIdIsAnother) {
    take(event(0));
    store::test::TestEvent other = event(0);
    other.tenant = core::TenantId{9};
    // Whoever keeps it.
    std::vector<store::IdQuestion> questions{{.id = identity(other)}, {.id = identity(event(0))}};
    database_->ids().find_elsewhere(questions, kZero);
    EXPECT_FALSE(questions[0].there);
    EXPECT_TRUE(questions[1].there);
    EXPECT_EQ(questions[1].at, (core::LogPosition{kOne, core::LogOffset{0}}));
}

TEST_F(IdentityKeeperTest, KnowsWhatStandsInAnOpenBlockElsewhere) {
    take(event(0));
    IngestRequest request;
    EXPECT_EQ(ask(request, identity(event(0))), KeeperAnswer::kTaken);
    EXPECT_EQ(request.items[0].position.shard, kOne);
    EXPECT_TRUE(stands_elsewhere(identity(event(0))));
    EXPECT_EQ(ask_once(identity(event(1))), KeeperAnswer::kGranted);
}

TEST_F(IdentityKeeperTest, KnowsItOverRunsMergesAndCrashes) {
    constexpr int kEvents = 100;
    for (int i = 0; i < kEvents; ++i) {
        take(event(i));
        if (i % 5 == 4) {
            commit(kOne);
            housekeep();
        }
        if (i == 40 || i == 80) {
            commit(kOne);
            crash();
            begin();
        }
    }
    EXPECT_GT(database_->ids().shard(kOne).runs(), 0u);
    for (int i = 0; i < kEvents; ++i)
        EXPECT_EQ(ask_once(identity(event(i))), KeeperAnswer::kTaken) << i;
    EXPECT_EQ(ask_once(identity(event(kEvents))), KeeperAnswer::kGranted);
}

TEST_F(IdentityKeeperTest, ForgetsWhatIsNoLongerKept) {
    take(event(0));
    take(event(1));
    commit(kOne);
    database_->engine().set_first_kept(kOne, core::LogOffset{1});
    EXPECT_EQ(ask_once(identity(event(0))), KeeperAnswer::kGranted);
    EXPECT_EQ(ask_once(identity(event(1))), KeeperAnswer::kTaken);
}

TEST_F(IdentityKeeperTest, KnowsItsOwn) {
    put(kZero, event(0));
    IngestRequest request;
    EXPECT_EQ(ask(request, identity(event(0))), KeeperAnswer::kTaken);
    EXPECT_EQ(request.items[0].position.shard, kZero);
    EXPECT_FALSE(stands_elsewhere(identity(event(0))));
}

// Without a key nothing is asked, and nobody looks for it in vain.
TEST_F(IdentityKeeperTest, ShardsThatWereNeverAskedForAreNotLookedThrough) {
    put(kOne, event(0));
    EXPECT_FALSE(database_->ids().shard(kOne).may_hold_of(kZero));
    reopen();
    EXPECT_FALSE(database_->ids().shard(kOne).may_hold_of(kZero));
    take(event(1));
    EXPECT_TRUE(database_->ids().shard(kOne).may_hold_of(kZero));
    commit(kOne);
    reopen();
    EXPECT_TRUE(database_->ids().shard(kOne).may_hold_of(kZero));
}

// A block that stays though retention let this event go: its id counts no more, elsewhere too.
TEST_F(IdentityKeeperTest, ForgetsWhatWasLetGoOutOfABlock) {
    take(event(0));
    take(event(1));
    commit(kOne);
    database_->ids().shard(kOne).gone().put(store::GoneBits::of(0, {true, false}));
    EXPECT_EQ(ask_once(identity(event(0))), KeeperAnswer::kGranted);
    EXPECT_EQ(ask_once(identity(event(1))), KeeperAnswer::kTaken);
}

}  // namespace
}  // namespace millrace::runtime
