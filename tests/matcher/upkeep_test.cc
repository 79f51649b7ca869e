// Goal: what the matcher does behind its readers' backs is done, and told: rebuilds for expressions
//       and for other pivots, paths that nobody asks any more, old snapshots.
// Method: matchers without a thread of their own, whose rebuilds happen inside maintain().
#include "core/buffer.h"
#include "core/event_parser.h"
#include "matcher/filter/dialects.h"
#include "matcher/index/pattern_memo.h"
#include "matcher/matcher.h"
#include "matcher/subscription_spec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::matcher {
namespace {

using core::SubscriptionId;
using core::TenantId;

class MatcherUpkeep : public ::testing::Test {
protected:
    explicit MatcherUpkeep(std::size_t delta_changes_max = 16)
        : matcher_({.delta_changes_max = delta_changes_max, .background_thread = false}),
          reader_(matcher_.register_reader()) {}

    void put(std::uint32_t id, const std::string& filter) {
        auto spec = parse_subscription_json("{\"filter\":\"" + filter + "\"}");
        ASSERT_TRUE(spec) << spec.error().message << " " << filter;
        ASSERT_TRUE(matcher_.replace(SubscriptionId(id), TenantId(0), *spec));
    }
    void settle() {
        matcher_.publish();
        for (int i = 0; i < 4; ++i) {
            reader_.observe();
            matcher_.maintain();
        }
    }
    std::vector<SubscriptionId> match(const std::string& payload) {
        const std::string event = R"({"pattern":"p","payload":)" + payload + "}";
        const std::string padded = event + std::string(core::kPaddingBytes, ' ');
        const Snapshot& snapshot = reader_.observe();
        core::Envelope envelope;
        std::vector<SubscriptionId> out;
        const auto parsed = parser_.parse_one(std::string_view(padded).substr(0, event.size()),
                                              &snapshot.plan(), envelope, &fields_);
        EXPECT_TRUE(parsed) << event;
        snapshot.match(envelope, TenantId(0), fields_, scratch_, out);
        return out;
    }

