// Goal: three matchers agree: the definition tried out choice by choice, the reference, the fast
// one; and no text breaks a parser. Method: seeded random subscriptions in all four forms against
// random events, the adversarial sets, broken texts. MILLRACE_FUZZ_SECONDS=N goes on with new seeds
// for N seconds; MILLRACE_FUZZ_SEED sets the first one. A failure prints subscription, event and
// seed.
#include "core/buffer.h"
#include "core/event_parser.h"
#include "matcher/filter/dialects.h"
#include "matcher/filter/path_parser.h"
#include "matcher/matcher.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"
#include "tests/support/brute_force.h"
#include "tests/support/filter_case.h"
#include "tests/support/filter_gen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

namespace millrace::matcher {
namespace {

using testing::FilterGen;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Runs `round(seed)` a bounded number of times, or for MILLRACE_FUZZ_SECONDS.
template <typename Round>
void rounds(std::uint64_t count, Round round) {
    const std::uint64_t seconds = setting("MILLRACE_FUZZ_SECONDS", 0);
    const std::uint64_t first = setting("MILLRACE_FUZZ_SEED", 1);
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; !::testing::Test::HasFailure(); ++i) {
        const auto spent = std::chrono::steady_clock::now() - begin;
        if (seconds == 0 ? i >= count : spent >= std::chrono::seconds(seconds)) return;
        SCOPED_TRACE("seed " + std::to_string(first + i));
        round(first + i);
    }
}

// The fast matcher and, for each subscription, the reference.
class Pair {
public:
    // A small delta makes the matcher rebuild its big part again and again.
    explicit Pair(std::size_t delta_changes_max = 4096)
        : matcher_({.delta_changes_max = delta_changes_max, .background_thread = false}),
          reader_(matcher_.register_reader()) {}

    void add(const std::string& subscription) {
        auto spec = parse_subscription_json(subscription);
        if (!spec) return;  // ranges without values and the like
        auto reference = ReferenceMatcher::compile(*spec);
        ASSERT_TRUE(reference) << subscription;
        const auto id = core::SubscriptionId(static_cast<std::uint32_t>(entries_.size()));
        const auto added = matcher_.add(id, core::TenantId(0), *spec);
        ASSERT_TRUE(added) << added.error().message << " " << subscription;
        entries_.push_back({subscription, std::move(*spec), std::move(*reference)});
    }

    void publish() {
        matcher_.publish();
        for (int i = 0; i < 3; ++i) {  // start a rebuild, finish it, free what it replaced
            reader_.observe();
            matcher_.maintain();
        }
    }
    std::size_t size() const { return entries_.size(); }

    void check(const std::string& event) {
        const std::string padded = event + std::string(core::kPaddingBytes, ' ');
        const Snapshot& snapshot = reader_.observe();
        core::Envelope envelope;
        const auto parsed = parser_.parse_one(std::string_view(padded).substr(0, event.size()),
                                              &snapshot.plan(), envelope, &fields_);
        const auto tree = parse_json(event);
        ASSERT_EQ(bool(parsed), bool(tree)) << event << (parsed ? "" : parsed.error().message);
        if (!tree) return;
        std::vector<core::SubscriptionId> found;
        snapshot.match(envelope, core::TenantId(0), fields_, scratch_, found);
        std::vector<bool> matched(entries_.size());
        for (const auto id : found) matched[id.value] = true;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            const bool expected = entries_[i].reference.matches(*tree);
            ASSERT_EQ(matched[i], expected)
                << "the fast matcher differs from the reference\n  " << entries_[i].text << "\n  "
                << to_text(entries_[i].spec.predicate) << "\n  " << event.substr(0, 3000);
        }
    }

private:
    struct Entry {
        std::string text;
        SubscriptionSpec spec;
        ReferenceMatcher reference;
    };
    Matcher matcher_;
    Matcher::Reader reader_;
    MatchScratch scratch_;
    core::EventParser parser_;
    core::FieldTable fields_;
    std::vector<Entry> entries_;
};

