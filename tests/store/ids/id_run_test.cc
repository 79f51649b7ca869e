// Goal: a run finds exactly what it holds, and its filter does its work, however ids are spread:
// a shard holds the ids of one stretch of the hash's range, or, with partition keys, of all of it.
#include "store/ids/id_run.h"

#include "core/random.h"
#include "store/ids/id_sort.h"
#include "tests/store/store_fixture.h"

#include <algorithm>
#include <set>
#include <vector>

namespace millrace::store::test {
namespace {

constexpr auto kInRunOrder = [](const RunEntry& a, const RunEntry& b) {
    return in_run_order(a, b);
};

// IdHash{x * kOrderInverse}.order() is x.
constexpr std::uint64_t kOrderInverse = 0xf1de83e19937733dULL;
static_assert(IdHash{5 * kOrderInverse, 0}.order() == 5);

class IdRunTest : public ::testing::Test {
protected:
    // A run of `ids`, offsets by their order after sorting.
    void write(std::vector<std::uint64_t> ids) {
        const auto order = [](std::uint64_t id) { return IdHash{id, 0}.order(); };
        std::sort(ids.begin(), ids.end(),
                  [&](std::uint64_t a, std::uint64_t b) { return order(a) < order(b); });
        ids_ = std::move(ids);
        known_ = {ids_.begin(), ids_.end()};
        auto writer =
            RunWriter::create(folder_.path(), {core::ShardId{0}, 0, 0, ids_.size(), ids_.size()});
        ASSERT_TRUE(writer);
        for (std::size_t i = 0; i < ids_.size(); ++i) (*writer)->add({{ids_[i], 7}, i});
        auto run = (*writer)->finish();
        ASSERT_TRUE(run);
        run_ = std::move(*run);
    }
    void expect_all_found() {
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            std::uint64_t offset = 0;
            ASSERT_EQ(run_->find({ids_[i], 7}, offset), IdRun::Lookup::kFound) << i;
            EXPECT_EQ(ids_[offset], ids_[i]);
        }
    }
    // Of ids from the same stretch that are not there.
    double false_share(std::uint64_t base) {
        int said_yes = 0;
        for (int i = 0; i < 20'000; ++i) {
            const std::uint64_t id = base | (random_.next() >> 2);
            if (known_.contains(id)) continue;
            said_yes += run_->filter().may_contain(RunFilter::Key({id, 7}));
            std::uint64_t offset = 0;
            EXPECT_EQ(run_->find({id, 7}, offset), IdRun::Lookup::kAbsent);
        }
        return said_yes / 20'000.0;
    }

