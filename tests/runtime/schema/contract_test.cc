// Goal: a schema and its rules are asked in their order, and a change of a schema is judged by what
// it takes away.
// Method: small schemas, and an event as the edge sees it.
#include "runtime/schema/contract.h"

#include "core/buffer.h"
#include "core/event_parser.h"
#include "runtime/schema/compatibility.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::schema {
namespace {

std::vector<Failure> judge(const Contract& contract, std::string text) {
    const std::size_t bytes = text.size();
    text.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    EXPECT_TRUE(
        parser.parse_one(std::string_view(text).substr(0, bytes), nullptr, envelope, nullptr));
    core::JsonDom dom;
    return contract.judge(envelope, dom);
}

TEST(Contract, AsksRulesWhenTheSchemaIsContent) {
    const auto contract = Contract::make(R"({"properties":{"n":{"type":"integer"}}})",
                                         {{"$.n > 1", "n must be more than 1"}});
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
    const auto made = Contract::make("", {{"$.a > 1", ""}, {"$.a >", ""}});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().field, "rules[1].assert");
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