void expect_stable_text(const SubscriptionSpec& spec, const std::string& subscription) {
    const std::string text = to_text(spec.predicate);
    const auto again = parse_expression(text, "filter");
    ASSERT_TRUE(again) << subscription << "\n  " << text << "\n  " << again.error().message;
    EXPECT_TRUE(*again == spec.predicate)
        << subscription << "\n  " << text << "\n  " << to_text(*again);
    EXPECT_EQ(hash_of(*again), hash_of(spec.predicate)) << text;
}

TEST(FilterFuzz, ReferenceAgreesWithTheDefinition) {
    std::size_t compared = 0;
    std::size_t matched = 0;
    rounds(2'000, [&](std::uint64_t seed) {
        FilterGen gen(seed);
        const std::string subscription = gen.subscription();
        const auto spec = parse_subscription_json(subscription);
        if (!spec) return;
        expect_stable_text(*spec, subscription);
        const auto reference = ReferenceMatcher::compile(*spec);
        ASSERT_TRUE(reference) << subscription;
        for (int i = 0; i < 6; ++i) {
            const std::string event = gen.event();
            const auto tree = parse_json(event);
            ASSERT_TRUE(tree) << event;
            const auto expected = testing::brute_force_matches(*spec, *tree);
            if (!expected) continue;
            ++compared;
            matched += *expected;
            ASSERT_EQ(reference->matches(*tree), *expected)
                << subscription << "\n  " << to_text(spec->predicate) << "\n  " << event;
        }
    });
    // The world is small enough that answers of both kinds come up.
    EXPECT_GT(compared, 3'000u);
    EXPECT_GT(matched, compared / 20);
    EXPECT_LT(matched, compared / 2);
}

TEST(FilterFuzz, FastMatcherAgreesWithTheReference) {
    rounds(60, [&](std::uint64_t seed) {
        FilterGen gen(seed);
        Pair pair(seed % 2 == 0 ? 16 : 4096);
        for (int i = 0; i < 60; ++i) {
            pair.add(gen.subscription());
            if (i % 25 == 0) pair.publish();
        }
        pair.publish();
        for (int i = 0; i < 40 && !::testing::Test::HasFatalFailure(); ++i) pair.check(gen.event());
    });
}

TEST(FilterFuzz, FastMatcherAgreesOnAdversarialSets) {
    rounds(1, [&](std::uint64_t seed) {
        for (const testing::FilterSet& set :
             testing::adversarial_sets(seed, setting("MILLRACE_FUZZ_SCALE", 1))) {
            SCOPED_TRACE(set.name);
            Pair pair(64);
            for (const std::string& subscription : set.subscriptions) pair.add(subscription);
            pair.publish();
            EXPECT_GT(pair.size(), set.subscriptions.size() / 2);
            for (const std::string& event : set.events) {
                if (::testing::Test::HasFatalFailure()) return;
                pair.check(event);
            }
        }
    });
}

TEST(FilterFuzz, FastMatcherAgreesWithTheWrittenCases) {
    const auto cases = testing::load_filter_cases();
    Pair pair;
    for (const auto& c : cases) {
        if (!c.refused) pair.add(c.subscription);
    }
    pair.publish();
    for (const auto& c : cases) {
        for (const auto& probe : c.probes) {
            if (!::testing::Test::HasFatalFailure()) pair.check(probe.event);
        }
    }
}

TEST(FilterFuzz, BrokenTextsAreRefusedOrMeanSomething) {
    rounds(6'000, [&](std::uint64_t seed) {
        FilterGen gen(seed);
        const std::string subscription = gen.broken(gen.subscription());
        const auto spec = parse_subscription_json(subscription);
        if (spec) {
            expect_stable_text(*spec, subscription);
            const auto reference = ReferenceMatcher::compile(*spec);
            ASSERT_TRUE(reference) << subscription;
            const auto tree = parse_json(gen.event());
            ASSERT_TRUE(tree);
            reference->matches(*tree);
        } else {
            EXPECT_FALSE(spec.error().message.empty());
            EXPECT_EQ(spec.error().code, core::ErrorCode::kValidation) << subscription;
        }
        const std::string expression =
            gen.broken("$.a == 'x' && ($.b[*].c in [1, 2.5] || !exists($['x']))");
        if (const auto parsed = parse_any_filter(expression)) {
            EXPECT_TRUE(parse_any_filter(to_text(*parsed))) << expression;
        }
    });
}

}  // namespace
}  // namespace millrace::matcher
