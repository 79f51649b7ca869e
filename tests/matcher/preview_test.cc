// Goal: a preview counts what a subscription would match, by pattern, and the difference to another
// one. Method: a handful of events whose answers are known.
#include "matcher/preview.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::matcher {
namespace {

SubscriptionSpec spec_of(const std::string& json) {
    auto spec = parse_subscription_json(json);
    EXPECT_TRUE(spec) << json;
    return std::move(*spec);
}

// The views borrow both texts.
core::Envelope envelope_of(std::string_view pattern, std::string_view raw) {
    core::Envelope envelope;
    envelope.raw = raw;
    envelope.pattern = pattern;
    envelope.present = 1u << static_cast<unsigned>(core::EnvelopeField::kPattern);
    return envelope;
}

struct Event {
    std::string pattern;
    std::string raw;
};

std::vector<Event> ten_events() {
    std::vector<Event> out;
    for (int i = 0; i < 10; ++i) {
        const std::string pattern = i < 6 ? "invoice.created" : "invoice.paid";
        out.push_back({pattern, "{\"pattern\":\"" + pattern +
                                    "\",\"payload\":{\"n\":" + std::to_string(i) + "}}"});
    }
    return out;
}

TEST(Preview, CountsMatchesByPattern) {
    auto preview = Preview::create(spec_of(R"({"pattern":"invoice.*","filters":{"n":{"gte":4}}})"));
    ASSERT_TRUE(preview);
    const auto events = ten_events();
    std::size_t next = 0;
    core::Envelope envelope;
    preview->run([&]() -> const core::Envelope* {
        if (next == events.size()) return nullptr;
        envelope = envelope_of(events[next].pattern, events[next].raw);
        ++next;
        return &envelope;
    });
    const PreviewResult& result = preview->result();
    EXPECT_EQ(result.scanned, 10u);
    EXPECT_EQ(result.matched, 6u);
    EXPECT_EQ(result.by_pattern.at("invoice.created"), 2u);
    EXPECT_EQ(result.by_pattern.at("invoice.paid"), 4u);
    EXPECT_EQ(to_json(result), R"({"scanned":10,"unreadable":0,"matched":6,"byPattern":)"
                               R"([{"pattern":"invoice.paid","count":4},)"
                               R"({"pattern":"invoice.created","count":2}],"otherPatterns":0,)"
                               R"("samples":[{"eventId":"","pattern":"invoice.created"},)"
                               R"({"eventId":"","pattern":"invoice.created"},)"
                               R"({"eventId":"","pattern":"invoice.paid"},)"
                               R"({"eventId":"","pattern":"invoice.paid"},)"
                               R"({"eventId":"","pattern":"invoice.paid"}],)"
                               R"("nearMisses":[{"condition":"$.payload.n >= 4","count":4,)"
                               R"("samples":[{"eventId":"","pattern":"invoice.created"},)"
                               R"({"eventId":"","pattern":"invoice.created"},)"
                               R"({"eventId":"","pattern":"invoice.created"},)"
                               R"({"eventId":"","pattern":"invoice.created"}]}]})");
}

TEST(Preview, TellsGainAndLossAgainstAnExistingOne) {
    auto preview = Preview::create(spec_of(R"({"pattern":"invoice.*","filters":{"n":{"gte":4}}})"),
                                   spec_of(R"({"pattern":"invoice.created"})"));
    ASSERT_TRUE(preview);
    for (const Event& event : ten_events()) preview->add(envelope_of(event.pattern, event.raw));
    EXPECT_TRUE(preview->result().compared);
    EXPECT_EQ(preview->result().gained, 4u);  // paid 6..9
    EXPECT_EQ(preview->result().lost, 4u);    // created 0..3
    EXPECT_EQ(preview->result().gained_samples.front().pattern, "invoice.paid");
    EXPECT_EQ(preview->result().lost_samples.front().pattern, "invoice.created");
}

std::vector<std::string> ids_of(const PreviewSamples& samples) {
    std::vector<std::string> ids;
    for (const PreviewSample& sample : samples) ids.push_back(sample.event_id);
    return ids;
}

TEST(Preview, TellsWhatOneConditionAloneKeptOut) {
    auto preview = Preview::create(
        spec_of(R"({"pattern":"order.*","filter":"$.payload.n > 5 && $.payload.paid == true"})"));
    ASSERT_TRUE(preview);
    const auto feed = [&](std::string_view id, std::string_view pattern, std::string_view payload) {
        const std::string raw = R"({"payload":)" + std::string(payload) + "}";
        preview->add(envelope_of(pattern, raw), id);
    };
    feed("both hold", "order.a", R"({"n":6,"paid":true})");
    feed("n too small", "order.a", R"({"n":1,"paid":true})");
    feed("not paid", "order.b", R"({"n":9,"paid":false})");
    feed("not paid either", "order.b", R"({"n":9})");
    feed("neither", "order.b", R"({"n":1})");
    feed("of another pattern", "bill.a", R"({"n":1,"paid":true})");
    const PreviewResult& result = preview->result();
    EXPECT_EQ(ids_of(result.samples), std::vector<std::string>{"both hold"});
    ASSERT_EQ(result.near_misses.size(), 2u);
    EXPECT_EQ(result.near_misses[0].condition, "$.payload.n > 5");
    EXPECT_EQ(result.near_misses[0].count, 1u);
    EXPECT_EQ(ids_of(result.near_misses[0].samples), std::vector<std::string>{"n too small"});
    EXPECT_EQ(result.near_misses[1].count, 2u);
    EXPECT_EQ(ids_of(result.near_misses[1].samples),
              (std::vector<std::string>{"not paid", "not paid either"}));
}

TEST(Preview, BoundsTheEventsItTells) {
    auto preview = Preview::create(spec_of(R"({"pattern":"p"})"));
    ASSERT_TRUE(preview);
    for (int i = 0; i < 100; ++i) preview->add(envelope_of("p", "{}"), std::to_string(i));
    EXPECT_EQ(ids_of(preview->result().samples),
              (std::vector<std::string>{"0", "1", "2", "3", "4"}));
}

TEST(Preview, TellsWhetherAnIndexFindsIt) {
    const auto indexed = [](const std::string& json) {
        auto preview = Preview::create(spec_of(json));
        EXPECT_TRUE(preview);
        EXPECT_FALSE(preview->result().indexed.has_value());
        preview->judge_cost();
        return preview->result().indexed;
    };
    EXPECT_EQ(indexed(R"({"pattern":"order.*"})"), true);
    EXPECT_EQ(indexed(R"({"pattern":"order.*","filters":{"who":"x"}})"), true);
    EXPECT_EQ(indexed(R"({"pattern":"order.*","filter":"$.payload.n > 27"})"), true);
    EXPECT_EQ(indexed(R"x({"pattern":"order.*","filter":"!($.payload.who == 'x')"})x"), false);
}

TEST(Preview, SkipsBrokenEventsAndCountsThem) {
    auto preview = Preview::create(spec_of(R"({"pattern":"x"})"));
    ASSERT_TRUE(preview);
    preview->add(envelope_of("x", "{broken"));
    preview->add(envelope_of("y", "{broken"));
    EXPECT_EQ(preview->result().scanned, 2u);
    EXPECT_EQ(preview->result().unreadable, 1u);
    EXPECT_EQ(preview->result().matched, 0u);
}

TEST(Preview, BoundsThePatternsItCountsApart) {
    auto preview = Preview::create(spec_of("{}"));
    ASSERT_TRUE(preview);
    for (std::size_t i = 0; i < kPreviewPatternsMax + 5; ++i) {
        preview->add(envelope_of("p" + std::to_string(i), "{}"));
    }
    EXPECT_EQ(preview->result().by_pattern.size(), kPreviewPatternsMax);
    EXPECT_EQ(preview->result().other_patterns, 5u);
}

TEST(Preview, SeesWhatTheServerFilledIn) {
    auto preview = Preview::create(
        spec_of(R"({"filter":"$.tenantId == 't1' && $.eventId startsWith 'ev_'"})"));
    ASSERT_TRUE(preview);
    const std::string raw = R"({"pattern":"p"})";
    core::Envelope envelope = envelope_of("p", raw);
    envelope.tenant_id = "t1";
    envelope.event_id = "ev_1";
    preview->add(envelope);
    EXPECT_EQ(preview->result().matched, 0u);  // not marked as present
    envelope.present |= 1u << static_cast<unsigned>(core::EnvelopeField::kTenantId);
    envelope.present |= 1u << static_cast<unsigned>(core::EnvelopeField::kEventId);
    preview->add(envelope);
    EXPECT_EQ(preview->result().matched, 1u);
}

}  // namespace
}  // namespace millrace::matcher
