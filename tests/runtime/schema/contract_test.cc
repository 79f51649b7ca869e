// Goal: a schema and its rules are asked in their order, and a change of a schema is judged by what
// it takes away.
// Method: small schemas, and an event as the edge sees it.
#include "runtime/schema/contract.h"

#include "core/buffer.h"
#include "core/event_parser.h"
#include "matcher/reference_matcher.h"
#include "matcher/subscription_spec.h"
#include "runtime/schema/compatibility.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {
namespace {

std::vector<Failure> judge(const Contract& contract, std::string text,
                           const ReferenceData* references = nullptr) {
    const std::size_t bytes = text.size();
    text.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    EXPECT_TRUE(
        parser.parse_one(std::string_view(text).substr(0, bytes), nullptr, envelope, nullptr));
    core::JsonDom dom;
    return contract.judge(envelope, dom, references);
}

TEST(Contract, AsksRulesWhenTheSchemaIsContent) {
    const auto contract =
        Contract::make(R"({"properties":{"n":{"type":"integer"}}})",
                       {SchemaRule::assertion("$.n > 1", "n must be more than 1")});
    ASSERT_TRUE(contract) << contract.error().message;
    EXPECT_TRUE(judge(**contract, R"({"pattern":"a","payload":{"n":2}})").empty());
    auto told = judge(**contract, R"({"pattern":"a","payload":{"n":1}})");
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].keyword, "assert");
    EXPECT_EQ(told[0].message, "n must be more than 1");
    told = judge(**contract, R"({"pattern":"a","payload":{"n":"x"}})");
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].keyword, "type");
}

TEST(Contract, TakesAMissingPayloadForAnEmptyOne) {
    const auto contract = Contract::make(R"({"required":["n"]})", {});
    EXPECT_EQ(judge(**contract, R"({"pattern":"a"})").size(), 1u);
}

TEST(Contract, NamesTheRuleThatIsWrong) {
    const auto made =
        Contract::make("", {SchemaRule::assertion("$.a > 1"), SchemaRule::assertion("$.a >")});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().field, "rules[1].assert");
}

bool asserts(const char* expression, const std::string& payload) {
    const auto contract = Contract::make("", {SchemaRule::assertion(expression)});
    EXPECT_TRUE(contract) << expression << ": " << contract.error().message;
    return judge(**contract, R"({"pattern":"a","eventId":"e1","payload":)" + payload + "}").empty();
}

TEST(Assertion, ComparesMembersWithEachOther) {
    EXPECT_TRUE(asserts("$.total >= $.net", R"({"total":10,"net":10.0})"));
    EXPECT_FALSE(asserts("$.total >= $.net", R"({"total":9.99,"net":10})"));
    EXPECT_TRUE(asserts("$.a == $.b", R"({"a":9007199254740993,"b":9007199254740993.0})"));
    EXPECT_FALSE(asserts("$.a == $.b", R"({"a":9007199254740993,"b":9007199254740992})"));
    EXPECT_TRUE(asserts("$.a < $.b", R"({"a":"2026-01-01","b":"2026-01-02"})"));
    EXPECT_FALSE(asserts("$.a < $.b", R"({"a":1,"b":"2"})")) << "kinds do not compare";
    EXPECT_TRUE(asserts("$.a != $.b", R"({"a":1,"b":"1"})"));
    EXPECT_TRUE(asserts("$.a == $.b", R"({"a":null,"b":null})"));
    EXPECT_FALSE(asserts("$.a == $.b", R"({"a":1})")) << "one is not there";
    EXPECT_FALSE(asserts("$.a != $.b", R"({"a":1})"));
    EXPECT_TRUE(asserts("!exists($.b) || $.a <= $.b", R"({"a":1})"));
    EXPECT_TRUE(asserts("$.id == $.eventId", R"({"id":"e1"})"));
    EXPECT_TRUE(asserts("$.x == 1 && ($.a < $.b || $.b < 0)", R"({"x":1,"a":5,"b":-1})"));
    EXPECT_TRUE(
        asserts("$.total > $.lines[*].price", R"({"total":5,"lines":[{"price":9},{"price":4}]})"))
        << "some of them";
    EXPECT_FALSE(asserts("!($.total <= $.lines[*].price)",
                         R"({"total":5,"lines":[{"price":9},{"price":4}]})"))
        << "all of them";
}

