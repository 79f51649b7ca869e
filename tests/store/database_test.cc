// Goal: what was committed is there after a restart, and a folder that cannot be trusted is refused
// with a line that says why. Method: real folders on the disk, damaged by hand between two
// openings.
#include "store/database.h"

#include "store/log/event_id.h"
#include "tests/store/store_fixture.h"

#include <fstream>

namespace millrace::store::test {
namespace {

namespace fs = std::filesystem;

class DatabaseTest : public StoreTest {
protected:
    std::string refusal() { return refusal(options()); }
    std::string refusal(const Database::Options& with) {
        auto opened = Database::open(with);
        return opened ? std::string("opened") : opened.error().message;
    }
    std::vector<fs::path> files(std::string_view extension) {
        std::vector<fs::path> out;
        for (const auto& entry : fs::directory_iterator(folder_.path() + "/rocks")) {
            if (entry.path().extension() == extension && fs::file_size(entry.path()) > 0)
                out.push_back(entry.path());
        }
        return out;
    }
    fs::path wal() {
        // The newest one with content.
        auto logs = files(".log");
        EXPECT_FALSE(logs.empty());
        return *std::max_element(logs.begin(), logs.end());
    }
    void flip_bit(const fs::path& path, std::uintmax_t at) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(at));
        char byte = 0;
        file.get(byte);
        file.seekp(static_cast<std::streamoff>(at));
        file.put(static_cast<char>(byte ^ 1));
    }
    void put_some(int count) {
        for (int i = 0; i < count; ++i) {
            put(kZero, {.id = "id-" + std::to_string(database_->durable_end(kZero).value),
                        .body = std::string(300, 'x')});
        }
    }
};

TEST_F(DatabaseTest, KeepsCommittedEventsOverRestart) {
    open();
    const TestEvent event{.id = "a", .body = "hello"};
    ASSERT_EQ(put(kOne, event).status, AppendStatus::kAppended);
    reopen();
    EXPECT_EQ(database_->durable_end(kOne).value, 1u);
    const auto found = database_->log_reader().find(core::TenantId{0}, "a");
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->event.raw, event.text());
    EXPECT_EQ((*found)->event.pattern, "invoice.created");
}

TEST_F(DatabaseTest, KeepsSyncedEventsWithoutACleanStop) {
    open();
    put_some(20);
    crash();
    open();
    EXPECT_EQ(database_->durable_end(kZero).value, 20u);
}

TEST_F(DatabaseTest, GoesOnWhereTheLogEnded) {
    open();
    put_some(3);
    reopen();
    const AppendResult result = put(kZero, {.id = "next"});
    EXPECT_EQ(result.position.offset.value, 3u);
    reopen();
    EXPECT_EQ(database_->durable_end(kZero).value, 4u);
}

TEST_F(DatabaseTest, CountsItsOpenings) {
    open();
    const std::uint32_t first = database_->boot();
    reopen();
    EXPECT_EQ(database_->boot(), first + 1);
}

TEST_F(DatabaseTest, RefusesAFolderThatIsLocked) {
    open();
    EXPECT_NE(refusal().find("locked by process " + std::to_string(::getpid())), std::string::npos)
        << refusal();
}

TEST_F(DatabaseTest, RefusesANewerFormat) {
    open();
    close();
    std::ofstream(folder_.path() + "/FORMAT") << "millrace data folder, format 99\n";
    const std::string why = refusal();
    EXPECT_NE(why.find("format 99"), std::string::npos) << why;
    EXPECT_NE(why.find("run the newer millrace"), std::string::npos) << why;
}

TEST_F(DatabaseTest, RefusesAnotherShardCountOnceThereAreEvents) {
    open();
    close();
    Database::Options four = options();
    four.shards = 4;
    open(four);
    put_some(1);
    close();
    const std::string why = refusal();
    EXPECT_NE(why.find("--shards 4"), std::string::npos) << why;
}

// A folder that comes from a machine with other cores (a backup restored) opens as it is.
TEST_F(DatabaseTest, ASuggestedShardCountGivesWayToTheFoldersOwn) {
    Database::Options wish = options();
    wish.shards_are = Database::Options::Shards::kSuggested;
    wish.shards = 4;
    open(wish);
    EXPECT_EQ(database_->shards(), 4u);
    close();
    wish.shards = 3;
    open(wish);  // no events yet: the wish is obeyed
    EXPECT_EQ(database_->shards(), 3u);
    put_some(1);
    close();
    wish.shards = 1;
    open(wish);
    EXPECT_EQ(database_->shards(), 3u);
}

TEST_F(DatabaseTest, TakesATornTailOfTheWal) {
    open();
    put_some(10);
    housekeep();
    put_some(1);
    crash();
    // The last record was never acknowledged as far as the mark knows: cut into it.
    fs::resize_file(wal(), fs::file_size(wal()) - 20);
    open();
    EXPECT_EQ(database_->durable_end(kZero).value, 10u);
    EXPECT_EQ(put(kZero, {.id = "after"}).position.offset.value, 10u);
}

TEST_F(DatabaseTest, RefusesAFlippedBitInTheMiddleOfTheWal) {
    open();
    put_some(100);
    crash();
    flip_bit(wal(), fs::file_size(wal()) / 2);
    const std::string why = refusal();
    EXPECT_NE(why.find("damaged"), std::string::npos) << why;
}

TEST_F(DatabaseTest, RefusesWhenTheWalIsGone) {
    open();
    put_some(10);
    housekeep();
    crash();
    for (const fs::path& path : files(".log")) fs::remove(path);
    const std::string why = refusal();
    EXPECT_NE(why, "opened");
    EXPECT_TRUE(why.find("high-water mark") != std::string::npos ||
                why.find("Missing WAL") != std::string::npos)
        << why;
}

