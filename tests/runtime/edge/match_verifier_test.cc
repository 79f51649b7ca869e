// Goal: what the matcher finds wrong in production is counted; what it finds right is not.
// Method: offers of an edge that lies, and a matcher that was not told of a subscription.
#include "runtime/edge/match_verifier.h"

#include "matcher/subscription_spec.h"
#include "tests/runtime/registry/memory_registry_rows.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr core::TenantId kTenant{0};

struct MatchVerifierTest : testing::Test {
    MemoryRegistryRows rows;
    core::ManualClock clock;
    core::Random random{1};
    core::Log log{clock};
    core::Metrics metrics;
    std::unique_ptr<Registry> registry;
    matcher::Matcher matcher{matcher::Matcher::Options{.background_thread = false}};
    std::unique_ptr<MatchVerifier> verifier;

    void SetUp() override {
        log.set_level(core::LogLevel::kOff);
        registry = std::move(*Registry::open(rows, clock, random, {}));
        ASSERT_TRUE(registry->create_script(kTenant, R"({"id":"s1","source":"return 1"})"));
        make_verifier(1);
    }
    void make_verifier(double fraction) {
        verifier = std::make_unique<MatchVerifier>(fraction, *registry, matcher.register_reader(),
                                                   log, metrics);
    }
    SubscriptionRef subscribe(const std::string& filter) {
        auto made = registry->create_subscription(
            kTenant,
            R"({"pattern":"a","executor":{"type":"script","scriptId":"s1"},"filter":")" + filter +
                "\"}",
            {});
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }
    void tell_matcher(const SubscriptionRef& subscription) {
        ASSERT_TRUE(matcher.replace(subscription->number, kTenant, *subscription->spec));
        matcher.publish();
    }
    void offer(const std::string& text, std::uint64_t snapshot_version,
               const std::vector<core::SubscriptionId>& matched) {
        core::Envelope envelope;
        envelope.raw = text;
        verifier->offer(envelope, kTenant, 1'700'000'000'000'000, snapshot_version, matched);
    }
    std::uint64_t version() { return matcher.register_reader().observe().version(); }
    std::int64_t sum(core::Metric metric) { return metrics.sum(metric); }
};

TEST_F(MatchVerifierTest, AgreesWhereBothAreRight) {
    const auto small = subscribe("$.n < 10");
    const auto large = subscribe("$.n >= 10");
    tell_matcher(small);
    tell_matcher(large);
    for (int n = 0; n < 20; ++n) {
        const auto& right = n < 10 ? small : large;
        offer(R"({"pattern":"a","payload":{"n":)" + std::to_string(n) + "}}", version(),
              {right->number});
        EXPECT_EQ(verifier->do_work(), 1u);
    }
    EXPECT_EQ(verifier->do_work(), 0u);
    EXPECT_EQ(sum(core::Metric::kMatcherVerified), 20);
    EXPECT_EQ(sum(core::Metric::kMatcherDisagreements), 0);
}

TEST_F(MatchVerifierTest, SeesWhatTheServerFillsIn) {
    const auto filled = subscribe("$.source.type == 'external' && $.timestamp >= '2023-11'");
    tell_matcher(filled);
    offer(R"({"pattern":"a"})", version(), {filled->number});
    offer(R"({"pattern":"a","source":{"type":"task","id":"t"}})", version(), {});
    while (verifier->do_work() != 0) {
    }
    EXPECT_EQ(sum(core::Metric::kMatcherVerified), 2);
    EXPECT_EQ(sum(core::Metric::kMatcherDisagreements), 0);
}

TEST_F(MatchVerifierTest, CountsAnEdgeThatFoundAnother) {
    tell_matcher(subscribe("$.n < 10"));
    offer(R"({"pattern":"a","payload":{"n":5}})", version(), {});
    EXPECT_EQ(verifier->do_work(), 1u);
    EXPECT_EQ(sum(core::Metric::kMatcherDisagreements), 1);
    // Of another moment: nothing can be said about what the edge saw.
    offer(R"({"pattern":"a","payload":{"n":5}})", version() - 1, {});
    EXPECT_EQ(verifier->do_work(), 1u);
    EXPECT_EQ(sum(core::Metric::kMatcherDisagreements), 1);
}

TEST_F(MatchVerifierTest, CountsAMatcherThatMissesASubscription) {
    tell_matcher(subscribe("$.n < 10"));
    subscribe("$.n > 1");  // the matcher was not told
    offer(R"({"pattern":"a","payload":{"n":50}})", version(), {});
    EXPECT_EQ(verifier->do_work(), 1u);
    EXPECT_EQ(sum(core::Metric::kMatcherDisagreements), 1);
}

TEST_F(MatchVerifierTest, OffersAreBoundedAndOffMeansNothing) {
    const std::string event = R"({"pattern":"a"})";
    for (int i = 0; i < 200; ++i) offer(event, version(), {});
    std::size_t done = 0;
    while (verifier->do_work() != 0) ++done;
    EXPECT_EQ(done, MatchVerifier::kWaitingMax);
    make_verifier(0);
    EXPECT_EQ(verifier->every(), 0u);
    make_verifier(0.001);
    EXPECT_EQ(verifier->every(), 1000u);
}

}  // namespace
}  // namespace millrace::runtime