TEST(Assertion, RefusesWhatItCanNotCompare) {
    for (const char* bad :
         {"$.a >= $.metadata.x", "$.a >= $", "$.a in $.b", "$.a == $.b ==", "$.priority < $.a"}) {
        const auto made = Contract::make("", {SchemaRule::assertion(bad)});
        ASSERT_FALSE(made) << bad;
        EXPECT_EQ(made.error().field, "rules[0].assert") << bad;
    }
}

// One at a time is asked without the whole event where that is the same.
TEST(Assertion, SaysWhatTheReferenceMatcherSays) {
    const char* const expressions[] = {"$.n > 1",
                                       "$.n in [1, 2]",
                                       "$.s startsWith 'a'",
                                       "$.s matches '^a+$'",
                                       "exists($.o)",
                                       "existsLeaf($.o)",
                                       "$.l == 2",
                                       "$.l[1] == 2",
                                       "$.l[-1] != 3",
                                       "$.o.x == 1",
                                       "!($.n > 1)",
                                       "$.n > 1 || $.s == 'b'",
                                       "$.n > 1 && $.s != 'b'",
                                       "$.lines.sku == 'a' && $.lines.n == 2",
                                       "$.lines[*].n > 1",
                                       "$.pattern == 'a'",
                                       "$.source.id == 'unknown'",
                                       "$.version == '1.0'",
                                       "$.s equalsIgnoreCase 'AA'",
                                       "$.n range (0, 5]",
                                       "$.s cidr '10.0.0.0/8'",
                                       "true",
                                       "false"};
    const char* const payloads[] = {
        R"({})",
        R"({"n":2,"s":"aa"})",
        R"({"n":1,"s":"b","l":[1,2,3]})",
        R"({"n":"2","s":["aa","b"],"o":{"x":1}})",
        R"({"o":[],"l":2})",
        R"({"l":[],"s":null})",
        R"({"lines":[{"sku":"a","n":1},{"sku":"b","n":2}],"s":"10.1.2.3"})",
        R"({"lines":[{"sku":"a","n":2}],"n":5.0})"};
    for (const char* expression : expressions) {
        std::string quoted = "\"" + std::string(expression) + "\"";
        const auto spec = matcher::parse_subscription({R"("*")", {}, quoted, {}, {}});
        ASSERT_TRUE(spec) << expression << spec.error().message;
        const auto reference = matcher::ReferenceMatcher::compile(*spec);
        ASSERT_TRUE(reference);
        for (const char* payload : payloads) {
            const std::string text =
                R"({"pattern":"a","eventId":"e1","payload":)" + std::string(payload) + "}";
            const auto tree = matcher::parse_json(text);
            ASSERT_TRUE(tree) << text;
            const bool filled = std::string_view(expression).find("source") != std::string::npos ||
                                std::string_view(expression).find("version") != std::string::npos;
            if (filled) continue;  // the reference is asked about the text alone
            EXPECT_EQ(asserts(expression, payload), reference->matches(*tree))
                << expression << " " << payload;
        }
    }
}

struct Currencies final : ReferenceData {
    bool has(std::string_view space, std::string_view key) const override {
        return space == "currency" && (key == "EUR" || key == "978");
    }
};

