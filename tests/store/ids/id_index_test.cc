// Goal: the index is exact: against a plain map, over table growth, freezing, runs, merges,
// restarts and a lost or damaged ids/ folder. Method: tiny tables, so that every stage comes soon.
#include "store/ids/id_index.h"

#include "core/random.h"
#include "tests/store/store_fixture.h"

#include <fstream>
#include <map>

namespace millrace::store::test {
namespace {

namespace fs = std::filesystem;

class IdIndexTest : public StoreTest {
protected:
    Database::Options small() {
        Database::Options out = options();
        out.id_table_entries_max = 1000;
        return out;
    }
    void reopen_small() {
        close();
        open(small());
    }
    // Puts ids [begin, end) in, each once, in blocks of 100.
    void put_ids(int begin, int end) {
        for (int i = begin; i < end; ++i) {
            const AppendResult result = append(kZero, {.id = "id-" + std::to_string(i)});
            ASSERT_EQ(result.status, AppendStatus::kAppended) << i;
            offsets_[i] = result.position.offset.value;
            if (i % 100 == 99) commit(kZero);
            if (i % 500 == 0) housekeep();
        }
        commit(kZero);
        housekeep();
    }
    void expect_all_known() {
        for (const auto& [i, offset] : offsets_) {
            const AppendResult result = append(kZero, {.id = "id-" + std::to_string(i)});
            ASSERT_EQ(result.status, AppendStatus::kDuplicate) << i;
            ASSERT_EQ(result.position.offset.value, offset);
        }
        for (int i = 0; i < 100; ++i) {
            const auto found =
                database_->log_reader().find(core::TenantId{0}, "never-" + std::to_string(i));
            ASSERT_TRUE(found);
            EXPECT_FALSE(*found);
        }
    }
    std::vector<fs::path> run_files() {
        std::vector<fs::path> out;
        for (const auto& entry : fs::directory_iterator(folder_.path() + "/ids"))
            out.push_back(entry.path());
        return out;
    }
    std::map<int, std::uint64_t> offsets_;
};

TEST_F(IdIndexTest, KnowsEveryIdThroughTablesRunsAndMerges) {
    open(small());
    put_ids(0, 20'000);
    // 20 tables of 1000: merged four to one, twice.
    EXPECT_LE(database_->ids().shard(kZero).runs(), 8u);
    EXPECT_GE(database_->ids().shard(kZero).runs(), 1u);
    expect_all_known();
}

// A filter of so few identities is one group of 16 KiB.
TEST_F(IdIndexTest, FiltersBeyondTheirShareStayInTheirFiles) {
    Database::Options with = small();
    with.id_filter_bytes_max = 40u << 10;
    open(with);
    put_ids(0, 20'000);
    EXPECT_GE(database_->ids().shard(kZero).runs(), 3u);
    EXPECT_LE(database_->ids().shard(kZero).filter_bytes(), 40u << 10);
    expect_all_known();
    close();
    open(with);
    EXPECT_LE(database_->ids().shard(kZero).filter_bytes(), 40u << 10);
    expect_all_known();
    with.id_filter_bytes_max = 0;
    close();
    open(with);
    EXPECT_EQ(database_->ids().shard(kZero).filter_bytes(), 0u);
    expect_all_known();
}

// A mapped file without a name: its last reference costs whoever gives it up the time to free it.
std::size_t mapped_runs_without_name() {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);)
        count += line.find("/ids/") != std::string::npos && line.ends_with("(deleted)");
    return count;
}

TEST_F(IdIndexTest, MergedRunsAreFreedByTheHousekeeperAndNotByWhoLooksUp) {
    open(small());
    // The shard looks at its runs anew with each append: it knows three of those that are merged.
    put_ids(0, 3'500);
    ASSERT_EQ(append(kZero, {.id = "id-3"}).status, AppendStatus::kDuplicate);
    ASSERT_EQ(database_->ids().shard(kZero).runs(), 3u);
    for (int i = 3'500; i < 4'500; ++i)
        ASSERT_EQ(append(kZero, {.id = "id-" + std::to_string(i)}).status, AppendStatus::kAppended);
    commit(kZero);
    housekeep();
    ASSERT_EQ(database_->ids().shard(kZero).runs(), 1u);
    ASSERT_EQ(mapped_runs_without_name(), 3u) << "the shard has not looked since";
    ASSERT_EQ(append(kZero, {.id = "id-7"}).status, AppendStatus::kDuplicate);
    EXPECT_EQ(mapped_runs_without_name(), 3u) << "let go by the shard's look-up";
    housekeep();
    EXPECT_EQ(mapped_runs_without_name(), 0u);
}

TEST_F(IdIndexTest, KnowsEveryIdAfterARestart) {
    open(small());
    put_ids(0, 7'500);
    reopen_small();
    expect_all_known();
    put_ids(7'500, 12'000);
    expect_all_known();
    for (int i = 0; i < 12'000; i += 97) {
        const auto found =
            database_->log_reader().find(core::TenantId{0}, "id-" + std::to_string(i));
        ASSERT_TRUE(found && *found) << i;
        EXPECT_EQ((*found)->event.position.offset.value, offsets_[i]);
    }
}

TEST_F(IdIndexTest, IsMadeAnewFromTheLogWhenTheRunsAreGone) {
    open(small());
    put_ids(0, 6'000);
    close();
    for (const fs::path& path : run_files()) fs::remove(path);
    open(small());
    expect_all_known();
}

TEST_F(IdIndexTest, ADamagedRunIsMadeAnew) {
    open(small());
    put_ids(0, 3'000);
    close();
    const std::vector<fs::path> files = run_files();
    ASSERT_FALSE(files.empty());
    // In the header of one, in the filter of another: found at open.
    std::fstream(files[0], std::ios::in | std::ios::out | std::ios::binary).seekp(20).put('\x55');
    std::fstream(files.back(), std::ios::in | std::ios::out | std::ios::binary)
        .seekp(-5, std::ios::end)
        .put('\x55');
    open(small());
    expect_all_known();
}

TEST_F(IdIndexTest, ADamagedPageStopsTheStoreAndIsMadeAnewAtTheNextStart) {
    open(small());
    put_ids(0, 3'000);
    close();
    for (const fs::path& path : run_files()) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        for (std::streamoff page = 1; page < 4; ++page) file.seekp(page * 4096 + 77).put('\x55');
    }
    open(small());
    for (int i = 0; i < 3'000 && !database_->fatal(); ++i)
        append(kZero, {.id = "id-" + std::to_string(i)});
    EXPECT_TRUE(database_->fatal());
    EXPECT_NE(database_->fatal_reason().find("identity run"), std::string::npos);
    crash();
    open(small());
    for (const auto& [i, offset] : offsets_) {
        const AppendResult result = append(kZero, {.id = "id-" + std::to_string(i)});
        if (database_->fatal()) break;  // another run's page; the next start makes that one anew
        ASSERT_EQ(result.status, AppendStatus::kDuplicate);
    }
    crash();
}

// What a start has to read again follows the bytes behind the last run, not the ids: events may be
// big, and need no id of their client's.
TEST_F(IdIndexTest, AStartReadsLittleOfALongLogWhateverTheIds) {
    constexpr std::uint64_t kLogBytes = 100'000;
    for (const bool named : {true, false}) {
        Database::Options with = options();
        with.path = folder_.path() + (named ? "/named" : "/unnamed");
        with.id_table_log_bytes_max = kLogBytes;
        open(with);
        core::Random random(7);
        std::string body(2000, ' ');
        for (int i = 0; i < 1000; ++i) {
            for (char& c : body) c = static_cast<char>('0' + random.below(64));
            append(kZero, {.id = named ? std::to_string(i) : "", .body = body});
            if (i % 10 == 9) commit(kZero);
            if (i % 100 == 99) housekeep();
        }
        close();
        open(with);
        std::uint64_t runs_end = 0;
        for (const auto& entry : fs::directory_iterator(with.path + "/ids")) {
            auto run = IdRun::open(entry.path().string());
            ASSERT_TRUE(run) << run.error().message;
            runs_end = std::max(runs_end, (*run)->header().end_offset);
        }
        EXPECT_GT(runs_end, 900u) << named;  // 100 KB are about 65 of these events
        EXPECT_LE(runs_end, 1000u);
        EXPECT_EQ(database_->durable_end(kZero).value, 1000u);
        if (named) {
            for (int i = 0; i < 1000; ++i) {
                const AppendResult again = append(kZero, {.id = std::to_string(i)});
                EXPECT_EQ(again.status, AppendStatus::kDuplicate);
                EXPECT_EQ(again.position.offset.value, static_cast<std::uint64_t>(i));
            }
        }
        close();
    }
}

TEST_F(IdIndexTest, RefusesWhenTheHousekeeperDoesNotComeAfter) {
    open(small());
    AppendStatus last = AppendStatus::kAppended;
    int taken = 0;
    for (int i = 0; i < 10'000 && last == AppendStatus::kAppended; ++i) {
        last = append(kZero, {.id = std::to_string(i)}).status;
        if (last == AppendStatus::kAppended) ++taken;
    }
    EXPECT_EQ(last, AppendStatus::kBusy);
    EXPECT_EQ(taken, 5'000);
    commit(kZero);
    housekeep();
    EXPECT_EQ(append(kZero, {.id = "again"}).status, AppendStatus::kAppended);
}

// Hundreds of senders that count their events: each id in every table and run, many times.
TEST_F(IdIndexTest, KnowsTheCountersOfManySenders) {
    open(small());
    constexpr int kSenders = 400;
    constexpr int kCounts = 20;
    const auto event = [](int i) {
        return TestEvent{.id = std::to_string(i / kSenders),
                         .source = "device-" + std::to_string(i % kSenders)};
    };
    for (int i = 0; i < kSenders * kCounts; ++i) {
        ASSERT_EQ(append(kZero, event(i)).status, AppendStatus::kAppended) << i;
        if (i % 100 == 99) commit(kZero);
        if (i % 500 == 0) housekeep();
    }
    for (int i = 0; i < kSenders * kCounts; ++i) {
        const AppendResult repeat = append(kZero, event(i));
        ASSERT_EQ(repeat.status, AppendStatus::kDuplicate) << i;
        ASSERT_EQ(repeat.position.offset.value, static_cast<std::uint64_t>(i));
    }
    for (int count = 0; count < kCounts; ++count) {
        const auto found = database_->log_reader().find(core::TenantId{0}, std::to_string(count));
        ASSERT_TRUE(found && *found) << count;
        EXPECT_EQ((*found)->event.position.offset.value,
                  static_cast<std::uint64_t>((count + 1) * kSenders - 1));
    }
}

TEST_F(IdIndexTest, FindsAnIdWithoutItsSourceNewestFirst) {
    open();
    put(kZero, {.id = "same", .source = "a"});
    put(kZero, {.id = "same", .source = "b"});
    const auto found = database_->log_reader().find(core::TenantId{0}, "same");
    ASSERT_TRUE(found && *found);
    EXPECT_EQ((*found)->event.position.offset.value, 1u);
    const IdHash id = database_->hasher().identity({core::TenantId{0}, "external", "a", "same"});
    const auto exact = database_->log_reader().find_identity(id);
    ASSERT_TRUE(exact && *exact);
    EXPECT_EQ((*exact)->offset.value, 0u);
}

TEST_F(IdIndexTest, FindsAllSourcesOfAnIdNewestFirstOverAllShards) {
    open();
    for (int i = 0; i < 5; ++i) {
        put(i % 2 == 0 ? kZero : kOne, {.id = "same", .source = std::to_string(i)});
        clock_.advance_us(10);
    }
    // An identity that has come to two shards is one.
    put(kOne, {.id = "same", .source = "4"});
    const auto sources = [&](std::size_t events_max) {
        auto all = database_->log_reader().find_all(core::TenantId{0}, "same", events_max);
        EXPECT_TRUE(all);
        std::string out;
        for (const OwnedEvent& owned : *all) {
            const std::string_view raw = owned.event.raw;
            out += raw[raw.find("\"id\":\"") + 6];
        }
        return out;
    };
    EXPECT_EQ(sources(10), "43210");
    EXPECT_EQ(sources(2), "43");
    EXPECT_TRUE(database_->log_reader().find_all(core::TenantId{1}, "same", 10)->empty());
}

}  // namespace
}  // namespace millrace::store::test
