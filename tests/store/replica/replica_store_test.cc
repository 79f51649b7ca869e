// A folder that follows another one by its writes alone: the same rows in the end, well by verify,
// and a store like any other when it is opened as one.
#include "store/replica/replica_store.h"

#include "store/engine.h"
#include "store/retention/retention.h"
#include "store/verify.h"
#include "tests/store/store_fixture.h"

#include <deque>
#include <map>

namespace millrace::store {
namespace {

constexpr std::uint64_t kSeed = 99;

// What a log would keep, and the words of one that is not there any more.
class MemoryGate final : public ReplicaGate {
public:
    struct Kept {
        std::string batch;
        ReplicaPosition at;
    };
    core::Result<ReplicaPosition> append(std::string_view batch) override {
        if (!refuses.empty()) return core::fail(core::ErrorCode::kConflict, refuses);
        ReplicaPosition at = kept.empty() ? ReplicaPosition{} : kept.back().at;
        ++at.sequence;
        ++at.unit;
        at.epoch = 1;
        at.created_us = 5;
        at.hash = at.hash * 31 + batch.size();
        kept.push_back({std::string(batch), at});
        return at;
    }
    std::deque<Kept> kept;
    std::string refuses;
};

class ReplicaStoreTest : public test::StoreTest {
protected:
    Database::Options owner_options() {
        Database::Options out = options();
        out.shards = 1;
        out.hash_seed = kSeed;
        out.gate = &gate_;
        return out;
    }
    Database::Options copy_options() {
        Database::Options out = owner_options();
        out.path = copy_.path();
        out.gate = nullptr;
        return out;
    }
    std::unique_ptr<ReplicaStore> open_copy() {
        auto opened = ReplicaStore::open(copy_options());
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? std::move(*opened) : nullptr;
    }
    // From where the copy is to the end.
    void follow(ReplicaStore& copy) {
        for (const auto& one : gate_.kept) {
            if (one.at.unit <= copy.position().unit) continue;
            const auto applied = copy.apply(one.batch, one.at);
            ASSERT_TRUE(applied) << applied.error().message;
        }
    }
    void put_events(int first, int count) {
        for (int i = first; i < first + count; ++i) {
            test::TestEvent event;
            event.id = "e" + std::to_string(i);
            ASSERT_EQ(append(kZero, event).status, AppendStatus::kAppended);
            if (i % 5 == 4) {
                RowBatch rows;
                rows.put_cursor("deliveries",
                                {kZero, core::LogOffset(static_cast<std::uint64_t>(i))});
                commit(kZero, std::move(rows));
            }
        }
        commit(kZero);
    }
    static std::map<std::string, std::string> rows_of(const std::string& folder) {
        core::ManualClock clock;
        Database::Options with;
        with.path = folder;
        with.shards = 1;
        with.clock = &clock;
        with.read_only = true;
        auto opened = Database::open(with);
        EXPECT_TRUE(opened) << opened.error().message;
        std::map<std::string, std::string> out;
        for (std::size_t i = 0; opened && i < kColumnFamilyCount; ++i) {
            const auto rows = (*opened)->engine().iterate(static_cast<ColumnFamily>(i));
            for (rows->SeekToFirst(); rows->Valid(); rows->Next())
                out[std::to_string(i) + "/" + rows->key().ToString()] = rows->value().ToString();
        }
        return out;
    }

