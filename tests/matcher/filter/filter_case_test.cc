// Goal: the filter language means what tests/data/filter says. Method: every case through the
// parser and the reference matcher; every accepted predicate printed, parsed again and asked the
// same.
#include "tests/support/filter_case.h"

#include "matcher/filter/dialects.h"
#include "matcher/filter/json_value.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"

#include <gtest/gtest.h>

namespace millrace::matcher {
namespace {

using testing::FilterCase;

std::string where(const FilterCase& c, int line) {
    return c.file + ":" + std::to_string(line) + " " + c.name;
}

void check_refusal(const FilterCase& c) {
    const auto spec = parse_subscription_json(c.subscription);
    ASSERT_FALSE(spec) << where(c, c.line) << ": accepted " << to_text(spec->predicate);
    if (c.error_field != "-") {
        EXPECT_EQ(spec.error().field, c.error_field)
            << where(c, c.line) << ": " << spec.error().message;
    }
    EXPECT_NE(spec.error().message.find(c.error_text), std::string::npos)
        << where(c, c.line) << ": message is: " << spec.error().message;
}

void check_probes(const FilterCase& c, const SubscriptionSpec& spec, const char* what) {
    const auto matcher = ReferenceMatcher::compile(spec);
    ASSERT_TRUE(matcher) << where(c, c.line) << matcher.error().message;
    for (const FilterCase::Probe& probe : c.probes) {
        const auto event = parse_json(probe.event);
        ASSERT_TRUE(event) << where(c, probe.line) << event.error().message;
        EXPECT_EQ(matcher->matches(*event), probe.matches)
            << where(c, probe.line) << " " << what << "\n  " << to_text(spec.predicate) << "\n  "
            << probe.event;
    }
}

TEST(FilterCases, AreMatchedOrRefusedAsWritten) {
    for (const FilterCase& c : testing::load_filter_cases()) {
        if (c.refused) {
            check_refusal(c);
            continue;
        }
        auto spec = parse_subscription_json(c.subscription);
        ASSERT_TRUE(spec) << where(c, c.line) << ": " << spec.error().field << ": "
                          << spec.error().message;
        ASSERT_FALSE(c.probes.empty()) << where(c, c.line) << " asks nothing";
        check_probes(c, *spec, "as parsed");
        const std::string text = to_text(spec->predicate);
        const auto again = parse_expression(text, "filter");
        ASSERT_TRUE(again) << where(c, c.line) << ": " << text << ": " << again.error().message;
        EXPECT_EQ(to_text(*again), text) << where(c, c.line);
        EXPECT_TRUE(*again == spec->predicate) << where(c, c.line) << ": " << text;
        EXPECT_EQ(hash_of(*again), hash_of(spec->predicate)) << where(c, c.line);
    }
}

}  // namespace
}  // namespace millrace::matcher
