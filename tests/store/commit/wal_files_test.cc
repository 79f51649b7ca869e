// Goal: an append counts as durable exactly when a sync that began after it has ended well, in its
// file, with the file's name on the disk. Method: WAL files written by hand through the file
// system that RocksDB would get.
#include "store/commit/wal_files.h"

#include "tests/store/store_fixture.h"
#include "tests/support/wal_disk.h"

namespace millrace::store::test {
namespace {

class WalFilesTest : public ::testing::Test {
protected:
    using File = std::unique_ptr<rocksdb::FSWritableFile>;
    File make(const std::string& name) {
        File out;
        const auto made = system_->NewWritableFile(folder_.path() + "/" + name,
                                                   rocksdb::FileOptions(), &out, nullptr);
        EXPECT_TRUE(made.ok()) << made.ToString();
        return out;
    }
    static void append(const File& file) {
        EXPECT_TRUE(file->Append("record", rocksdb::IOOptions(), nullptr).ok());
    }
    static void sync_as_rocks(const File& file) {
        EXPECT_TRUE(file->Sync(rocksdb::IOOptions(), nullptr).ok());
    }
    void sync() {
        WalFiles::Sync sync;
        wal_.run(0, sync);
        wal_.end(sync);
    }

    TempFolder folder_;
    core::ManualClock clock_;
    std::shared_ptr<millrace::test::WalDisk> disk_ = std::make_shared<millrace::test::WalDisk>();
    std::string reason_;
    WalFiles wal_{
        WalFiles::Options{.folder = folder_.path(),
                          .syncs = 2,
                          .clock = &clock_,
                          .on_fail = [this](const std::string& reason) { reason_ += reason; }}};
    std::shared_ptr<rocksdb::FileSystem> system_ = wal_.over(disk_);
};

TEST_F(WalFilesTest, NumbersAppendsOverAllFiles) {
    const File one = make("1.log");
    const File two = make("2.log");
    append(one);
    append(two);
    append(one);
    EXPECT_EQ(wal_.appended(), 3u);
    EXPECT_EQ(wal_.durable_to(), 0u);
    sync();
    EXPECT_EQ(wal_.durable_to(), 3u);
}

TEST_F(WalFilesTest, OtherFilesDoNotCount) {
    const File table = make("1.sst");
    append(table);
    std::filesystem::create_directory(folder_.path() + "/backup");
    const File copy = make("backup/1.log");
    append(copy);
    EXPECT_EQ(wal_.appended(), 0u);
}

TEST_F(WalFilesTest, ASyncThatBeganBeforeTheAppendDoesNotCoverIt) {
    const File file = make("1.log");
    append(file);
    WalFiles::Sync early;
    wal_.run(0, early);
    append(file);
    EXPECT_EQ(wal_.durable_to(), 0u);  // answered, not told
    wal_.end(early);
    EXPECT_EQ(wal_.durable_to(), 1u);
    sync();
    EXPECT_EQ(wal_.durable_to(), 2u);
}

TEST_F(WalFilesTest, TheLaterSyncMayEndFirst) {
    const File file = make("1.log");
    append(file);
    WalFiles::Sync early;
    wal_.run(0, early);
    append(file);
    WalFiles::Sync late;
    wal_.run(1, late);
    wal_.end(late);
    EXPECT_EQ(wal_.durable_to(), 2u);
    wal_.end(early);
    EXPECT_EQ(wal_.durable_to(), 2u);
}

TEST_F(WalFilesTest, AFileWhoseNameIsNotOnTheDiskHoldsNothing) {
    const File file = make("1.log");
    append(file);
    sync_as_rocks(file);  // RocksDB syncs the folder behind it, unseen
    EXPECT_EQ(wal_.durable_to(), 0u);
    sync();
    EXPECT_EQ(wal_.durable_to(), 1u);
    append(file);
    sync_as_rocks(file);
    EXPECT_EQ(wal_.durable_to(), 2u);
}

TEST_F(WalFilesTest, AnUnsyncedFileHoldsBackWhatCameAfterInOthers) {
    const File one = make("1.log");
    append(one);
    sync();
    const File two = make("2.log");
    append(two);
    append(one);
    sync_as_rocks(one);
    EXPECT_EQ(wal_.durable_to(), 1u);
    sync();
    EXPECT_EQ(wal_.durable_to(), 3u);
}

TEST_F(WalFilesTest, AFileIsSyncedBeforeItIsClosed) {
    int syncs = 0;
    disk_->on_sync = [&] {
        ++syncs;
        return rocksdb::IOStatus::OK();
    };
    File file = make("1.log");
    append(file);
    ASSERT_TRUE(file->Close(rocksdb::IOOptions(), nullptr).ok());
    EXPECT_EQ(syncs, 1);
    EXPECT_EQ(wal_.durable_to(), 1u);
    file.reset();
    EXPECT_EQ(syncs, 1);
}

TEST_F(WalFilesTest, MayBeClosedBetweenASyncAndItsTelling) {
    File file = make("1.log");
    append(file);
    WalFiles::Sync sync;
    wal_.run(0, sync);
    file.reset();
    wal_.end(sync);
    EXPECT_EQ(wal_.durable_to(), 1u);
}

TEST_F(WalFilesTest, AfterAFailedSyncNothingBecomesDurable) {
    const File file = make("1.log");
    append(file);
    sync();
    append(file);
    WalFiles::Sync well;
    wal_.run(0, well);
    disk_->on_sync = [] { return rocksdb::IOStatus::IOError("gone"); };
    append(file);
    WalFiles::Sync bad;
    wal_.run(1, bad);
    EXPECT_TRUE(wal_.failed());
    EXPECT_NE(reason_.find("1.log"), std::string::npos) << reason_;
    disk_->on_sync = [] { return rocksdb::IOStatus::OK(); };
    wal_.end(bad);
    wal_.end(well);
    sync();
    EXPECT_EQ(wal_.durable_to(), 1u);
}

TEST_F(WalFilesTest, AFailedSyncOfRocksDbsOwnCountsToo) {
    const File file = make("1.log");
    append(file);
    disk_->on_sync = [] { return rocksdb::IOStatus::IOError("gone"); };
    EXPECT_FALSE(file->Sync(rocksdb::IOOptions(), nullptr).ok());
    disk_->on_sync = [] { return rocksdb::IOStatus::OK(); };
    sync();
    EXPECT_TRUE(wal_.failed());
    EXPECT_EQ(wal_.durable_to(), 0u);
}

}  // namespace
}  // namespace millrace::store::test