    Matcher matcher_;
    Matcher::Reader reader_;
    MatchScratch scratch_;
    core::EventParser parser_;
    core::FieldTable fields_;
};

TEST_F(MatcherUpkeep, SaysWhetherAnythingWasDone) {
    put(1, "$.a == 1");
    settle();
    EXPECT_FALSE(matcher_.maintain());
    reader_.observe();
    put(2, "$.a == 2");
    matcher_.publish();
    // The old snapshot waits for the reader: there is nothing to do yet.
    EXPECT_FALSE(matcher_.maintain());
    EXPECT_FALSE(matcher_.maintain());
    reader_.observe();
    EXPECT_TRUE(matcher_.maintain());
    EXPECT_FALSE(matcher_.maintain());
}

TEST_F(MatcherUpkeep, ForgetsPathsThatNobodyAsks) {
    for (std::uint32_t i = 0; i < 200; ++i) {
        put(1, "$.path" + std::to_string(i) + ".x == 1");
        settle();
        ASSERT_EQ(match("{\"path" + std::to_string(i) + "\":{\"x\":1}}").size(), 1u) << i;
        ASSERT_TRUE(match("{\"path" + std::to_string(i + 1) + "\":{\"x\":1}}").empty()) << i;
        ASSERT_LT(matcher_.stats().paths, 25u) << i;
    }
    put(2, "$.kept == 'yes'");
    settle();
    for (std::uint32_t i = 0; i < 40; ++i) {
        put(3, "$.other" + std::to_string(i) + " == 1 && $.kept == 'yes'");
        settle();
    }
    EXPECT_EQ(match(R"({"kept":"yes"})"), std::vector{SubscriptionId(2)});
    EXPECT_EQ(match(R"({"kept":"yes","other39":1})").size(), 2u);
    EXPECT_GT(matcher_.stats().rebuilds, 3u);
}

// A client that makes every pattern new must not cost the others their memory, nor time.
TEST(PatternMemo, StandsAsideWhilePatternsDoNotRepeat) {
    PatternMemo memo;
    memo.reset(64);
    const GroupAt group{7, 1, 2, 3, 4};
    const auto ask = [&](const std::string& pattern) {
        const std::uint64_t hash = core::hash_key(pattern);
        const PatternMemo::Line* line = memo.find(hash, 0, pattern);
        if (!line) memo.keep(hash, 0, pattern, {&group, 1});
        return line != nullptr && memo.groups_of(*line).size() == 1 &&
               memo.groups_of(*line)[0].group == 7;
    };
    EXPECT_FALSE(ask("a.b"));
    EXPECT_TRUE(ask("a.b"));
    for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(ask("new." + std::to_string(i)));
    EXPECT_TRUE(memo.is_standing_aside());
    EXPECT_FALSE(ask("a.b"));
    EXPECT_FALSE(ask("a.b"));
    std::size_t hits = 0;
    for (int i = 0; i < 100'000; ++i) hits += ask("a.b") ? 1 : 0;
    EXPECT_FALSE(memo.is_standing_aside());
    EXPECT_GT(hits, 50'000u);
}

// 3,000 patterns do not fit into what it begins with.
TEST(PatternMemo, GrowsWithThePatternsThatComeAgain) {
    PatternMemo memo;
    memo.reset(8192);
    const GroupAt group{7, 1, 2, 3, 4};
    const auto hits_of_a_round = [&] {
        std::size_t hits = 0;
        for (int i = 0; i < 3'000; ++i) {
            const std::string pattern = "kind" + std::to_string(i) + ".done";
            const std::uint64_t hash = core::hash_key(pattern);
            const bool known = memo.find(hash, 0, pattern) != nullptr;
            if (!known) memo.keep(hash, 0, pattern, {&group, 1});
            hits += known ? 1 : 0;
        }
        return hits;
    };
    for (int round = 0; round < 12; ++round) hits_of_a_round();
    EXPECT_GT(hits_of_a_round(), 2'700u);
    EXPECT_FALSE(memo.is_standing_aside());
}

class MatcherPivots : public MatcherUpkeep {
protected:
    MatcherPivots() : MatcherUpkeep(1u << 20) {}
};

// By variety `kind` looks rare, since others ask for a thousand kinds; all events are of one kind.
TEST_F(MatcherPivots, AreChosenAgainByWhatEventsHave) {
    constexpr std::uint32_t kHot = 600;
    for (std::uint32_t i = 0; i < kHot; ++i)
        put(i, "$.kind == 'hot' && $.region == 'r" + std::to_string(i % 20) + "'");
    for (std::uint32_t i = 0; i < 1000; ++i)
        put(kHot + i, "$.kind == 'k" + std::to_string(i) + "'");
    settle();
    const auto live = [this](std::size_t events) {
        for (std::size_t i = 0; i < events; ++i) {
            const std::string region = "r" + std::to_string(i % 20);
            ASSERT_EQ(match(R"({"kind":"hot","region":")" + region + "\"}").size(), kHot / 20);
        }
    };
    live(64 * 100);
    EXPECT_GT(matcher_.stats().entries_per_event, 500);
    const std::uint64_t before = matcher_.stats().rebuilds;
    live(64 * 450);
    settle();
    EXPECT_EQ(matcher_.stats().rebuilds, before + 1);
    live(64 * 10);
    EXPECT_LT(matcher_.stats().entries_per_event, 60);
    EXPECT_GT(matcher_.stats().entries_per_event, 20);
}

TEST_F(MatcherPivots, ExpressionsWithoutLiteralsAreAskedTogetherAfterARebuild) {
    constexpr std::uint32_t kAll = 40;
    for (std::uint32_t i = 0; i < kAll; ++i) {
        put(i, "$.s matches '^[a-z]{" + std::to_string(i + 1) + "}[0-9]+$'");
        put(kAll + i, "$.t matches '^(?i)[a-f]{" + std::to_string(i + 1) + "}\\\\\\\\b'");
    }
    matcher_.publish();
    const auto check = [this] {
        for (std::uint32_t i = 0; i < kAll; ++i) {
            const std::string word(i + 1, 'b');
            EXPECT_EQ(match("{\"s\":\"" + word + "7\"}"), std::vector{SubscriptionId(i)});
            EXPECT_EQ(match("{\"s\":[\"7\",\"" + word + "7\"],\"t\":\"" + word + " x\"}"),
                      (std::vector{SubscriptionId(i), SubscriptionId(kAll + i)}));
            EXPECT_TRUE(match("{\"s\":\"" + word + "\",\"t\":\"" + word + "_\"}").empty());
        }
    };
    check();
    EXPECT_EQ(matcher_.stats().rebuilds, 0u);
    settle();
    EXPECT_EQ(matcher_.stats().rebuilds, 1u);
    check();
    settle();
    EXPECT_EQ(matcher_.stats().rebuilds, 1u);
}

}  // namespace
}  // namespace millrace::matcher