TEST(Contract, LooksUpReferenceData) {
    const Currencies references;
    const auto contract = Contract::make(
        "", {SchemaRule::reference("$.lines[*].currency", "currency", "no such currency")});
    ASSERT_TRUE(contract) << contract.error().message;
    const auto of = [&](const std::string& payload) {
        return judge(**contract, R"({"pattern":"a","payload":)" + payload + "}", &references);
    };
    EXPECT_TRUE(of(R"({"lines":[{"currency":"EUR"},{"currency":978},{}]})").empty());
    EXPECT_TRUE(of("{}").empty()) << "whether it has to be there the schema says";
    const auto told = of(R"({"lines":[{"currency":"EUR"},{"currency":"NOK"}]})");
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].keyword, "in");
    EXPECT_EQ(told[0].pointer, "/lines/*/currency");
    EXPECT_EQ(told[0].message, "no such currency");
    EXPECT_EQ(of(R"({"lines":[{"currency":true}]})").size(), 1u);
    EXPECT_EQ(Contract::make("", {SchemaRule::reference("currency", "c")}).error().field,
              "rules[0].in.field");
    EXPECT_EQ(Contract::make("", {SchemaRule::reference("$.metadata.x", "c")}).error().field,
              "rules[0].in.field");
}

// What a transition says of a payload, of a key that is in the state `from`; "": it lets it pass.
std::string step_of(const Contract& contract, const std::string& payload, std::string_view from) {
    std::string text = R"({"pattern":"a","payload":)" + payload + "}";
    const std::size_t bytes = text.size();
    text.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    EXPECT_TRUE(
        parser.parse_one(std::string_view(text).substr(0, bytes), nullptr, envelope, nullptr));
    core::JsonDom dom;
    std::vector<Step> steps;
    const auto failures = contract.judge(envelope, dom, nullptr, &steps);
    if (!failures.empty()) return failures.front().message;
    for (const Step& step : steps) {
        if (const auto failure = contract.transitions()[step.transition].refuse(step, from))
            return failure->message;
    }
    return steps.empty() ? "no step" : "";
}

// From the tokens of the event's parse or from a tree: the same steps, or it is left to the tree.
TEST(Transition, ReadsTheSameStepsFromTokens) {
    const auto rule = [](const char* key, const char* field) {
        return SchemaRule::transition(key, field, R"({"null":["a"],"a":["b"]})");
    };
    const std::vector<SchemaRule> rules[] = {{rule("$.id", "$.state")},
                                             {rule("$.eventId", "$.state")},
                                             {rule("$.order.id", "$.order.state")},
                                             {rule("$.id", "$.state"), rule("$.order.id", "$.x")}};
    const char* const payloads[] = {
        R"({"id":"k","state":"a"})",
        R"({ "state" : "a" , "id" : 12.50 , "order" : { "state" : "b", "id" : "o" } })",
        R"({"other":[{"id":1},"]"],"id":"k","state":true,"order":{"id":"o"},"x":null})",
        R"({"id":"k","state":"a\u0062","order":{"id":"a\"b","state":"b"}})",
        R"({"i\u0064":"k","id2":"x","state":"a"})",
        R"({"id":["k"],"state":"a","order":[{"id":"o","state":"b"}]})",
        R"({"id":{"k":1},"state":"a"})",
        R"({"state":"a"})",
        R"({"id":"","state":""})",
        R"({"id":"k"})",
        R"({})",
        R"([{"id":"k","state":"a"}])",
        R"({"order":{},"state":{"a":1},"id":"k"})"};
    unsigned quick = 0;
    for (const auto& some : rules) {
        const auto contract = Contract::make("", some);
        ASSERT_TRUE(contract) << contract.error().message;
        for (const char* payload : payloads) {
            std::string text =
                R"({"eventId":"e1","pattern":"a","payload":)" + std::string(payload) + "}";
            const std::size_t bytes = text.size();
            text.append(core::kPaddingBytes, ' ');
            core::EventParser parser;
            core::Envelope envelope;
            const auto read = parser.parse_one(std::string_view(text).substr(0, bytes), nullptr,
                                               envelope, nullptr);
            core::JsonPlace place;
            if (!read || !parser.payload(envelope, place)) continue;
            std::vector<Step> steps, from_tree;
            if (!(*contract)->steps_quickly(envelope, place, steps)) continue;
            ++quick;
            core::JsonDom dom;
            EXPECT_TRUE((*contract)->judge(envelope, dom, nullptr, &from_tree).empty()) << payload;
            ASSERT_EQ(steps.size(), from_tree.size()) << payload;
            for (std::size_t i = 0; i < steps.size(); ++i) {
                EXPECT_EQ(steps[i].transition, from_tree[i].transition) << payload;
                EXPECT_EQ(steps[i].key, from_tree[i].key) << payload;
                EXPECT_EQ(steps[i].to, from_tree[i].to) << payload;
            }
        }
    }
    EXPECT_GT(quick, 15u);
}

