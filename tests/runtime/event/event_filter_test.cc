// Goal: criteria of listings and replays hold exactly for the events they describe.
#include "runtime/event/event_filter.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

struct Event {
    explicit Event(std::string text, std::string_view pattern = {}) : bytes(std::move(text)) {
        stored.pattern = pattern;
        const std::size_t size = bytes.size();
        bytes.append(core::kPaddingBytes, ' ');
        stored.raw = std::string_view(bytes).substr(0, size);
    }
    std::string bytes;
    store::StoredEvent stored;
};

bool accepted(EventCriteria criteria, const Event& event) {
    auto filter = EventFilter::make(std::move(criteria));
    EXPECT_TRUE(filter) << filter.error().message;
    return filter && (*filter)->accepts(event.stored);
}

EventCriteria criteria() { return {}; }

TEST(EventFilter, ComparesEnvelopeMembers) {
    const Event event(
        R"({"pattern":"order.paid","source":{"type":"task","id":"t1"},"payload":{"n":5},)"
        R"("metadata":{"correlationId":"c","causationId":"d","context":{"type":"user","id":"u"}}})");
    EventCriteria wanted = criteria();
    EXPECT_TRUE(accepted(wanted, event));
    wanted = {"order.paid", "order.", "task", "t1", "c", "d", "u", "$.n == 5"};
    EXPECT_TRUE(accepted(wanted, event));
    for (auto member :
         {&EventCriteria::pattern, &EventCriteria::pattern_prefix, &EventCriteria::source_type,
          &EventCriteria::source_id, &EventCriteria::correlation_id, &EventCriteria::causation_id,
          &EventCriteria::context_id}) {
        EventCriteria other = wanted;
        other.*member = "other";
        EXPECT_FALSE(accepted(other, event));
    }
    wanted.filter = "$.n == 6";
    EXPECT_FALSE(accepted(wanted, event));
}

TEST(EventFilter, TakesEveryFilterForm) {
    const Event event(R"({"pattern":"a","payload":{"amount":7}})");
    for (const char* filter : {"$.amount > 5", R"({"amount":{"gt":5}})",
                               R"([{"field":"$.payload.amount","operator":"gt","value":5}])"}) {
        EventCriteria wanted = criteria();
        wanted.filter = filter;
        EXPECT_TRUE(accepted(wanted, event)) << filter;
    }
}

TEST(EventFilter, StarsInAPatternAreWildcardsAsInASubscription) {
    const struct {
        const char* pattern;
        bool paid, placed;
        const char *exact, *prefix;
    } rows[] = {{"order.*", true, true, "", "order."},
                {"*.paid", true, false, "", ""},
                {"*", true, true, "", ""},
                {"order.paid", true, false, "order.paid", ""},
                {"order.pai", false, false, "order.pai", ""},
                {"o*r.p*d", true, true, "", "o"}};
    for (const auto& row : rows) {
        for (const bool known : {true, false}) {  // beside the text, or in it
            const Event paid(R"({"pattern":"order.paid"})", known ? "order.paid" : "");
            const Event placed(R"({"pattern":"order.placed"})", known ? "order.placed" : "");
            EventCriteria wanted = criteria();
            wanted.pattern = row.pattern;
            EXPECT_EQ(accepted(wanted, paid), row.paid) << row.pattern;
            EXPECT_EQ(accepted(wanted, placed), row.placed) << row.pattern;
            const auto filter = EventFilter::make(wanted);
            EXPECT_EQ((*filter)->exact_pattern(), row.exact);
            EXPECT_EQ((*filter)->pattern_prefix(), row.prefix);
        }
    }
    EventCriteria bad = criteria();
    bad.pattern = "a**";
    EXPECT_EQ(EventFilter::make(bad).error().field, "pattern");
}

TEST(EventFilter, TheEventsOwnTimeIsBounded) {
    Event event(R"({"pattern":"a","timestamp":"1970-01-01T00:00:02Z"})", "a");
    Event without(R"({"pattern":"a"})", "a");
    event.stored.received_at_us = without.stored.received_at_us = 9'000'000;
    const auto between = [](std::int64_t from_us, std::int64_t to_us) {
        EventCriteria wanted = criteria();
        wanted.event_time_from_us = from_us;
        wanted.event_time_to_us = to_us;
        return wanted;
    };
    EXPECT_TRUE(accepted(between(2'000'000, 2'000'001), event));
    EXPECT_FALSE(accepted(between(2'000'001, INT64_MAX), event));
    EXPECT_FALSE(accepted(between(INT64_MIN, 2'000'000), event)) << "the end does not count";
    EXPECT_TRUE(accepted(between(9'000'000, 9'000'001), without)) << "that of its receipt";
}

TEST(EventFilter, DefaultSourceIsCompared) {
    const Event event(R"({"pattern":"a"})");
    EventCriteria wanted = criteria();
    wanted.source_type = "external";
    EXPECT_TRUE(accepted(wanted, event));
    wanted.source_type = "task";
    EXPECT_FALSE(accepted(wanted, event));
}

TEST(EventFilter, UsesTheStoredPatternWithoutParsing) {
    const Event event("this is not read", "a.b");
    EventCriteria wanted = criteria();
    wanted.pattern = "a.b";
    EXPECT_TRUE(accepted(wanted, event));
    wanted.source_id = "x";
    EXPECT_FALSE(accepted(wanted, event));
}

// What a key may see bounds what is asked for with it, whatever that is.
TEST(EventFilter, StaysWithinTheKeysPatterns) {
    const auto asked = [](std::vector<std::string> within, std::string_view pattern = {},
                          std::string_view filter = {}) {
        EventCriteria out;
        out.within = std::move(within);
        out.pattern = pattern;
        out.filter = filter;
        return out;
    };
    const Event known(R"({"pattern":"a.b","payload":{}})", "a.b");
    const Event to_parse(R"({"pattern":"a.b","payload":{"n":1}})");
    for (const Event* event : {&known, &to_parse}) {
        EXPECT_TRUE(accepted(asked({"x", "a.*"}), *event));
        EXPECT_FALSE(accepted(asked({"x", "b.*"}), *event));
        EXPECT_FALSE(accepted(asked({"b"}, "a.*"), *event));
        EXPECT_FALSE(accepted(asked({"a.*"}, "b.*"), *event));
    }
    EXPECT_TRUE(accepted(asked({"a.*"}, "", "$.n == 1"), to_parse));
    EXPECT_FALSE(accepted(asked({"b.*"}, "", "$.n == 1"), to_parse));
    EXPECT_FALSE(EventFilter::make(asked({"**"})));
}

TEST(EventFilter, RefusesBadFiltersWithThePlace) {
    EventCriteria wanted = criteria();
    wanted.filter = "$.a >";
    const auto filter = EventFilter::make(wanted);
    ASSERT_FALSE(filter);
    EXPECT_EQ(filter.error().field, "filter");
    EXPECT_GE(filter.error().position, 0);
}

}  // namespace
}  // namespace millrace::runtime
