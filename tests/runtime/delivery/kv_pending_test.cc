// Goal: what handlers count adds up to the same, however their runs were put into chunks and lanes;
// lists go on behind what is deleted; a time to live stays. Method: a store in a folder of its own,
// several overlays in turn, increments from a seed.
#include "runtime/delivery/kv_pending.h"

#include "core/decimal.h"
#include "core/random.h"
#include "tests/store/store_fixture.h"

#include <deque>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{0};

class KvPendingTest : public store::test::StoreTest {
protected:
    void SetUp() override { open(); }
    static std::string key(const std::string& name) { return std::string(1, '\0') + name; }
    KvOp op(KvOp::Kind kind, const std::string& name) {
        KvOp out;
        out.kind = kind;
        out.key = texts_.emplace_back(key(name));
        return out;
    }
    KvOp incr(const std::string& name, const std::string& amount) {
        KvOp out = op(KvOp::Kind::kIncrement, name);
        core::Decimal value;
        EXPECT_TRUE(core::Decimal::parse(amount, value));
        if (!value.get(out.delta)) out.delta_text = texts_.emplace_back(amount);
        return out;
    }
    KvOp set(const std::string& name, const std::string& json, std::int64_t expires_at_us = 0) {
        KvOp out = op(KvOp::Kind::kSet, name);
        out.value_json = texts_.emplace_back(json);
        out.expires_at_us = expires_at_us;
        return out;
    }
    void hand_over(KvPending& pending) {
        store::RowBatch rows;
        pending.hand_over(rows, clock_.wall_us());
        database_->kv().stage(rows);
        commit(core::ShardId(0), std::move(rows));
    }
    std::string read(KvPending& pending, const std::string& name) {
        std::string json;
        const KvAnswer answer =
            pending.read(kTenant, KvSpace::kKv, key(name), clock_.wall_us(), json);
        return answer == KvAnswer::kFound ? json : "none";
    }
    std::string stored(const std::string& name) {
        KvPending nothing(database_->kv());
        return read(nothing, name);
    }

    std::deque<std::string> texts_;
};

TEST_F(KvPendingTest, SumsDoNotDependOnChunksOrLanes) {
    core::Random random(4);
    constexpr const char* kAmounts[] = {
        "0.5", "1", "0.1", "-0.3", "7", "1e-7", "0.3333333333333333"};
    for (int round = 0; round < 20; ++round) {
        const std::string name = "m" + std::to_string(round);
        core::Decimal expected;
        KvPending lanes[3] = {KvPending(database_->kv()), KvPending(database_->kv()),
                              KvPending(database_->kv())};
        for (int i = 0; i < 60; ++i) {
            const std::string amount = kAmounts[random.below(std::size(kAmounts))];
            core::Decimal one;
            ASSERT_TRUE(core::Decimal::parse(amount, one) && expected.add(one));
            KvPending& lane = lanes[random.below(3)];
            lane.apply(kTenant, incr(name, amount), clock_.wall_us());
            if (random.below(6) == 0) hand_over(lane);
        }
        for (KvPending& lane : lanes) hand_over(lane);
        std::string text;
        expected.append_to(text);
        EXPECT_EQ(stored(name), text);
    }
    std::vector<std::string> before;
    for (int i = 0; i < 20; ++i) before.push_back(stored("m" + std::to_string(i)));
    reopen();
    for (std::size_t i = 0; i < before.size(); ++i)
        EXPECT_EQ(stored("m" + std::to_string(i)), before[i]);
}

TEST_F(KvPendingTest, CountsOnFromEveryNumber) {
    KvPending pending(database_->kv());
    pending.apply(kTenant, set("big", "9007199254740993"), clock_.wall_us());
    pending.apply(kTenant, incr("big", "1"), clock_.wall_us());
    EXPECT_EQ(read(pending, "big"), "9007199254740994");
    hand_over(pending);
    EXPECT_EQ(stored("big"), "9007199254740994");
    pending.apply(kTenant, incr("big", "1"), clock_.wall_us());
    EXPECT_EQ(read(pending, "big"), "9007199254740995");
    hand_over(pending);
    pending.apply(kTenant, set("top", "18446744073709551615"), clock_.wall_us());
    hand_over(pending);
    pending.apply(kTenant, incr("top", "-1"), clock_.wall_us());
    EXPECT_EQ(read(pending, "top"), "18446744073709551614");
    hand_over(pending);
    reopen();
    EXPECT_EQ(stored("big"), "9007199254740995");
    EXPECT_EQ(stored("top"), "18446744073709551614");
}

TEST_F(KvPendingTest, ATimeToLiveStays) {
    KvPending pending(database_->kv());
    const std::int64_t soon = clock_.wall_us() + 1'000'000;
    for (const char* amount : {"1", "0.5"}) {
        const std::string committed = std::string("c") + amount;
        const std::string fresh = std::string("f") + amount;
        pending.apply(kTenant, set(committed, "1", soon), clock_.wall_us());
        hand_over(pending);
        pending.apply(kTenant, incr(committed, amount), clock_.wall_us());
        pending.apply(kTenant, set(fresh, "1", soon), clock_.wall_us());
        pending.apply(kTenant, incr(fresh, amount), clock_.wall_us());
        hand_over(pending);
        EXPECT_NE(stored(committed), "none");
        EXPECT_NE(stored(fresh), "none");
    }
    clock_.advance_us(2'000'000);
    for (const char* name : {"c1", "c0.5", "f1", "f0.5"}) EXPECT_EQ(stored(name), "none") << name;
}

class Keys final : public LuaHost::KvVisitor {
public:
    explicit Keys(std::size_t limit) : limit_(limit) {}
    bool entry(std::string_view key, std::string_view) override {
        names.emplace_back(key.substr(1));
        return names.size() < limit_;
    }
    std::vector<std::string> names;

private:
    const std::size_t limit_;
};

TEST_F(KvPendingTest, ListsBehindWhatIsDeleted) {
    KvPending pending(database_->kv());
    for (int i = 0; i < 5000; ++i)
        pending.apply(kTenant, set("k" + std::to_string(10'000 + i), "1"), clock_.wall_us());
    hand_over(pending);
    for (int i = 0; i < 4000; ++i)
        pending.apply(kTenant, op(KvOp::Kind::kDelete, "k" + std::to_string(10'000 + i)),
                      clock_.wall_us());
    pending.apply(kTenant, set("k140005", "1"), clock_.wall_us());
    Keys all(10'000);
    EXPECT_EQ(pending.list(kTenant, KvSpace::kKv, key("k"), clock_.wall_us(), all),
              KvAnswer::kFound);
    ASSERT_EQ(all.names.size(), 1001u);
    EXPECT_EQ(all.names[0], "k14000");
    EXPECT_EQ(all.names[1], "k140005");
    EXPECT_EQ(all.names[2], "k14001");
    EXPECT_EQ(all.names.back(), "k14999");
    Keys few(3);
    EXPECT_EQ(pending.list(kTenant, KvSpace::kKv, key("k"), clock_.wall_us(), few),
              KvAnswer::kFound);
    EXPECT_EQ(few.names.size(), 3u);
}

}  // namespace
}  // namespace millrace::runtime
