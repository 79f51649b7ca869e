// Goal: a run that waits for an event finds it wherever it came after its place in the log, once,
// and nobody else's; what a filter wants to be equal to leads to the same waits as asking each of
// them. Method: events in a folder, read for waits of all kinds; random filters beside the matcher.
#include "runtime/orchestrator/wait_book.h"

#include "core/random.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

std::string wait_equals(const std::string& field, const std::string& value) {
    return R"([{"field":")" + field + R"(","operator":"equals","value":)" + value + "}]";
}

class WaitBookTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        book_ = std::make_unique<WaitBook>(*database_, kShards);
    }
    RunName run(const std::string& id, std::uint32_t tenant = 0) const {
        return {core::TenantId(tenant), id};
    }
    void send(const std::string& id, const std::string& body, core::ShardId shard = kZero,
              const std::string& pattern = "order.paid", std::uint32_t tenant = 0) {
        store::test::TestEvent event;
        event.id = id;
        event.pattern = pattern;
        event.body = body;
        event.tenant = core::TenantId(tenant);
        ASSERT_EQ(put(shard, event).status, store::AppendStatus::kAppended);
    }
    bool add(const RunName& name, const std::string& pattern, const std::string& filter,
             const std::vector<std::uint64_t>& from = {}, std::uint32_t step = 0) {
        return book_->add(name, step, 1, pattern, filter, from).has_value();
    }
    // "run payload" of each hit, in order of runs.
    std::vector<std::string> read() {
        std::vector<std::string> out;
        for (bool more = true; more;) {
            more = book_->read([&](const RunName& name, std::uint32_t, std::uint32_t,
                                   const std::string& payload, const std::string&) {
                out.push_back(std::to_string(name.tenant.value) + name.id + " " + payload);
            });
        }
        std::sort(out.begin(), out.end());
        return out;
    }

    std::unique_ptr<WaitBook> book_;
};

TEST_F(WaitBookTest, FindsWhoWaitsByPatternTenantAndValue) {
    const std::string filter = "$.payload.text";
    ASSERT_TRUE(add(run("a"), "order.paid", wait_equals(filter, R"("x")")));
    ASSERT_TRUE(add(run("b"), "order.paid", wait_equals(filter, R"("y")")));
    ASSERT_TRUE(add(run("c"), "order.*", wait_equals(filter, R"("x")")));
    ASSERT_TRUE(add(run("d"), "order.paid", ""));
    ASSERT_TRUE(add(run("e", 7), "order.paid", ""));
    ASSERT_TRUE(add(run("f"), "order.sent", ""));
    send("1", "x");
    EXPECT_EQ(read(), (std::vector<std::string>{R"(0a {"text":"x"})", R"(0c {"text":"x"})",
                                                R"(0d {"text":"x"})"}));
    send("2", "y", kOne);
    EXPECT_EQ(read(), std::vector<std::string>{R"(0b {"text":"y"})"});
    EXPECT_EQ(book_->size(), 2u);
    send("3", "z", kZero, "order.paid", 7);
    EXPECT_EQ(read(), std::vector<std::string>{R"(7e {"text":"z"})"});
    book_->remove(run("f"), 0);
    EXPECT_TRUE(book_->empty());
}

TEST_F(WaitBookTest, ReadsFromWhereARunBeganHoweverLateItWaits) {
    for (int i = 0; i < 5; ++i) send(std::to_string(i), "n" + std::to_string(i));
    ASSERT_TRUE(add(run("late"), "order.paid", "", {3, 0}));
    EXPECT_EQ(read(), std::vector<std::string>{R"(0late {"text":"n3"})"});
    ASSERT_TRUE(add(run("new"), "order.paid", "", {5, 0}));
    EXPECT_EQ(read(), std::vector<std::string>{});
    // Each from further back than the one before, and nobody is held up by it.
    ASSERT_TRUE(add(run("c"), "order.paid", wait_equals("$.payload.text", R"("n4")"), {4, 0}));
    ASSERT_TRUE(add(run("b"), "order.paid", wait_equals("$.payload.text", R"("n2")"), {1, 0}));
    ASSERT_TRUE(add(run("a"), "order.paid", wait_equals("$.payload.text", R"("n0")"), {0, 0}));
    ASSERT_TRUE(add(run("never"), "order.paid", wait_equals("$.payload.text", R"("n0")"), {1, 0}));
    EXPECT_EQ(read(), (std::vector<std::string>{R"(0a {"text":"n0"})", R"(0b {"text":"n2"})",
                                                R"(0c {"text":"n4"})"}));
    EXPECT_TRUE(book_->has(run("never"), 0));
    send("6", "n6");
    EXPECT_EQ(read(), std::vector<std::string>{R"(0new {"text":"n6"})"});
    EXPECT_EQ(book_->size(), 1u);
}

