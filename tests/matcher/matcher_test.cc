// Goal: the matcher gives what the reference matcher gives, at every moment of a life of changes.
// Method: random subscriptions and events from a small world; every answer is compared.
#include "matcher/matcher.h"

#include "core/event_parser.h"
#include "matcher/reference_matcher.h"
#include "tests/support/spec_gen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

namespace millrace::matcher {
namespace {

using core::SubscriptionId;
using core::TenantId;

struct World {
    struct Entry {
        TenantId tenant;
        SubscriptionSpec spec;
        ReferenceMatcher reference;
    };
    explicit World(const Matcher::Options& options)
        : matcher(options), reader(matcher.register_reader()) {}

    Matcher matcher;
    Matcher::Reader reader;
    MatchScratch scratch;
    core::EventParser parser;
    core::FieldTable fields;
    std::map<SubscriptionId, Entry> entries;

    void put(SubscriptionId id, TenantId tenant, SubscriptionSpec spec) {
        auto reference = ReferenceMatcher::compile(spec);
        ASSERT_TRUE(reference) << reference.error().message;
        const core::Status status = entries.contains(id) ? matcher.replace(id, tenant, spec)
                                                         : matcher.add(id, tenant, spec);
        ASSERT_TRUE(status) << status.error().message;
        entries.insert_or_assign(id, Entry{tenant, std::move(spec), std::move(*reference)});
    }
    void drop(SubscriptionId id) { EXPECT_EQ(matcher.remove(id), entries.erase(id) == 1); }
    std::vector<SubscriptionId> expected(const std::string& event, TenantId tenant) const {
        auto tree = parse_json(event);
        EXPECT_TRUE(tree) << event;
        std::vector<std::pair<std::int32_t, SubscriptionId>> found;
        for (const auto& [id, entry] : entries) {
            if (entry.tenant == tenant && entry.reference.matches(*tree)) {
                found.emplace_back(-entry.spec.priority, id);
            }
        }
        std::sort(found.begin(), found.end());
        std::vector<SubscriptionId> out;
        for (const auto& [priority, id] : found) out.push_back(id);
        return out;
    }
    std::vector<SubscriptionId> actual(const std::string& event, TenantId tenant) {
        const Snapshot& snapshot = reader.observe();
        std::string padded = event + std::string(64, '}');
        core::Envelope envelope;
        const core::Status status = parser.parse_one(
            std::string_view(padded).substr(0, event.size()), &snapshot.plan(), envelope, &fields);
        EXPECT_TRUE(status) << status.error().message << event;
        std::vector<SubscriptionId> out;
        snapshot.match(envelope, tenant, fields, scratch, out);
        return out;
    }
    void check(const std::string& event, TenantId tenant) {
        const auto want = expected(event, tenant);
        const auto got = actual(event, tenant);
        if (want == got) return;
        std::vector<SubscriptionId> wrong;
        std::vector<SubscriptionId> a = want, b = got;
        std::sort(a.begin(), a.end());
        std::sort(b.begin(), b.end());
        std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(),
                                      std::back_inserter(wrong));
        for (const SubscriptionId id : wrong) {
            ADD_FAILURE() << "subscription " << id.value << " pattern kind "
                          << static_cast<int>(entries.at(id).spec.pattern.kind) << " '"
                          << entries.at(id).spec.pattern.value << "' "
                          << to_text(entries.at(id).spec.predicate) << "\n on " << event
                          << "\n expected "
                          << (std::find(want.begin(), want.end(), id) != want.end());
        }
        EXPECT_EQ(want, got) << "order, on " << event;
    }
};

class MatcherFuzz : public ::testing::TestWithParam<int> {};

TEST_P(MatcherFuzz, AgreesWithTheReferenceThroughChanges) {
    testing::SpecGen gen(static_cast<std::uint64_t>(GetParam()));
    World world({.delta_changes_max = 40, .background_thread = GetParam() % 2 == 0});
    core::Random& random = gen.random();
    std::uint32_t next = 1;
    for (int round = 0; round < 60 && !HasFailure(); ++round) {
        for (std::uint64_t i = random.below(20); i > 0; --i) {
            const bool old = random.below(3) == 0 && next > 1;
            const auto id = SubscriptionId(
                old ? 1 + static_cast<std::uint32_t>(random.below(next - 1)) : next++);
            if (old && random.below(2) == 0 && world.entries.contains(id)) {
                world.drop(id);
            } else {
                world.put(id, TenantId(static_cast<std::uint32_t>(random.below(2))), gen.spec());
            }
        }
        world.matcher.publish();
        for (int i = 0; i < 8; ++i) {
            world.check(gen.event(), TenantId(static_cast<std::uint32_t>(random.below(2))));
            world.matcher.maintain();
        }
        EXPECT_EQ(world.matcher.stats().subscriptions, world.entries.size());
    }
}

// MILLRACE_FUZZ_SEEDS=500 for a longer run by hand.
int seeds() {
    const char* text = std::getenv("MILLRACE_FUZZ_SEEDS");
    return text ? std::atoi(text) : 8;
}
INSTANTIATE_TEST_SUITE_P(Seeds, MatcherFuzz, ::testing::Range(1, 1 + seeds()));

TEST(Matcher, KeepsTenantsApart) {
    World world({});
    world.put(SubscriptionId(1), TenantId(1), {});
    world.put(SubscriptionId(2), TenantId(2), {});
    world.matcher.publish();
    EXPECT_EQ(world.actual(R"({"pattern":"a"})", TenantId(1)), std::vector{SubscriptionId(1)});
    EXPECT_EQ(world.actual(R"({"pattern":"a"})", TenantId(2)), std::vector{SubscriptionId(2)});
    EXPECT_TRUE(world.actual(R"({"pattern":"a"})", TenantId(3)).empty());
    EXPECT_FALSE(world.reader.observe().has_tenant(TenantId(3)));
}

TEST(Matcher, ShowsChangesAllAtOnceAtPublish) {
    World world({});
    world.put(SubscriptionId(1), TenantId(0), {});
    EXPECT_TRUE(world.actual(R"({"pattern":"a"})", TenantId(0)).empty());
    const std::uint64_t epoch = world.matcher.publish();
    EXPECT_FALSE(world.matcher.all_observed(epoch));
    EXPECT_EQ(world.actual(R"({"pattern":"a"})", TenantId(0)).size(), 1u);
    EXPECT_TRUE(world.matcher.all_observed(epoch));
    const Snapshot& before = world.reader.observe();
    world.drop(SubscriptionId(1));
    world.put(SubscriptionId(2), TenantId(0), {});
    world.matcher.publish();
    core::Envelope envelope;
    envelope.pattern = "a";
    core::FieldTable fields;
    fields.reset(before.plan());
    std::vector<SubscriptionId> out;
    before.match(envelope, TenantId(0), fields, world.scratch, out);
    EXPECT_EQ(out, std::vector{SubscriptionId(1)});  // the old set, whole
    EXPECT_EQ(world.actual(R"({"pattern":"a"})", TenantId(0)), std::vector{SubscriptionId(2)});
}

TEST(Matcher, RefusesANumberTwiceAndBadRegexes) {
    Matcher matcher;
    SubscriptionSpec spec;
    EXPECT_TRUE(matcher.add(SubscriptionId(1), TenantId(0), spec));
    EXPECT_FALSE(matcher.add(SubscriptionId(1), TenantId(0), spec));
    spec.pattern = {PatternPredicate::Kind::kRegex, "(a"};
    const core::Status status = matcher.add(SubscriptionId(2), TenantId(0), spec);
    ASSERT_FALSE(status);
    EXPECT_FALSE(status.error().message.empty());
    EXPECT_FALSE(matcher.contains(SubscriptionId(2)));
    EXPECT_TRUE(matcher.contains(SubscriptionId(1)));
}

}  // namespace
}  // namespace millrace::matcher
