// Goal: kv as it was is exactly what a reader would have seen then, whatever happened since.
// Method: a plain map as the model, a copy of it kept after each commit; every moment compared.
#include "store/rows/kv_history.h"

#include "core/random.h"
#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/kv_store.h"
#include "tests/store/store_fixture.h"

#include <map>

namespace millrace::store {
namespace {

class KvHistoryTest : public test::StoreTest {
protected:
    using View = std::map<std::string, std::string>;

    void open_with_history() {
        auto with = options();
        with.kv_history_us = 3'600'000'000;
        open(with);
    }
    void change(const std::function<void(RowBatch&)>& fill, core::LogPosition block = {}) {
        clock_.advance_us(10);
        RowBatch rows;
        rows.begin_outcomes(block);
        rows.add_outcome({});
        rows.end_outcomes();
        fill(rows);
        database_->kv().stage(rows);
        commit(kZero, std::move(rows));
    }
    View view_at(const KvHistory::Moment& moment, std::string_view prefix = {}) {
        View view;
        std::string after;
        do {
            auto page = database_->kv_history().list(tenant_, "kv", prefix, moment, after, 3);
            EXPECT_TRUE(page) << page.error().message;
            if (!page) return view;
            for (const KvItem& item : page->items) view[item.key] = item.value.text();
            after = page->next;
        } while (!after.empty());
        return view;
    }
    KvKey key(std::string_view name) const { return {tenant_, "kv", name}; }

    const core::TenantId tenant_{3};
};

TEST_F(KvHistoryTest, EveryMomentIsWhatTheModelWasThen) {
    open_with_history();
    core::Random random(7);
    View model;
    std::vector<std::pair<std::int64_t, View>> moments;
    for (int commit_number = 0; commit_number < 300; ++commit_number) {
        change([&](RowBatch& rows) {
            for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
                const std::string name = "k" + std::to_string(random.below(12));
                const bool number =
                    model.contains(name) && model[name].find('"') == std::string::npos;
                switch (random.below(4)) {
                    case 0:
                        model[name] = "\"text " + std::to_string(commit_number) + "\"";
                        rows.kv_put(key(name), model[name], 0);
                        break;
                    case 1:
                        model.erase(name);
                        rows.kv_erase(key(name));
                        break;
                    default:
                        model[name] = std::to_string((number ? std::stoll(model[name]) : 0) + 5);
                        rows.kv_incr(key(name), 5, clock_.wall_us(), 0);
                        break;
                }
            }
            rows.kv_put({tenant_, "kv/room", "other"}, "1", 0);
            rows.kv_put({core::TenantId{4}, "kv", "k1"}, "1", 0);
        });
        moments.emplace_back(clock_.wall_us(), model);
    }
    for (const auto& [at_us, expected] : moments) ASSERT_EQ(view_at({at_us, {}}), expected);
    EXPECT_EQ(view_at({}), model);
    View some;
    for (const auto& [name, value] : moments[100].second) {
        if (name.starts_with("k1")) some[name] = value;
    }
    EXPECT_EQ(view_at({moments[100].first, {}}, "k1"), some);
    close();
    open_with_history();
    for (const auto& [at_us, expected] : moments) ASSERT_EQ(view_at({at_us, {}}), expected);
    const auto changed = database_->kv_history().changed_since({}, {moments[200].first, {}});
    ASSERT_TRUE(changed);
    EXPECT_GT(changed->size(), 5u);
}

// Three keys: one is counted on, one is set anew, one is left alone; then the rows of all do not
// read.
TEST_F(KvHistoryTest, ADamagedValueIsTheFailureOfItsKeyAloneAndOnlyWhereTheHistoryIsSilent) {
    open_with_history();
    change([&](RowBatch& rows) {
        rows.kv_incr(key("counted"), 1, clock_.wall_us(), 0);
        rows.kv_put(key("set"), "1", 0);
        rows.kv_put(key("still"), "1", 0);
        rows.kv_put(key("whole"), "1", 0);
    });
    const std::int64_t then_us = clock_.wall_us();
    change([&](RowBatch& rows) {
        rows.kv_incr(key("counted"), 1, clock_.wall_us(), 0);
        rows.kv_put(key("set"), "2", 0);
        rows.kv_put(key("whole"), "2", 0);
    });
    rocksdb::WriteBatch batch;
    for (const char* name : {"counted", "set", "still"}) {
        batch.Put(database_->engine().family(ColumnFamily::kKv), kv_prefix(tenant_, "kv") + name,
                  "\xee not a row");
    }
    ASSERT_TRUE(database_->engine().commit(batch, Durability::kFsync));
    close();
    open_with_history();
    EXPECT_EQ(view_at({then_us, {}}), (View{{"set", "1"}, {"whole", "1"}}));
    EXPECT_EQ(view_at({}), (View{{"whole", "2"}}));
    EXPECT_EQ(database_->quarantine().count(), 3u);
    const auto alone = [&](std::string_view name) {
        return database_->kv_history().list(tenant_, "kv", name, {then_us, {}}, {}, 10);
    };
    EXPECT_FALSE(alone("counted"));
    EXPECT_FALSE(alone("still"));
    EXPECT_TRUE(alone("set"));
    EXPECT_TRUE(alone("whol"));

    const auto changed = database_->kv_history().changed_since({}, {then_us, {}});
    ASSERT_TRUE(changed) << changed.error().message;
    const std::string room(without_partition(kv_prefix(tenant_, "kv")));
    EXPECT_FALSE(changed->find(room + "counted")->second);
    EXPECT_EQ((*changed->find(room + "set")->second)->text(), "1");
    EXPECT_FALSE(changed->contains(room + "still"));
}

TEST_F(KvHistoryTest, APositionLeavesOutTheDeliveriesOfLaterBlocks) {
    open_with_history();
    const auto count = [&](std::uint64_t offset) {
        change([&](RowBatch& rows) { rows.kv_incr(key("n"), 1, clock_.wall_us(), 0); },
               {kOne, core::LogOffset{offset}});
    };
    count(0);
    count(20);
    count(10);
    const auto at = [&](std::uint64_t offset) {
        return view_at({0, {core::LogOffset{~0ull}, core::LogOffset{offset}}});
    };
    EXPECT_EQ(at(0), View{});
    EXPECT_EQ(at(1), (View{{"n", "1"}}));
    EXPECT_EQ(at(15), (View{{"n", "2"}}));
    EXPECT_EQ(at(21), (View{{"n", "3"}}));
}

TEST_F(KvHistoryTest, AnEntryIsGoneWhenItHadExpiredThen) {
    open_with_history();
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "1", clock_.wall_us() + 100); });
    const std::int64_t alive_us = clock_.wall_us() + 50;
    clock_.advance_us(1000);
    const std::int64_t expired_us = clock_.wall_us();
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "2", 0); });
    EXPECT_EQ(view_at({alive_us, {}}), (View{{"a", "1"}}));
    EXPECT_EQ(view_at({expired_us, {}}), View{});
    EXPECT_EQ(view_at({}), (View{{"a", "2"}}));
}