    MemoryGate gate_;
    test::TempFolder copy_;
};

// A server that opens the folder by itself writes at its start already.
TEST_F(ReplicaStoreTest, AFolderThatSomebodyHadForHimselfIsNoCopyAnyMore) {
    open(owner_options());
    put_events(0, 10);
    ReplicaPosition was;
    {
        const auto copy = open_copy();
        ASSERT_TRUE(copy);
        follow(*copy);
        was = copy->position();
        ASSERT_TRUE(copy->close());
    }
    EXPECT_FALSE(open_copy()->written_alone());
    auto alone = Database::open(copy_options());
    ASSERT_TRUE(alone) << alone.error().message;
    ASSERT_TRUE((*alone)->close());
    alone->reset();
    ReplicaPosition told;
    {
        const auto copy = open_copy();
        ASSERT_TRUE(copy);
        EXPECT_TRUE(copy->written_alone());
        told = copy->position();
        EXPECT_EQ(told.unit, was.unit);
        EXPECT_NE(told.hash, was.hash);
    }
    EXPECT_EQ(open_copy()->position(), told) << "the same at each start";
    // A person says that this one counts: others follow its chain from then on.
    {
        const auto copy = open_copy();
        ASSERT_TRUE(copy->note(told));
        ASSERT_TRUE(copy->close());
    }
    const auto healed = open_copy();
    EXPECT_FALSE(healed->written_alone());
    EXPECT_EQ(healed->position(), told);
}

TEST_F(ReplicaStoreTest, HoldsTheSameRowsAsTheFolderThatItFollows) {
    open(owner_options());
    put_events(0, 40);
    {
        const auto copy = open_copy();
        ASSERT_TRUE(copy);
        follow(*copy);
        EXPECT_EQ(copy->position(), gate_.kept.back().at);
        EXPECT_EQ(copy->events(), 40u);
        EXPECT_NE(copy->synced(), copy->position());
        ASSERT_TRUE(copy->sync());
        EXPECT_EQ(copy->synced(), copy->position());
        ASSERT_TRUE(copy->close());
    }
    close();
    open(owner_options());  // an opening writes too
    put_events(40, 7);
    close();
    {
        const auto copy = open_copy();
        ASSERT_TRUE(copy);
        follow(*copy);
        ASSERT_TRUE(copy->close());
    }
    EXPECT_EQ(rows_of(folder_.path()), rows_of(copy_.path()));
    for (const std::string& path : {folder_.path(), copy_.path()}) {
        const auto report = verify(path);
        ASSERT_TRUE(report) << report.error().message;
        EXPECT_TRUE(report->ok()) << report->problems.front();
        EXPECT_EQ(report->events, 47u);
    }
}

TEST_F(ReplicaStoreTest, IsAStoreLikeAnyOtherWhenItIsOpenedAsOne) {
    open(owner_options());
    put_events(0, 23);
    close();
    {
        const auto copy = open_copy();
        ASSERT_TRUE(copy);
        follow(*copy);
        ASSERT_TRUE(copy->close());
    }
    Database::Options with = copy_options();
    with.gate = &gate_;
    open(with);
    EXPECT_EQ(database_->durable_end(kZero), core::LogOffset{23});
    EXPECT_EQ(database_->cursor("deliveries", kZero), core::LogOffset{19});
    test::TestEvent again;
    again.id = "e7";
    EXPECT_EQ(append(kZero, again).status, AppendStatus::kDuplicate);
    put_events(23, 2);
    close();
    const auto report = verify(copy_.path());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(report->ok()) << report->problems.front();
}

TEST_F(ReplicaStoreTest, GoesOnWhereItWasAfterACrash) {
    open(owner_options());
    put_events(0, 10);
    auto copy = open_copy();
    ASSERT_TRUE(copy);
    follow(*copy);
    const ReplicaPosition before = copy->position();
    copy.reset();  // without a sync, a mark, or a word
    copy = open_copy();
    ASSERT_TRUE(copy);
    EXPECT_EQ(copy->position(), before);
    put_events(10, 10);
    follow(*copy);
    EXPECT_EQ(copy->events(), 20u);
    ASSERT_TRUE(copy->close());
    copy.reset();
    close();
    EXPECT_EQ(rows_of(folder_.path()), rows_of(copy_.path()));
}

TEST_F(ReplicaStoreTest, FollowsRetention) {
    open(owner_options());
    put_events(0, 30);
    clock_.advance_us(10'000'000);
    put_events(30, 5);
    RetentionRule rule;
    rule.keep_received_after_us = clock_.wall_us() - 1'000'000;
    RowBatch rows;
    rows.put_cursor("deliveries", {kZero, core::LogOffset{35}});
    commit(kZero, std::move(rows));
    const auto report = apply_retention(*database_, rule);
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_GT(report->events_dropped, 0u);
    close();
    {
        const auto copy = open_copy();
        ASSERT_TRUE(copy);
        follow(*copy);
        const auto worked = copy->work();
        EXPECT_TRUE(worked && *worked) << "what was dropped gives its files back";
        EXPECT_FALSE(*copy->work());
        ASSERT_TRUE(copy->close());
    }
    EXPECT_EQ(rows_of(folder_.path()), rows_of(copy_.path()));
    const auto found = verify(copy_.path());
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_TRUE(found->ok()) << found->problems.front();
}

TEST_F(ReplicaStoreTest, RefusesWhatDoesNotFollow) {
    open(owner_options());
    put_events(0, 5);
    put_events(5, 5);
    put_events(10, 5);
    const auto copy = open_copy();
    ASSERT_TRUE(copy);
    std::size_t blocks = 0;
    for (const auto& one : gate_.kept) {
        // The second block is left out.
        const bool is_block = one.batch.size() > 200;
        if (is_block && ++blocks == 2) continue;
        const ReplicaPosition before = copy->position();
        const auto applied = copy->apply(one.batch, one.at);
        if (applied) continue;
        EXPECT_EQ(applied.error().code, core::ErrorCode::kConflict) << applied.error().message;
        EXPECT_EQ(copy->position(), before);
        EXPECT_EQ(copy->events(), 5u);
        return;
    }
    FAIL() << "a gap was taken";
}

TEST_F(ReplicaStoreTest, RefusesBytesThatAreNoWrite) {
    const auto copy = open_copy();
    ASSERT_TRUE(copy);
    for (const std::string& bytes :
         {std::string(), std::string("short"), std::string(40, 'x'), std::string(12, '\0') + "z"}) {
        const auto applied = copy->apply(bytes, {1, 5, 1, 1, 0});
        ASSERT_FALSE(applied);
        EXPECT_EQ(applied.error().code, core::ErrorCode::kConflict);
    }
    EXPECT_EQ(copy->position(), ReplicaPosition{});
}

TEST_F(ReplicaStoreTest, NothingIsWrittenThatTheLogDoesNotTake) {
    open(owner_options());
    put_events(0, 5);
    const std::size_t before = gate_.kept.size();
    gate_.refuses = "another node owns the partition";
    RowBatch rows;
    rows.put_cursor("deliveries", {kZero, core::LogOffset{77}});
    const auto written = database_->write_now(rows);
    ASSERT_FALSE(written);
    EXPECT_EQ(database_->fatal_reason(), gate_.refuses);
    EXPECT_EQ(gate_.kept.size(), before);
    crash();
    gate_.refuses.clear();
    open(owner_options());
    EXPECT_NE(database_->cursor("deliveries", kZero), core::LogOffset{77});
}

TEST_F(ReplicaStoreTest, AFolderOfAnotherClusterOrOfNoneIsRefused) {
    open(owner_options());
    put_events(0, 1);
    close();
    Database::Options other = owner_options();
    other.gate = nullptr;
    other.hash_seed = kSeed + 1;
    const auto copy = ReplicaStore::open(other);
    ASSERT_FALSE(copy);
    EXPECT_NE(copy.error().message.find("another hash seed"), std::string::npos);
    other.gate = &gate_;
    const auto owner = Database::open(other);
    ASSERT_FALSE(owner);
    EXPECT_NE(owner.error().message.find("another hash seed"), std::string::npos);

    test::TempFolder alone;
    Database::Options standing = options();
    standing.path = alone.path();
    ASSERT_TRUE(Database::open(standing));
    standing.hash_seed = kSeed;
    const auto taken = ReplicaStore::open(standing);
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message.find("stands alone"), std::string::npos);
}

TEST_F(ReplicaStoreTest, KeepsIdentitiesSoThatAnOpeningReadsLittle) {
    Database::Options with = owner_options();
    with.id_table_entries_max = 64;
    open(with);
    for (int i = 0; i < 10; ++i) {
        put_events(i * 60, 60);
        housekeep();
    }
    Database::Options small = copy_options();
    small.id_table_entries_max = 64;
    auto copy = ReplicaStore::open(small);
    ASSERT_TRUE(copy);
    follow(**copy);
    ASSERT_TRUE((*copy)->close());
    for (auto worked = (*copy)->work(); worked && *worked; worked = (*copy)->work()) {
    }
    copy->reset();
    std::size_t runs = 0;
    for (const auto& file : std::filesystem::directory_iterator(copy_.path() + "/ids"))
        runs += file.is_regular_file() ? 1 : 0;
    EXPECT_GT(runs, 0u);
    close();
    Database::Options taken = small;
    taken.gate = &gate_;
    open(taken);
    test::TestEvent again;
    again.id = "e3";
    EXPECT_EQ(append(kZero, again).status, AppendStatus::kDuplicate);
}

TEST(ReplicaPosition, ComesBackAsItWasWritten) {
    const ReplicaPosition at{17, 1'700'000'000'000'000, 3, 12, 0xfedcba9876543210};
    const auto read = decode_replica_position(encode_replica_position(at));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, at);
    EXPECT_FALSE(decode_replica_position("short"));
    EXPECT_FALSE(decode_replica_position(std::string(48, 'x')));
}

}  // namespace
}  // namespace millrace::store