TEST_F(DatabaseTest, RefusesALogThatEndsBeforeTheMarkUnlessToldToAcceptTheLoss) {
    open();
    put_some(10);
    housekeep();
    put_some(10);
    housekeep();
    crash();
    fs::resize_file(wal(), fs::file_size(wal()) - 20);
    const std::string why = refusal();
    EXPECT_NE(why.find("high-water mark says"), std::string::npos) << why;
    EXPECT_NE(why.find("lost: 1 events"), std::string::npos) << why;
    Database::Options accepting = options();
    accepting.accept_loss = true;
    open(accepting);
    EXPECT_EQ(database_->durable_end(kZero).value, 19u);
    reopen();
    EXPECT_EQ(database_->durable_end(kZero).value, 19u);
}

TEST_F(DatabaseTest, GoesOnBeforeTheDamageWhenToldToAcceptTheLossAndAsksOnlyOnce) {
    open();
    put_some(20);
    housekeep();
    crash();
    flip_bit(wal(), fs::file_size(wal()) / 2);
    EXPECT_NE(refusal().find("--accept-loss"), std::string::npos) << refusal();
    Database::Options accepting = options();
    accepting.accept_loss = true;
    open(accepting);
    const std::uint64_t kept = database_->durable_end(kZero).value;
    EXPECT_GT(kept, 0u);
    EXPECT_LT(kept, 20u);
    ASSERT_EQ(database_->losses().size(), 2u);
    EXPECT_NE(database_->losses()[0].find("damaged"), std::string::npos);
    EXPECT_NE(database_->losses()[1].find("lost: " + std::to_string(20 - kept) + " events"),
              std::string::npos)
        << database_->losses()[1];
    put_some(3);
    crash();
    open();
    EXPECT_TRUE(database_->losses().empty());
    EXPECT_EQ(database_->durable_end(kZero).value, kept + 3);
}

TEST_F(DatabaseTest, TellsNoLossWhereNothingIsMissing) {
    open();
    put_some(3);
    close();
    Database::Options accepting = options();
    accepting.accept_loss = true;
    open(accepting);
    EXPECT_TRUE(database_->losses().empty());
    EXPECT_EQ(database_->durable_end(kZero).value, 3u);
}

TEST_F(DatabaseTest, RefusesAMissingMarkOfAFolderWithEvents) {
    open();
    put_some(2);
    close();
    fs::remove(folder_.path() + "/hwm");
    EXPECT_NE(refusal().find("high-water mark"), std::string::npos) << refusal();
}

TEST_F(DatabaseTest, TrustsTheOtherSlotOfTheMarkWhenOneIsTorn) {
    open();
    put_some(2);
    housekeep();
    put_some(2);
    housekeep();
    close();
    flip_bit(folder_.path() + "/hwm", 100);
    open();
    close();
    flip_bit(folder_.path() + "/hwm", 100);
    flip_bit(folder_.path() + "/hwm", 4096 + 100);
    EXPECT_NE(refusal().find("both slots are damaged"), std::string::npos) << refusal();
}

TEST_F(DatabaseTest, MarkIsNeverAheadOfWhatWasSynced) {
    open();
    append(kZero, {.id = "os-level"});
    commit(kZero, {}, Durability::kOs);
    EXPECT_GT(database_->stats().unsynced_bytes, 0u);
    housekeep();
    EXPECT_EQ(database_->stats().unsynced_bytes, 0u);
    crash();
    open();
    EXPECT_EQ(database_->durable_end(kZero).value, 1u);
}

TEST_F(DatabaseTest, TheSyncedEndWaitsForTheDisk) {
    open();
    append(kZero, {.id = "fsync-level"});
    commit(kZero);
    EXPECT_EQ(database_->synced_end(kZero).value, 1u);
    append(kZero, {.id = "os-level"});
    commit(kZero, {}, Durability::kOs);
    EXPECT_EQ(database_->durable_end(kZero).value, 2u);
    EXPECT_EQ(database_->synced_end(kZero).value, 1u);
    // Rows that are synced bring it to the disk too: nothing is left to sync, but to be told.
    RowBatch rows;
    rows.put_cursor("c", {kZero, core::LogOffset{1}});
    ASSERT_TRUE(database_->write_now(rows));
    EXPECT_EQ(database_->stats().unsynced_bytes, 0u);
    housekeep();
    EXPECT_EQ(database_->synced_end(kZero).value, 2u);
}

TEST_F(DatabaseTest, KeepsCursors) {
    open();
    RowBatch rows;
    rows.put_cursor("delivery", {kOne, core::LogOffset{42}});
    ASSERT_TRUE(database_->write_now(rows));
    reopen();
    EXPECT_EQ(database_->cursor("delivery", kOne).value, 42u);
    EXPECT_EQ(database_->cursor("delivery", kZero).value, 0u);
}

TEST_F(DatabaseTest, AcknowledgesNothingOnceFatal) {
    open();
    put_some(1);
    database_->set_fatal("disk on fire");
    append(kZero, {.id = "late"});
    CommitUnit unit;
    unit.block = database_->shard_log(kZero).seal();
    ASSERT_TRUE(writer_->append(0, std::move(unit)));
    writer_->do_work();
    Completion completion;
    ASSERT_TRUE(writer_->poll(0, completion));
    EXPECT_TRUE(completion.failed);
    EXPECT_EQ(database_->durable_end(kZero).value, 1u);
    crash();
}

}  // namespace
}  // namespace millrace::store::test
