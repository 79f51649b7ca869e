// Goal: explain says of each condition what was seen and why it failed. Method: one subscription
// and one event a case, the report read back.
#include "matcher/explain.h"

#include <gtest/gtest.h>

namespace millrace::matcher {
namespace {

Explanation explained(const std::string& subscription, const std::string& event) {
    const auto spec = parse_subscription_json(subscription);
    EXPECT_TRUE(spec) << subscription;
    const auto tree = parse_json(event);
    EXPECT_TRUE(tree) << event;
    auto report = explain(*spec, *tree);
    EXPECT_TRUE(report);
    EXPECT_EQ(is_near_miss(*spec, *tree).value(), report->near_miss()) << subscription << event;
    EXPECT_TRUE(parse_json(to_json(*report))) << to_json(*report);
    return std::move(*report);
}

Explanation of_filter(const std::string& expression, const std::string& payload) {
    return explained("{\"filter\":\"" + expression + "\"}",
                     "{\"pattern\":\"a.b\",\"payload\":" + payload + "}");
}

TEST(Explain, ListsEveryConditionWithThePatternFirst) {
    const auto report =
        explained(R"({"pattern":"invoice.*","filters":{"amount":{"gt":5},"state":"paid"}})",
                  R"({"pattern":"invoice.created","payload":{"amount":7,"state":"open"}})");
    ASSERT_EQ(report.conditions.size(), 3u);
    EXPECT_EQ(report.conditions[0].condition, "$.pattern like \"invoice.*\"");
    EXPECT_TRUE(report.conditions[0].holds);
    EXPECT_TRUE(report.conditions[1].holds);
    EXPECT_EQ(report.conditions[1].seen, std::vector<std::string>{"7"});
    EXPECT_EQ(report.conditions[2].condition, "$.payload.state == \"paid\"");
    EXPECT_FALSE(report.conditions[2].holds);
    EXPECT_EQ(report.conditions[2].seen, std::vector<std::string>{"\"open\""});
    EXPECT_FALSE(report.matches);
    EXPECT_TRUE(report.near_miss());
}

TEST(Explain, SaysWhatMatches) {
    const auto report = of_filter("$.a == 1", R"({"a":1})");
    EXPECT_TRUE(report.matches);
    EXPECT_FALSE(report.near_miss());
    EXPECT_EQ(report.failed, 0u);
}

TEST(Explain, TwoFailuresAreNoNearMiss) {
    const auto report = of_filter("$.a == 1 && $.b == 2", "{}");
    EXPECT_EQ(report.failed, 2u);
    EXPECT_FALSE(report.near_miss());
}

struct HintCase {
    const char* expression;
    const char* payload;
    const char* hint;
};

TEST(Explain, HintsAtTheCause) {
    const HintCase cases[] = {
        {"$.amount > 5", "{}", "absent"},
        {"$.tier == 'gold'", R"({"customer":{"tier":"gold"}})",
         "absent; there is $.payload.customer.tier"},
        {"$.tenantID == '1'", R"({"tenantid":"1"})",
         "absent; there is $.payload.tenantid (differs in case)"},
        {"$.a != 1", "{}", "absent; a negated operator needs a value, !(...) would hold"},
        {"$.a > 5", R"({"a":"7"})", "the value is a string, the condition wants a number"},
        {"$.a == '7'", R"({"a":7})", "the value is a number, the condition wants a string"},
        {"$.a == true", R"({"a":"true"})", "the value is a string, the condition wants a boolean"},
        {"$.a startsWith 'x'", R"({"a":null})", "the value is null, the condition wants a string"},
        {"$.a == 'Paid'", R"({"a":"paid"})", "differs in case"},
        {"$.a like 'In*'", R"({"a":"invoice"})", "differs in case"},
        {"$.a == 'paid'", R"({"a":" paid\n"})", "differs in white space at the ends"},
        {"$.a startsWith 'voice'", R"({"a":"invoice"})", "the text is inside the value"},
        {"$.a == 1", R"({"a":{"b":1,"c":2}})",
         "an object has no value of its own; its members are b, c"},
        {"$.a == 1", R"({"a":[]})", "an empty array has no value"},
        {"$.a not in [1, 2]", R"({"a":2})", "no value differs"},
        {"$.a > 5", R"({"a":4})", ""},
    };
    for (const HintCase& c : cases) {
        const auto report = of_filter(c.expression, c.payload);
        ASSERT_EQ(report.conditions.size(), 1u);
        EXPECT_EQ(report.conditions[0].hint, c.hint) << c.expression << " on " << c.payload;
    }
}

TEST(Explain, TakesGroupsApart) {
    const auto report = of_filter("($.a == 1 || $.b == 2) && !($.c == 3)", R"({"b":5,"c":3})");
    ASSERT_EQ(report.conditions.size(), 2u);
    ASSERT_EQ(report.conditions[0].parts.size(), 2u);
    EXPECT_EQ(report.conditions[0].parts[1].seen, std::vector<std::string>{"5"});
    EXPECT_EQ(report.conditions[1].hint, "the condition inside holds");
    EXPECT_TRUE(report.conditions[1].parts[0].holds);
}

TEST(Explain, SeesConditionsThatHoldOnlyInDifferentElements) {
    const auto report = of_filter("$.items.sku == 'a' && $.items.qty == 1",
                                  R"({"items":[{"sku":"a","qty":2},{"sku":"b","qty":1}]})");
    EXPECT_EQ(report.failed, 0u);
    EXPECT_FALSE(report.matches);
    EXPECT_TRUE(report.only_in_different_elements);
    EXPECT_TRUE(report.near_miss());
    EXPECT_NE(to_json(report).find("different elements"), std::string::npos);
}

TEST(Explain, ShowsAFewOfManyValuesShortened) {
    std::string payload = "{\"a\":[";
    for (int i = 0; i < 100; ++i) payload += (i ? ",\"" : "\"") + std::string(1000, 'x') + "\"";
    const auto report = of_filter("$.a == 'y'", payload + "]}");
    EXPECT_EQ(report.conditions[0].seen.size(), kSeenValuesMax);
    EXPECT_EQ(report.conditions[0].seen_count, 100u);
    EXPECT_LT(to_json(report).size(), 8u * 400u);
}

TEST(Explain, WritesDeeplyNestedGroups) {
    std::string expression;
    for (int i = 0; i < 30; ++i) expression += i % 2 ? "!(" : "($.b == 2 || ";
    expression += "$.a == 1";
    for (int i = 0; i < 30; ++i) expression += ")";
    const auto report = of_filter(expression, "{}");
    EXPECT_FALSE(to_json(report).empty());
}

}  // namespace
}  // namespace millrace::matcher
