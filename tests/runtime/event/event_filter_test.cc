// Goal: criteria of listings and replays hold exactly for the events they describe.
#include "runtime/event/event_filter.h"

#include <gtest/gtest.h>

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
