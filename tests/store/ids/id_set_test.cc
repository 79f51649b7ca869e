// Goal: what is in the set is found, what was taken out is not, however ids crowd. Method: random
// turns against std::set, with ids that share places.
#include "store/ids/id_set.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace::store {
namespace {

TEST(IdSet, IsWhatAPlainSetIs) {
    for (const std::uint64_t values : {40u, 3'000u}) {
        core::Random random(values);
        IdSet set;
        std::set<IdHash> model;
        for (int turn = 0; turn < 30'000; ++turn) {
            // Few values of by_id: many ids of several sources.
            const IdHash id{1 + random.below(values), random.below(3)};
            if (random.below(5) < 2) {
                EXPECT_EQ(set.erase(id), model.erase(id) == 1);
            } else if (model.size() < values) {
                EXPECT_EQ(set.insert(id), model.insert(id).second);
            }
            ASSERT_EQ(set.size(), model.size());
            const IdHash other{1 + random.below(values), random.below(3)};
            ASSERT_EQ(set.contains(other), model.contains(other));
        }
        for (const IdHash& id : model) EXPECT_TRUE(set.erase(id));
        EXPECT_TRUE(set.empty());
        EXPECT_FALSE(set.contains({1, 0}));
    }
}

}  // namespace
}  // namespace millrace::store
