// Goal: a run finds exactly what it holds, and its filter does its work, however ids are spread:
// a shard holds the ids of one stretch of the hash's range, or, with partition keys, of all of it.
#include "store/id_run.h"

#include "core/random.h"
#include "tests/store/store_fixture.h"

#include <algorithm>
#include <vector>

namespace millrace::store::test {
namespace {

class IdRunTest : public ::testing::Test {
protected:
    // A run of `ids`, offsets by their order after sorting.
    void write(std::vector<std::uint64_t> ids) {
        std::sort(ids.begin(), ids.end());
        ids_ = std::move(ids);
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
            if (std::binary_search(ids_.begin(), ids_.end(), id)) continue;
            said_yes += run_->may_contain(id);
            std::uint64_t offset = 0;
            EXPECT_EQ(run_->find({id, 7}, offset), IdRun::Lookup::kAbsent);
        }
        return said_yes / 20'000.0;
    }

    TempFolder folder_;
    core::Random random_{11};
    std::vector<std::uint64_t> ids_;
    std::unique_ptr<IdRun> run_;
};

TEST_F(IdRunTest, FindsIdsOfOneQuarterOfTheRangeAndItsFilterRefusesTheRest) {
    constexpr std::uint64_t kBase = 3ULL << 62;
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 20'000; ++i) ids.push_back(kBase | (random_.next() >> 2));
    write(std::move(ids));
    expect_all_found();
    EXPECT_LT(false_share(kBase), 0.05);
}

TEST_F(IdRunTest, FindsIdsThatCrowdInOnePlace) {
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 5'000; ++i) ids.push_back(random_.next());
    for (std::uint64_t i = 0; i < 5'000; ++i) ids.push_back((1ULL << 40) + i);
    write(std::move(ids));
    expect_all_found();
    EXPECT_LT(false_share(0), 0.05);
}

TEST_F(IdRunTest, FindsOneIdOfManySourcesAcrossPages) {
    auto writer = RunWriter::create(folder_.path(), {core::ShardId{0}, 0, 0, 1'000, 1'000});
    ASSERT_TRUE(writer);
    for (std::uint64_t i = 0; i < 300; ++i) (*writer)->add({{5, i}, i});
    for (std::uint64_t i = 0; i < 400; ++i) (*writer)->add({{1'000, i}, 300 + i});
    for (std::uint64_t i = 0; i < 300; ++i) (*writer)->add({{2'000 + i, 1}, 700 + i});
    auto run = (*writer)->finish();
    ASSERT_TRUE(run);
    std::vector<RunEntry> found;
    EXPECT_EQ((*run)->find_by_id(1'000, found), IdRun::Lookup::kFound);
    ASSERT_EQ(found.size(), 400u);
    EXPECT_EQ(found.front().offset, 300u);
    EXPECT_EQ(found.back().offset, 699u);
}

}  // namespace
}  // namespace millrace::store::test