TEST(Transition, AllowsTheStepsThatItNames) {
    const auto contract = Contract::make(
        "",
        {SchemaRule::transition("$.id", "$.status",
                                R"({"null":["draft"],"draft":["sent",null],"sent":[1,true]})")});
    ASSERT_TRUE(contract) << contract.error().message;
    EXPECT_EQ(step_of(**contract, R"({"id":"a","status":"draft"})", kNoState), "");
    EXPECT_EQ(step_of(**contract, R"({"id":"a","status":"sent"})", "draft"), "");
    EXPECT_EQ(step_of(**contract, R"({"id":7,"status":1})", "sent"), "");
    EXPECT_EQ(step_of(**contract, R"({"id":7,"status":true})", "sent"), "");
    EXPECT_EQ(step_of(**contract, R"({"id":"a","status":null})", "draft"), "")
        << "to the beginning";
    EXPECT_EQ(step_of(**contract, R"({"id":"a","status":"sent"})", kNoState),
              "$.id \"a\" can not begin as sent; allowed: draft");
    EXPECT_EQ(step_of(**contract, R"({"id":"a","status":"draft"})", "sent"),
              "$.id \"a\" can not go from sent to draft; allowed: 1, true");
    EXPECT_EQ(step_of(**contract, R"({"id":"a","status":"draft"})", "1"),
              "$.id \"a\" can not leave 1 for draft; allowed: none");
    EXPECT_EQ(step_of(**contract, R"({"id":"a"})", "sent"), "no step");
    EXPECT_NE(step_of(**contract, R"({"status":"draft"})", kNoState), "") << "of whom?";
    EXPECT_NE(step_of(**contract, R"({"id":["a","b"],"status":"draft"})", kNoState), "");
    EXPECT_NE(step_of(**contract, R"({"id":"a","status":["draft","sent"]})", kNoState), "");
}

TEST(Transition, LetsAKeyBeginAnywhereWhereNoBeginningIsNamed) {
    const auto contract = Contract::make(
        "", {SchemaRule::transition("$.id", "$.s", R"({"on":["off"],"off":["on"]})", "on or off")});
    ASSERT_TRUE(contract) << contract.error().message;
    EXPECT_EQ(step_of(**contract, R"({"id":"a","s":"off"})", kNoState), "");
    EXPECT_EQ(step_of(**contract, R"({"id":"a","s":"broken"})", kNoState), "on or off");
    EXPECT_EQ(step_of(**contract, R"({"id":"a","s":"off"})", "off"), "on or off");
}

