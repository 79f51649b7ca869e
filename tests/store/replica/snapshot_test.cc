// A copy that begins with a snapshot of another one: the same rows, the position in it, the tail
// behind it; and whatever moment a process ends at, a folder that starts.
#include "store/replica/snapshot.h"

#include "store/engine.h"
#include "store/replica/fill_folder.h"
#include "store/replica/replica_store.h"
#include "tests/store/store_fixture.h"

#include <filesystem>
#include <fstream>
#include <vector>

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSeed = 99;

class SnapshotGate final : public ReplicaGate {
public:
    core::Result<ReplicaPosition> append(std::string_view batch) override {
        at.sequence += 1 + beats;  // signs of life stand between
        ++at.unit;
        at.epoch = 1;
        at.created_us = 5;
        at.hash = at.hash * 31 + batch.size();
        kept.emplace_back(batch, at);
        return at;
    }
    std::vector<std::pair<std::string, ReplicaPosition>> kept;
    ReplicaPosition at;
    std::uint64_t beats = 0;
};

class SnapshotTest : public test::StoreTest {
protected:
    void SetUp() override {
        Database::Options with = options();
        with.shards = 1;
        with.hash_seed = kSeed;
        with.gate = &gate_;
        open(with);
        put_events(0, 25);
    }
    Database::Options copy_options(const std::string& path) {
        Database::Options out = options();
        out.shards = 1;
        out.hash_seed = kSeed;
        out.path = path;
        return out;
    }
    void put_events(int first, int count) {
        for (int i = first; i < first + count; ++i) {
            test::TestEvent event;
            event.id = "e" + std::to_string(i);
            ASSERT_EQ(append(kZero, event).status, AppendStatus::kAppended);
        }
        commit(kZero);
    }
    std::string dir() const { return place_.path() + "/p07"; }
    std::string give() const { return place_.path() + "/given"; }
    core::Result<Snapshot> take(const CopyEnd& asks = {}) {
        return snapshot_of(*database_, give(), asks);
    }
    // As a network would bring it.
    void bring(FillFolder& to) {
        SnapshotFile file;
        std::uint64_t from = 0;
        while (to.wants(file, from)) {
            std::ifstream in(give() + "/" + file.name, std::ios::binary);
            in.seekg(static_cast<std::streamoff>(from));
            std::string piece(std::min<std::uint64_t>(1'000, file.bytes - from), '\0');
            in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
            const auto put = to.put(piece);
            ASSERT_TRUE(put) << put.error().message;
        }
    }
    void fill(const Snapshot& snapshot) {
        FillFolder folder(dir());
        const auto begun = folder.begin(snapshot, 0);
        ASSERT_TRUE(begun) << begun.error().message;
        bring(folder);
        EXPECT_EQ(folder.bytes(), folder.bytes_all());
        ASSERT_TRUE(folder.finish());
        ASSERT_TRUE(folder.approve());
    }
    // Where the copy in the folder stands, and how many events it has.
    std::pair<ReplicaPosition, std::uint64_t> look() {
        const auto opened = ReplicaStore::open(copy_options(dir()));
        EXPECT_TRUE(opened) << opened.error().message;
        if (!opened) return {};
        const auto out = std::pair{(*opened)->position(), (*opened)->events()};
        EXPECT_TRUE((*opened)->close());
        return out;
    }

    SnapshotGate gate_;
    test::TempFolder place_;
};

TEST_F(SnapshotTest, ACopyBeginsWithItAndGoesOnWithTheTail) {
    gate_.beats = 7;
    auto snapshot = take();
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    EXPECT_EQ(snapshot->position, gate_.at) << "signs of life before it count as seen";
    fill(*snapshot);
    put_events(25, 10);
    ASSERT_TRUE(*FillFolder::settle(dir()));
    {
        const auto copy = ReplicaStore::open(copy_options(dir()));
        ASSERT_TRUE(copy) << copy.error().message;
        EXPECT_EQ((*copy)->position(), snapshot->position);
        EXPECT_EQ((*copy)->events(), 25u);
        for (const auto& [batch, at] : gate_.kept) {
            if (at.unit <= snapshot->position.unit) continue;
            ASSERT_TRUE((*copy)->apply(batch, at));
        }
        ASSERT_TRUE((*copy)->close());
    }
    EXPECT_EQ(look(), (std::pair{gate_.at, std::uint64_t{35}}));
}

TEST_F(SnapshotTest, AFollowerGivesOneToo) {
    {
        auto first = take();
        ASSERT_TRUE(first);
        fill(*first);
        ASSERT_TRUE(*FillFolder::settle(dir()));
    }
    const auto copy = ReplicaStore::open(copy_options(dir()));
    ASSERT_TRUE(copy);
    ReplicaPosition seen = (*copy)->position();
    seen.sequence += 3;  // signs of life
    ASSERT_TRUE((*copy)->note(seen));
    const std::string folder = place_.path() + "/second";
    const auto snapshot = (*copy)->snapshot(folder, {});
    ASSERT_TRUE(snapshot) << snapshot.error().message;
    EXPECT_EQ(snapshot->position, seen);
    EXPECT_EQ((*copy)->log_end().offset, 25u);
}

TEST_F(SnapshotTest, OneWhoseLogIsNoBeginningGetsNone) {
    const ShardTail tail = database_->engine().tail(kZero);
    put_events(25, 10);
    EXPECT_TRUE(take({tail.end_offset, tail.last_hash}));
    fs::remove_all(give());
    for (const CopyEnd wrong : {CopyEnd{tail.end_offset, tail.last_hash + 1},
                                CopyEnd{tail.end_offset - 1, tail.last_hash}, CopyEnd{99, 1},
                                CopyEnd{35, tail.last_hash}}) {
        const auto refused = take(wrong);
        ASSERT_FALSE(refused) << wrong.offset;
        EXPECT_EQ(refused.error().code, core::ErrorCode::kConflict);
        EXPECT_FALSE(fs::exists(give())) << "nothing was taken";
        EXPECT_TRUE(take());
        fs::remove_all(give());
    }
}

TEST_F(SnapshotTest, WhateverMomentAProcessEndsAtThereIsAFolderThatStarts) {
    auto first = take();
    ASSERT_TRUE(first);
    fill(*first);
    ASSERT_TRUE(*FillFolder::settle(dir()));
    const ReplicaPosition before = look().first;
    put_events(25, 10);
    auto second = take();
    ASSERT_TRUE(second);
    const ReplicaPosition after = second->position;

    // Half of it has come.
    {
        FillFolder folder(dir());
        ASSERT_TRUE(folder.begin(*second, 0));
        ASSERT_TRUE(folder.put("R"));
    }
    EXPECT_FALSE(*FillFolder::settle(dir()));
    EXPECT_EQ(look().first, before);
    // All has come, and nobody has looked at it.
    {
        FillFolder folder(dir());
        ASSERT_TRUE(folder.begin(*second, 0));
        bring(folder);
        ASSERT_TRUE(folder.finish());
    }
    EXPECT_FALSE(*FillFolder::settle(dir()));
    EXPECT_EQ(look().first, before);
    // It is good, and the old one still stands; or has left; or is half removed.
    fill(*second);
    const std::string kept = place_.path() + "/kept";
    fs::copy(dir(), kept, fs::copy_options::recursive);
    fs::copy(dir() + ".fill", kept + ".fill", fs::copy_options::recursive);
    ASSERT_TRUE(*FillFolder::settle(dir()));
    EXPECT_EQ(look().first, after);
    EXPECT_FALSE(fs::exists(dir() + ".old"));
    EXPECT_FALSE(fs::exists(dir() + ".fill"));
    const auto again = [&] {
        fs::remove_all(dir());
        fs::remove_all(dir() + ".old");
        fs::copy(kept, dir() + ".old", fs::copy_options::recursive);
        fs::copy(kept + ".fill", dir() + ".fill", fs::copy_options::recursive);
    };
    again();
    ASSERT_TRUE(*FillFolder::settle(dir()));
    EXPECT_EQ(look().first, after);
    again();
    fs::rename(dir() + ".fill", dir());
    fs::remove_all(dir() + ".old/rocks");
    EXPECT_FALSE(*FillFolder::settle(dir()));
    EXPECT_EQ(look().first, after);
    EXPECT_FALSE(fs::exists(dir() + ".old"));
}

TEST_F(SnapshotTest, WhatNeverChangesDoesNotComeTwice) {
    auto first = take();
    ASSERT_TRUE(first);
    {
        FillFolder folder(dir());
        ASSERT_TRUE(folder.begin(*first, 0));
        EXPECT_EQ(folder.bytes_kept(), 0u);
        bring(folder);
    }
    put_events(25, 10);
    auto second = take();
    ASSERT_TRUE(second);
    {
        FillFolder folder(dir());
        ASSERT_TRUE(folder.begin(*second, 0));
        EXPECT_GT(folder.bytes_kept(), 0u);
        bring(folder);
        ASSERT_TRUE(folder.finish());
        ASSERT_TRUE(folder.approve());
    }
    ASSERT_TRUE(*FillFolder::settle(dir()));
    EXPECT_EQ(look().second, 35u);
    // Another database's files of the same names are others.
    second->origin += "x";
    FillFolder folder(dir());
    ASSERT_TRUE(folder.begin(*second, 0));
    EXPECT_EQ(folder.bytes_kept(), 0u);
}

TEST_F(SnapshotTest, WhatDoesNotFitIsRefused) {
    auto snapshot = take();
    ASSERT_TRUE(snapshot);
    FillFolder folder(dir());
    const auto full = folder.begin(*snapshot, std::uint64_t{1} << 60);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, core::ErrorCode::kUnavailable);
    for (const char* name : {"rocks/../x", "/etc/passwd", "rocks/", "rocks/LOCK", "hwm",
                             "rocks/a b", "rocks/.x", "rocks/a/b", ""}) {
        EXPECT_FALSE(is_snapshot_name(name)) << name;
        Snapshot wrong = *snapshot;
        wrong.files.push_back({name, 1});
        EXPECT_FALSE(folder.begin(wrong, 0)) << name;
    }
    ASSERT_TRUE(folder.begin(*snapshot, 0));
    EXPECT_FALSE(folder.put(std::string(64u << 20, 'x'))) << "more than was said";
}

TEST_F(SnapshotTest, AFolderSetAsideIsKept) {
    auto snapshot = take();
    ASSERT_TRUE(snapshot);
    fill(*snapshot);
    ASSERT_TRUE(*FillFolder::settle(dir()));
    const auto aside = FillFolder::set_aside(dir(), "aside-1-2");
    ASSERT_TRUE(aside);
    EXPECT_TRUE(fs::exists(*aside + "/FORMAT"));
    EXPECT_FALSE(fs::exists(dir()));
    fs::create_directory(dir());
    EXPECT_FALSE(FillFolder::set_aside(dir(), "aside-1-2")) << "nothing is written over it";
}

}  // namespace
}  // namespace millrace::store