    TempFolder folder_;
    core::Random random_{11};
    std::vector<std::uint64_t> ids_;
    std::set<std::uint64_t> known_;
    std::unique_ptr<IdRun> run_;
};

TEST_F(IdRunTest, FindsIdsOfOneQuarterOfTheRangeAndItsFilterRefusesTheRest) {
    constexpr std::uint64_t kBase = 3ULL << 62;
    std::vector<std::uint64_t> ids;
    ids.reserve(20'000);
    for (int i = 0; i < 20'000; ++i) ids.push_back(kBase | (random_.next() >> 2));
    write(std::move(ids));
    expect_all_found();
    EXPECT_LT(false_share(kBase), 0.015);
}

TEST_F(IdRunTest, FindsIdsThatCrowdInOnePlace) {
    std::vector<std::uint64_t> ids;
    ids.reserve(10'000);
    for (int i = 0; i < 5'000; ++i) ids.push_back(random_.next());
    for (std::uint64_t i = 0; i < 5'000; ++i) ids.push_back((1ULL << 40) + i);
    write(std::move(ids));
    expect_all_found();
    EXPECT_LT(false_share(0), 0.015);
}

TEST_F(IdRunTest, FindsOneIdOfManySourcesAcrossPages) {
    std::vector<RunEntry> entries;
    for (std::uint64_t i = 0; i < 300; ++i) entries.push_back({{5, i}, i});
    for (std::uint64_t i = 0; i < 400; ++i) entries.push_back({{1'000, i}, 300 + i});
    for (std::uint64_t i = 0; i < 300; ++i) entries.push_back({{2'000 + i, 1}, 700 + i});
    std::sort(entries.begin(), entries.end(), kInRunOrder);
    auto writer = RunWriter::create(folder_.path(), {core::ShardId{0}, 0, 0, 1'000, 1'000});
    ASSERT_TRUE(writer);
    for (const RunEntry& entry : entries) (*writer)->add(entry);
    auto run = (*writer)->finish();
    ASSERT_TRUE(run);
    std::vector<RunEntry> found;
    EXPECT_EQ((*run)->find_by_id(1'000, found), IdRun::Lookup::kFound);
    ASSERT_EQ(found.size(), 400u);
    EXPECT_EQ(found.front().offset, 300u);
    EXPECT_EQ(found.back().offset, 699u);
    for (const RunEntry& entry : entries) {
        std::uint64_t offset = 0;
        ASSERT_EQ((*run)->find(entry.id, offset), IdRun::Lookup::kFound);
        EXPECT_EQ(offset, entry.offset);
    }
    int said_yes = 0;
    for (int i = 0; i < 10'000; ++i)
        said_yes += (*run)->filter().may_contain(RunFilter::Key({1'000, random_.next()}));
    EXPECT_LT(said_yes, 500);
}

// Devices that count their messages: one id, thousands of sources.
TEST(IdTable, FindsAnIdOfThousandsOfSources) {
    IdTable table(4096);
    for (std::uint64_t i = 0; i < 1'500; ++i) table.insert({7, i * 977}, i);
    for (std::uint64_t i = 0; i < 500; ++i) table.insert({1'000 + i, 5}, 1'500 + i);
    EXPECT_EQ(table.count(), 2'000u);
    for (std::uint64_t i = 0; i < 1'500; ++i) EXPECT_EQ(table.find({7, i * 977}), i + 1);
    for (std::uint64_t i = 0; i < 500; ++i) EXPECT_EQ(table.find({1'000 + i, 5}), 1'500 + i + 1);
    EXPECT_EQ(table.find({7, 1}), 0u);
    EXPECT_EQ(table.find({8, 977}), 0u);
    std::set<std::uint64_t> offsets;
    table.visit(7, [&](const IdTable::Slot& slot) { offsets.insert(slot.offset_plus_1); });
    EXPECT_EQ(offsets.size(), 1'500u);
    table.insert({7, 977}, 9'000);
    EXPECT_EQ(table.find({7, 977}), 9'001u);
    EXPECT_EQ(table.count(), 2'000u);
    table.clear();
    EXPECT_EQ(table.count(), 0u);
    for (std::uint64_t i = 0; i < 1'500; ++i) EXPECT_EQ(table.find({7, i * 977}), 0u);
}

TEST(IdSort, PutsATableInTheOrderOfARun) {
    core::Random random(3);
    for (const std::uint64_t spread : {~0ULL, ~0ULL >> 2, 0xfULL, 0ULL}) {
        IdTable table(4096);
        std::vector<RunEntry> expected;
        for (std::uint64_t i = 0; i < 2'000; ++i) {
            // The last places of the table too: what does not fit there goes around its end.
            const std::uint64_t by_id =
                i % 50 == 0 ? (~0ULL - i) * kOrderInverse : (random.next() & spread) + 1;
            const RunEntry entry{{by_id, random.next()}, i};
            table.insert(entry.id, entry.offset);
            expected.push_back(entry);
        }
        std::sort(expected.begin(), expected.end(), kInRunOrder);
        const std::vector<RunEntry> sorted = sorted_entries(table);
        ASSERT_EQ(sorted.size(), expected.size());
        for (std::size_t i = 0; i < sorted.size(); ++i) {
            ASSERT_EQ(sorted[i].id, expected[i].id);
            ASSERT_EQ(sorted[i].offset, expected[i].offset);
        }
    }
}

}  // namespace
}  // namespace millrace::store::test