TEST(Transition, NamesWhatIsWrongWithIt) {
    const auto field = [](const char* key, const char* at, const char* allowed) {
        const auto made = Contract::make("", {SchemaRule::transition(key, at, allowed)});
        return made ? std::string() : made.error().field;
    };
    EXPECT_EQ(field("$.id", "$.s", R"({"a":["b"]})"), "");
    EXPECT_EQ(field("id", "$.s", R"({"a":["b"]})"), "rules[0].transition.key");
    EXPECT_EQ(field("$.id", "s", R"({"a":["b"]})"), "rules[0].transition.field");
    EXPECT_EQ(field("$.id", "$.s", "{}"), "rules[0].transition.allowed");
    EXPECT_EQ(field("$.id", "$.s", "[]"), "rules[0].transition.allowed");
    EXPECT_EQ(field("$.id", "$.s", R"({"a":"b"})"), "rules[0].transition.allowed.a");
    EXPECT_EQ(field("$.id", "$.s", R"({"a":[["b"]]})"), "rules[0].transition.allowed.a");
    std::string many = "{";
    for (int i = 0; i < 300; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + "\":[]";
    EXPECT_EQ(field("$.id", "$.s", (many + "}").c_str()), "rules[0].transition.allowed");
}

TEST(Contract, RefersToOtherSchemas) {
    Contract::Surroundings around;
    around.uri = "millrace:order";
    around.resolver = [](std::string_view uri) -> std::optional<std::string> {
        if (uri != "millrace:address") return std::nullopt;
        return R"({"required":["city"],"properties":{"next":{"$ref":"order"}}})";
    };
    const auto contract = Contract::make(R"({"properties":{"to":{"$ref":"address"}}})", {}, around);
    ASSERT_TRUE(contract) << contract.error().message;
    EXPECT_TRUE(judge(**contract, R"({"pattern":"a","payload":{"to":{"city":1}}})").empty());
    EXPECT_EQ(judge(**contract, R"({"pattern":"a","payload":{"to":{}}})").size(), 1u);
    const auto deep =
        judge(**contract, R"({"pattern":"a","payload":{"to":{"city":1,"next":{"to":{}}}}})");
    ASSERT_EQ(deep.size(), 1u) << "and back";
    EXPECT_EQ(deep[0].pointer, "/to/next/to");
    EXPECT_FALSE(Contract::make(R"({"$ref":"nobody"})", {}, around));
    EXPECT_FALSE(Contract::make(R"({"$ref":"order"})", {}, around)) << "a loop";
}

std::size_t breaks(const char* before, const char* after) {
    core::JsonDom a, b;
    return narrowed(*a.parse(before), *b.parse(after)).size();
}

TEST(Compatibility, SeesWhatIsTakenAway) {
    EXPECT_EQ(breaks(R"({"required":["a"]})", R"({"required":["a","b"]})"), 1u);
    EXPECT_EQ(breaks(R"({"type":["string","null"]})", R"({"type":"string"})"), 1u);
    EXPECT_EQ(breaks(R"({"enum":[1,2]})", R"({"enum":[1]})"), 1u);
    EXPECT_EQ(breaks(R"({"maximum":10})", R"({"maximum":9.5})"), 1u);
    EXPECT_EQ(breaks(R"({"properties":{"a":{"items":{"minLength":1}}}})",
                     R"({"properties":{"a":{"items":{"minLength":2}}}})"),
              1u);
    EXPECT_EQ(breaks("{}", R"({"additionalProperties":false})"), 1u);
    EXPECT_EQ(breaks(R"({"properties":{"a":true},"additionalProperties":false})",
                     R"({"additionalProperties":false})"),
              1u);
    EXPECT_EQ(breaks("true", "false"), 1u);
}

TEST(Compatibility, LetsWhatIsAddedPass) {
    EXPECT_EQ(breaks("{}", R"({"properties":{"new":{"type":"string"}}})"), 0u);
    EXPECT_EQ(breaks(R"({"type":"integer"})", R"({"type":"number"})"), 0u);
    EXPECT_EQ(breaks(R"({"enum":[1]})", R"({"enum":[2,1.0]})"), 0u);
    EXPECT_EQ(breaks(R"({"maximum":10,"required":["a"]})", "{}"), 0u);
}

}  // namespace
}  // namespace millrace::runtime::schema
