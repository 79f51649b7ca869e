// Goal: kv writes take effect together, increments add up exactly, staged writes are seen at once,
// expiry is kept; over restarts too.
#include "store/rows/kv_store.h"

#include "tests/store/store_fixture.h"

namespace millrace::store::test {
namespace {

class KvStoreTest : public StoreTest {
protected:
    void SetUp() override { open(); }
    KvKey key(std::string_view name) { return {core::TenantId{1}, "room", name}; }
    std::string get(std::string_view name) {
        const auto value = database_->kv().get(key(name));
        return value && *value ? (*value)->text() : "none";
    }
    std::size_t list(std::string_view prefix, std::size_t limit = 100) {
        return database_->kv().list(core::TenantId{1}, "room", prefix, limit)->size();
    }
};

TEST_F(KvStoreTest, ReadsBackWhatWasPut) {
    RowBatch rows;
    rows.kv_put(key("a"), R"({"x":1})", 0);
    rows.kv_put_int(key("n"), -7, 0);
    ASSERT_TRUE(database_->write_now(rows));
    EXPECT_EQ(get("a"), R"({"x":1})");
    EXPECT_EQ(get("n"), "-7");
    EXPECT_EQ(get("b"), "none");
    const auto foreign = database_->kv().get({core::TenantId{2}, "room", "a"});
    EXPECT_FALSE(*foreign);
    reopen();
    EXPECT_EQ(get("a"), R"({"x":1})");
    EXPECT_EQ(get("n"), "-7");
}

// The same name in two tenants, and one tenant's room that another's number could be taken for.
TEST_F(KvStoreTest, TenantsSeeNothingOfEachOther) {
    for (int stage = 0; stage < 2; ++stage) {
        RowBatch rows;
        for (const std::uint32_t tenant : {1u, 2u, 256u})
            rows.kv_put_int({core::TenantId{tenant}, "room", "k"}, tenant, 0);
        if (stage == 0) database_->kv().stage(rows);
        if (stage == 1) commit(kZero, std::move(rows));
        for (const std::uint32_t tenant : {1u, 2u, 256u}) {
            const auto items = database_->kv().list(core::TenantId{tenant}, "room", "", 10);
            ASSERT_EQ(items->size(), 1u);
            EXPECT_EQ((*items)[0].value.integer, tenant);
        }
        EXPECT_TRUE(database_->kv().list(core::TenantId{0}, "room", "", 10)->empty());
    }
}

TEST_F(KvStoreTest, IncrementsAddUpOverCommitsCachesAndRestarts) {
    std::int64_t expected = 0;
    for (int round = 0; round < 20; ++round) {
        RowBatch rows;
        for (int i = 0; i < 10; ++i) {
            rows.kv_incr(key("n"), i, clock_.wall_us(), 0);
            expected += i;
        }
        if (round % 2 == 0) database_->kv().stage(rows);
        if (round % 2 == 0) {
            EXPECT_EQ(get("n"), std::to_string(expected));
        }
        commit(kZero, std::move(rows));
        EXPECT_EQ(get("n"), std::to_string(expected));
        if (round % 5 == 4) reopen();
        EXPECT_EQ(get("n"), std::to_string(expected));
    }
}

TEST_F(KvStoreTest, OrderWithinABatchCounts) {
    RowBatch rows;
    rows.kv_put(key("a"), "5", 0);
    rows.kv_incr(key("a"), 3, clock_.wall_us(), 0);
    rows.kv_incr(key("b"), 3, clock_.wall_us(), 0);
    rows.kv_erase(key("b"));
    rows.kv_erase(key("c"));
    rows.kv_incr(key("c"), 2, clock_.wall_us(), 0);
    commit(kZero, std::move(rows));
    EXPECT_EQ(get("a"), "8");
    EXPECT_EQ(get("b"), "none");
    EXPECT_EQ(get("c"), "2");
}

TEST_F(KvStoreTest, StagedWritesAreSeenBeforeTheCommitAndGoneAfterACrash) {
    RowBatch first;
    first.kv_put(key("a"), "1", 0);
    commit(kZero, std::move(first));
    RowBatch rows;
    rows.kv_put(key("a"), "2", 0);
    rows.kv_put(key("b"), "3", 0);
    rows.kv_erase(key("z"));
    database_->kv().stage(rows);
    EXPECT_EQ(get("a"), "2");
    EXPECT_EQ(get("b"), "3");
    EXPECT_EQ(list(""), 2u);
    crash();
    open();
    EXPECT_EQ(get("a"), "1");
    EXPECT_EQ(get("b"), "none");
}

TEST_F(KvStoreTest, ValuesExpire) {
    const std::int64_t soon = clock_.wall_us() + 1000;
    RowBatch rows;
    rows.kv_put(key("a"), "1", soon);
    rows.kv_incr(key("n"), 5, clock_.wall_us(), soon);
    commit(kZero, std::move(rows));
    EXPECT_EQ(get("a"), "1");
    EXPECT_EQ(get("n"), "5");
    EXPECT_EQ(list(""), 2u);
    clock_.advance_us(2000);
    EXPECT_EQ(get("a"), "none");
    EXPECT_EQ(list(""), 0u);
    RowBatch more;
    more.kv_incr(key("n"), 1, clock_.wall_us(), 0);
    commit(kZero, std::move(more));
    EXPECT_EQ(get("n"), "1");
    reopen();
    EXPECT_EQ(get("n"), "1");
}

TEST_F(KvStoreTest, ListsByPrefixInOrder) {
    RowBatch rows;
    for (const char* name : {"b/2", "a/1", "b/1", "c"}) rows.kv_put(key(name), "1", 0);
    commit(kZero, std::move(rows));
    RowBatch staged;
    staged.kv_put(key("b/15"), "1", 0);
    staged.kv_erase(key("b/2"));
    database_->kv().stage(staged);
    const auto items = database_->kv().list(core::TenantId{1}, "room", "b/", 10);
    ASSERT_TRUE(items);
    ASSERT_EQ(items->size(), 2u);
    EXPECT_EQ((*items)[0].key, "b/1");
    EXPECT_EQ((*items)[1].key, "b/15");
    EXPECT_EQ(list("", 1), 1u);
    commit(kZero, std::move(staged));
    EXPECT_EQ(list("b/"), 2u);
}

TEST_F(KvStoreTest, ASmallCacheForgetsOnlyWhatIsSettled) {
    close();
    Database::Options tiny = options();
    tiny.kv_cache_bytes = 64 * 300;
    open(tiny);
    RowBatch rows;
    for (int i = 0; i < 2000; ++i) rows.kv_put(key("k" + std::to_string(i)), std::to_string(i), 0);
    database_->kv().stage(rows);
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(get("k" + std::to_string(i)), std::to_string(i));
    commit(kZero, std::move(rows));
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(get("k" + std::to_string(i)), std::to_string(i));
}

TEST(RowBatch, WhatChangesNoKvGoesBesideWhatIsStagedAndWhatIsNot) {
    const auto with = [](bool kv, bool staged) {
        RowBatch rows;
        if (kv)
            rows.kv_put({core::TenantId{1}, "room", "a"}, "1", 0);
        else
            rows.put_registry("kind", "id", 1, 1, "{}");
        if (staged) rows.mark_staged();
        return rows;
    };
    for (const bool staged : {false, true}) {
        for (const bool first : {false, true}) {
            RowBatch rows = first ? with(true, staged) : with(false, !staged);
            rows.append(first ? with(false, !staged) : with(true, staged));
            EXPECT_EQ(rows.staged(), staged);
            rows.append(with(true, staged));
            EXPECT_EQ(rows.staged(), staged);
        }
    }
}

}  // namespace
}  // namespace millrace::store::test