TEST_F(KvHistoryTest, ReachesBackAsFarAsItSays) {
    open_with_history();
    const std::int64_t before_us = clock_.wall_us() - 1;
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "1", 0); });
    EXPECT_FALSE(database_->kv_history().list(tenant_, "kv", {}, {before_us, {}}, {}, 10));
    const std::int64_t old_us = clock_.wall_us();
    clock_.advance_us(7'200'000'000);
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "2", 0); });
    const std::int64_t late_us = clock_.wall_us();
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "3", 0); });
    housekeep();
    EXPECT_FALSE(database_->kv_history().list(tenant_, "kv", {}, {old_us, {}}, {}, 10));
    EXPECT_EQ(view_at({late_us, {}}), (View{{"a", "2"}}));
}

TEST_F(KvHistoryTest, SwitchedOffItForgetsRatherThanShowsAHole) {
    open_with_history();
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "1", 0); });
    const std::int64_t first_us = clock_.wall_us();
    close();
    open();
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "2", 0); });
    EXPECT_FALSE(database_->kv_history().list(tenant_, "kv", {}, {first_us, {}}, {}, 10));
    EXPECT_EQ(view_at({}), (View{{"a", "2"}}));
    close();
    clock_.advance_us(10);
    open_with_history();
    EXPECT_FALSE(database_->kv_history().list(tenant_, "kv", {}, {first_us, {}}, {}, 10));
    change([&](RowBatch& rows) { rows.kv_put(key("a"), "3", 0); });
    EXPECT_EQ(view_at({clock_.wall_us() - 1, {}}), (View{{"a", "2"}}));
}

}  // namespace
}  // namespace millrace::store