TEST_F(WaitBookTest, AWaitThatIsAddedAgainIsOne) {
    ASSERT_TRUE(add(run("a"), "order.paid", wait_equals("$.payload.text", R"("x")")));
    ASSERT_TRUE(add(run("a"), "order.sent", ""));
    EXPECT_EQ(book_->size(), 1u);
    send("1", "x");
    EXPECT_EQ(read(), std::vector<std::string>{});
    send("2", "x", kZero, "order.sent");
    EXPECT_EQ(read().size(), 1u);
    EXPECT_TRUE(book_->empty());
}

TEST_F(WaitBookTest, WhatIsNoFilterIsRefused) {
    EXPECT_FALSE(add(run("a"), "order.paid",
                     R"([{"field":"$.payload.text","operator":"regex","value":"("}])"));
    EXPECT_FALSE(add(run("b"), "order.**", ""));
    EXPECT_FALSE(book_->has(run("a"), 0));
    EXPECT_TRUE(book_->empty());
}

// ---- the index beside the matcher

std::string random_value(core::Random& random) {
    const char* const values[] = {"1",     "1.0",  "2",    "\"a\"", "\"b\"",
                                  "\"1\"", "true", "null", "10e-1"};
    return values[random.below(std::size(values))];
}

// NOLINTNEXTLINE(misc-no-recursion): three deep
std::string random_json(core::Random& random, int depth) {
    const auto kind = random.below(depth > 0 ? 5 : 2);
    if (kind < 2) return random_value(random);
    std::string out = kind == 2 ? "[" : "{";
    const char* const names[] = {"x", "y", "z"};
    for (std::size_t i = 0; i < std::size(names); ++i) {
        if (random.below(3) == 0) continue;
        if (out.size() > 1) out += ',';
        if (kind != 2) out.append("\"").append(names[i]).append("\":");
        out += random_json(random, depth - 1);
    }
    return out + (kind == 2 ? "]" : "}");
}

std::string random_filter(core::Random& random) {
    const char* const fields[] = {"$.payload.x", "$.payload.x.y", "$.payload.y", "$.payload.z.x"};
    const char* const operators[] = {"equals", "equals", "equals", "notEquals", "in", "gte"};
    std::string out = "[";
    for (std::size_t i = 0; i <= random.below(3); ++i) {
        const std::string_view op = operators[random.below(std::size(operators))];
        std::string value = random_value(random);
        if (op == "in") value.insert(0, "[").append(",").append(random_value(random)).append("]");
        if (op == "gte") value = "1";
        if (out.size() > 1) out += ',';
        out.append(R"({"field":")").append(fields[random.below(std::size(fields))]);
        out.append(R"(","operator":")").append(op).append(R"(","value":)").append(value) += '}';
    }
    return out + "]";
}

TEST(WaitIndex, ShowsAnEventToAllWhoseFilterHolds) {
    std::size_t held = 0;
    std::size_t shown = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        core::Random random(seed);
        WaitIndex index;
        std::vector<std::unique_ptr<WaitKey>> keys;
        std::vector<matcher::ReferenceMatcher> filters;
        for (std::uint32_t i = 0; i < 30; ++i) {
            auto predicate = matcher::parse_any_filter(random_filter(random));
            ASSERT_TRUE(predicate) << predicate.error().message;
            const auto anchor = anchor_of(*predicate);
            matcher::SubscriptionSpec spec;
            spec.predicate = std::move(*predicate);
            auto compiled = matcher::ReferenceMatcher::compile(spec);
            ASSERT_TRUE(compiled);
            filters.push_back(std::move(*compiled));
            keys.push_back(std::make_unique<WaitKey>(RunName{core::TenantId(0), "r"}, i));
            ASSERT_TRUE(index.put(*keys.back(), WaitIndex::place_of("p", anchor), anchor));
        }
        for (int turn = 0; turn < 20; ++turn) {
            const std::string raw = R"({"pattern":"p","payload":)" + random_json(random, 3) + "}";
            store::StoredEvent stored;
            stored.raw = raw;
            stored.pattern = "p";
            SeenEvent event(stored);
            ASSERT_NE(event.tree(), nullptr) << raw;
            std::vector<const WaitKey*> found;
            index.find(event, found);
            std::set<std::uint32_t> steps;
            for (const WaitKey* key : found)
                EXPECT_TRUE(steps.insert(key->second).second) << "shown twice: " << raw;
            shown += steps.size();
            for (std::uint32_t i = 0; i < filters.size(); ++i) {
                if (!filters[i].matches(*event.tree())) continue;
                ++held;
                EXPECT_TRUE(steps.contains(i))
                    << "seed " << seed << ", filter " << i << ": " << raw;
            }
        }
    }
    EXPECT_GT(held, 100u);
    EXPECT_LT(shown, 200u * 20 * 30 * 3 / 4) << "it leaves hardly anybody out";
}

}  // namespace
}  // namespace millrace::runtime
