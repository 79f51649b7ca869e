// Goal: what the quick check lets pass, the validator lets pass; and it lets pass nearly all of it.
// Method: schemas and values made at random from words that meet often, both asked; what people
// write in schemas, case by case.
#include "runtime/schema/quick_check.h"

#include "core/random.h"
#include "runtime/schema/compiler.h"
#include "runtime/schema/validator.h"
#include "tests/runtime/schema/placed_value.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::schema {
namespace {

template <std::size_t N>
std::string one_of(core::Random& random, const char* const (&list)[N]) {
    return list[random.below(N)];
}

constexpr const char* kNames[] = {"a",
                                  "b",
                                  "name",
                                  "currency",
                                  "customerId",
                                  "customerIx",
                                  "a-name-of-more-than-16-bytes",
                                  "a-name-0f-more-than-16-bytes",
                                  "",
                                  "\u00e9"};
constexpr const char* kNumbers[] = {"0",
                                    "1",
                                    "-1",
                                    "1.0",
                                    "1.50",
                                    "2",
                                    "10",
                                    "0.1",
                                    "-0",
                                    "1e1",
                                    "10e-1",
                                    "12345678901234567890",
                                    "1.00000000000000000001",
                                    "0.000000000000000001",
                                    "3",
                                    "4.5",
                                    "1e400"};
constexpr const char* kTexts[] = {"\"\"",
                                  "\"a\"",
                                  "\"ab\"",
                                  "\"EUR\"",
                                  "\"inv_12\"",
                                  "\"\u00e9\u00e9\"",
                                  "\"\\u0061\"",
                                  "\"a longer one of 21 b\"",
                                  "\"a longer one of 21 c\"",
                                  "\"aaab\""};
constexpr const char* kExpressions[] = {"^inv_[0-9]+$", "^a",          "b$",     "a|b",
                                        "^[a-z]{2}$",   "^(?!x).*$",   "\u00e9", "^.{2}$",
                                        "^a[a-b]*$",    "^[A-Z]{1,3}$"};

std::string value_of(core::Random& random, unsigned depth) {
    switch (random.below(depth > 0 ? 9 : 6)) {
        case 0: return one_of(random, {"null", "true", "false"});
        case 1:
        case 2: return one_of(random, kNumbers);
        case 3:
        case 4:
        case 5: return one_of(random, kTexts);
        case 6: {
            std::string out = "[";
            for (std::uint64_t n = random.below(4); n > 0; --n)
                out += value_of(random, depth - 1) + (n > 1 ? " , " : "");
            return out + "]";
        }
        default: {
            std::string out = "{ ";
            std::uint64_t seen = 0;
            for (std::uint64_t n = random.below(5); n > 0; --n) {
                const std::uint64_t name = random.below(std::size(kNames));
                if ((seen >> name & 1) != 0) continue;
                seen |= std::uint64_t{1} << name;
                if (out.size() > 2) out += ",";
                const bool escaped = random.below(12) == 0 && name == 0;
                out += "\"" + std::string(escaped ? "\\u0061" : kNames[name]) +
                       (random.below(3) == 0 ? "\" : " : "\":") + value_of(random, depth - 1);
            }
            return out + "}";
        }
    }
}

std::string count_of(core::Random& random) { return std::to_string(random.below(4)); }

std::string schema_of(core::Random& random, unsigned depth);

std::string list_of(core::Random& random, unsigned depth) {
    std::string out = "[";
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n)
        out += schema_of(random, depth) + (n > 1 ? "," : "");
    return out + "]";
}

std::string names_of(core::Random& random) {
    std::string out = "[";
    for (std::uint64_t n = 1 + random.below(2); n > 0; --n)
        out += "\"" + one_of(random, kNames) + "\"" + (n > 1 ? "," : "");
    return out + "]";
}

std::string members_of(core::Random& random, unsigned depth) {
    std::string out = "{";
    std::uint64_t seen = 0;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
        const std::uint64_t name = random.below(std::size(kNames));
        if ((seen >> name & 1) != 0) continue;
        seen |= std::uint64_t{1} << name;
        out += std::string(out.size() > 1 ? "," : "") + "\"" + kNames[name] +
               "\":" + schema_of(random, depth);
    }
    return out + "}";
}

std::string keyword_of(core::Random& random, unsigned depth) {
    switch (random.below(depth > 0 ? 32 : 14)) {
        case 0:
            return "\"type\":\"" +
                   one_of(random,
                          {"null", "boolean", "number", "integer", "string", "array", "object"}) +
                   "\"";
        case 1: return R"("type":["string","integer"])";
        case 2: return "\"const\":" + value_of(random, 1);
        case 3:
            return "\"enum\":[" + value_of(random, 0) + "," + value_of(random, 1) + "," +
                   value_of(random, 0) + "]";
        case 4: return "\"maximum\":" + one_of(random, kNumbers);
        case 5: return "\"minimum\":" + one_of(random, kNumbers);
        case 6: return "\"exclusiveMinimum\":" + one_of(random, kNumbers);
        case 7: return "\"multipleOf\":" + one_of(random, {"1", "0.1", "0.5", "2", "1e-3", "10"});
        case 8: return "\"maxLength\":" + count_of(random);
        case 9: return "\"minLength\":" + count_of(random);
        case 10: return "\"pattern\":\"" + one_of(random, kExpressions) + "\"";
        case 11: return "\"required\":" + names_of(random);
        case 12: return "\"uniqueItems\":true";
        case 13: return "\"maxProperties\":" + count_of(random);
        case 14: return "\"minItems\":" + count_of(random);
        case 15: return "\"maxItems\":" + count_of(random);
        case 16: return "\"minProperties\":" + count_of(random);
        case 17: return "\"items\":" + schema_of(random, depth - 1);
        case 18: return "\"prefixItems\":" + list_of(random, depth - 1);
        case 19: return "\"contains\":" + schema_of(random, depth - 1);
        case 20: return "\"maxContains\":" + count_of(random);
        case 21: return "\"additionalProperties\":" + schema_of(random, depth - 1);
        case 22: return "\"propertyNames\":" + schema_of(random, depth - 1);
        case 23:
            return "\"patternProperties\":{\"" + one_of(random, kExpressions) +
                   "\":" + schema_of(random, depth - 1) + "}";
        case 24: return "\"allOf\":" + list_of(random, depth - 1);
        case 25: return "\"anyOf\":" + list_of(random, depth - 1);
        case 26: return "\"oneOf\":" + list_of(random, depth - 1);
        case 27: return "\"not\":" + schema_of(random, depth - 1);
        case 28:
            return "\"if\":" + schema_of(random, depth - 1) +
                   ",\"then\":" + schema_of(random, depth - 1) +
                   ",\"else\":" + schema_of(random, depth - 1);
        case 29:
            return "\"dependentRequired\":{\"" + one_of(random, kNames) + "\":" + names_of(random) +
                   "}";
        case 30:
            return "\"dependentSchemas\":{\"" + one_of(random, kNames) +
                   "\":" + schema_of(random, depth - 1) + "}";
        default:
            return random.below(3) == 0 ? std::string("\"unevaluatedProperties\":false")
                                        : "\"$ref\":\"#/$defs/one\"";
    }
}

// A keyword may stand twice: the first counts.
std::string schema_of(core::Random& random, unsigned depth) {
    if (random.below(12) == 0) return random.below(3) == 0 ? "false" : "true";
    std::string out = "{";
    if (depth > 0 && random.below(2) == 0)
        out += "\"properties\":" + members_of(random, depth - 1) + ",";
    for (std::uint64_t n = 1 + random.below(3); n > 0; --n)
        out += keyword_of(random, depth) + (n > 1 ? "," : "");
    return out + "}";
}

TEST(QuickCheck, LetsPassWhatTheValidatorDoes) {
    core::Random random(20261);
    std::size_t compiled = 0, fitting = 0, quick = 0;
    for (unsigned round = 0; round < 6'000; ++round) {
        std::string text = schema_of(random, 3);
        if (text.front() == '{') {
            const std::string one = schema_of(random, 1);
            text = "{\"$defs\":{\"one\":" + one + "}," + text.substr(1);
        }
        const auto program = compile_schema(text);
        if (!program) continue;
        ++compiled;
        const QuickProgram asked(**program);
        for (unsigned turn = 0; turn < 12; ++turn) {
            const std::string value = value_of(random, 3);
            core::JsonDom dom;
            const auto root = dom.parse(value);
            ASSERT_TRUE(root) << value;
            const PlacedValue placed(value);
            const bool fine = fits(**program, *root);
            const bool said = fits_quickly(asked, placed.place());
            fitting += fine;
            quick += said;
            ASSERT_TRUE(fine || !said) << text << "\n" << value;
        }
    }
    EXPECT_GT(compiled, 2'000u);
    EXPECT_GT(fitting, 5'000u);
    // Escapes, long numbers, containers in enums and what was evaluated are left open.
    EXPECT_GT(quick * 100, fitting * 80) << quick << " of " << fitting;
}

// A name that is expected is compared and not looked up: the same members in any order, with names
// that differ in their last bytes alone, that end where the text does, and that have quotes.
TEST(QuickCheck, KnowsMembersInAnyOrder) {
    const std::string names[] = {"a",
                                 "ab",
                                 "sevenby",
                                 "eightbyt",
                                 "ninebytes",
                                 "ninebyteS",
                                 "sixteen-bytes-16",
                                 "sixteen-bytes-17x",
                                 std::string(300, 'n'),
                                 "q\\\"uote"};
    std::string schema = R"({"required":["a","ab"],"properties":{)";
    for (std::size_t i = 0; i < std::size(names); ++i)
        schema += (i > 0 ? ",\"" : "\"") + names[i] + "\":{\"const\":" + std::to_string(i) + "}";
    schema += "}}";
    const auto program = compile_schema(schema);
    ASSERT_TRUE(program);
    const QuickProgram asked(**program);
    core::Random random(7);
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < std::size(names); ++i) order.push_back(i);
    unsigned quick = 0;
    for (unsigned round = 0; round < 2'000; ++round) {
        // Most come as those before.
        if (random.below(8) == 0) std::swap(order[random.below(10)], order[random.below(10)]);
        const std::size_t count = random.below(4) == 0 ? random.below(11) : 10;
        const std::size_t wrong = random.below(3) == 0 ? random.below(10) : 99;
        const bool has_quote = random.below(4) == 0;
        std::string value = "{";
        for (std::size_t i = 0; i < count; ++i) {
            if (order[i] == 9 && !has_quote) continue;
            value += (value.size() > 1 ? ",\"" : "\"") + names[order[i]] +
                     "\":" + std::to_string(order[i] == wrong ? 77 : order[i]);
        }
        if (value.size() > 1 && random.below(2) == 0) value += ",\"other\":[1]";
        value += "}";
        core::JsonDom dom;
        const auto root = dom.parse(value);
        ASSERT_TRUE(root);
        const PlacedValue placed(value);
        const bool fine = fits(**program, *root);
        const bool said = fits_quickly(asked, placed.place());
        ASSERT_TRUE(fine || !said) << value;
        quick += said;
    }
    EXPECT_GT(quick, 500u);
}

struct Case {
    const char* schema;
    const char* value;
    bool passes;
};

TEST(QuickCheck, KnowsWhatPeopleWrite) {
    constexpr const char* kOrder =
        R"({"type":"object","required":["id","lines"],"additionalProperties":false,"properties":{
            "id":{"type":"string","pattern":"^ord_[0-9]{1,8}$"},
            "state":{"enum":["new","paid",null,3,true]},
            "tags":{"type":"array","uniqueItems":true,"items":{"type":"string"}},
            "lines":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/line"}}},
            "$defs":{"line":{"type":"object","required":["sku"],"properties":{
                "sku":{"type":"string","minLength":2},"count":{"type":"integer","minimum":1},
                "price":{"multipleOf":0.01,"exclusiveMinimum":0}}}}})";
    const Case cases[] = {
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab","count":1.0,"price":12.30}]})", true},
        {kOrder, R"({ "lines" : [ {"sku":"ab"} , {"sku":"cd","x":[{}]} ] , "id" : "ord_12" })",
         true},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab","price":12.301}]})", false},
        {kOrder, R"({"id":"ord_1","lines":[{"count":1}]})", false},
        {kOrder, R"({"id":"ord_1","lines":[]})", false},
        {kOrder, R"({"id":"ord_123456789","lines":[{"sku":"ab"}]})", false},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab"}],"other":1})", false},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab"}],"state":null})", true},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab"}],"state":3.0})", true},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab"}],"state":true})", true},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab"}],"state":false})", false},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab"}],"tags":["x","y"]})", true},
        {kOrder, R"({"id":"ord_1","lines":[{"sku":"ab"}],"tags":["x","x"]})", false},
        {R"({"type":"string","pattern":"^inv_[0-9]+$","maxLength":7})", R"("inv_123")", true},
        {R"({"type":"string","pattern":"^inv_[0-9]+$","maxLength":7})", R"("inv_1234")", false},
        {R"({"type":"string","pattern":"^inv_[0-9]+$"})", R"("inv_")", false},
        {R"({"type":"string","pattern":"^inv_[0-9]+$"})", R"("inv_12345678a")", false},
        {R"({"type":"string","pattern":"^inv_[0-9]*$"})", R"("inv")", false},
        {R"({"pattern":"^[a-z]{2}$"})", R"("abc")", false},
        {R"({"pattern":"^[a-z]+$"})", "\"a\u00e9\"", false},
        {R"({"enum":["EUR","USD",""]})", R"("")", true},
        {R"({"enum":["EUR","USD"]})", R"("EURO")", false},
        {R"({"enum":["EUR","USD"]})", R"("EU")", false},
        {R"({"type":"number","minimum":0})", "-0.0", true},
        {R"({"type":"number","minimum":0})", "-1", false},
        {R"({"type":"integer","minimum":3,"maximum":1000})", "1000", true},
        {R"({"type":"integer","minimum":3,"maximum":1000})", "1001", false},
        {R"({"type":"integer","minimum":3,"maximum":1000})", "2", false},
        {R"({"type":"integer","minimum":3,"maximum":1000})", "10.5", false},
        {R"({"type":"integer","maximum":123456789})", "123456789", true},
        {R"({"type":"integer","maximum":123456789})", "123456790", false},
        {R"({"minimum":3,"maximum":10})", "1e1", true},
        {R"({"minimum":3,"maximum":10})", "10.5", false},
        {R"({"minimum":3,"maximum":10})", "2.5", false},
        {R"({"minLength":3,"maxLength":4})", "\"\u00e9\u00e9\u00e9\u00e9\"", true},
        {R"({"minLength":3})", "\"\u00e9\u00e9\"", false},
        {R"({"type":"integer","maximum":1e2})", "100", true},
        {R"({"type":"integer","maximum":12345678901234567890})", "12345678901234567890", true},
        {R"({"maximum":12345678901234567890})", "12345678901234567891", false},
        {R"({"anyOf":[{"type":"string"},{"type":"object","required":["a"]}]})", R"({"a":1})", true},
        {R"({"oneOf":[{"minimum":1},{"maximum":5}]})", "3", false},
        {R"({"not":{"type":"string"}})", "3", true},
        {R"({"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]}})", R"({"a":1})",
         false},
        {R"({"properties":{"n":{"$ref":"#"}},"type":"object"})", R"({"n":{"n":{}}})", true},
        {R"({"properties":{"n":{"$ref":"#"}},"type":"object"})", R"({"n":{"n":3}})", false},
        {R"({"contains":{"type":"string"},"maxContains":1})", R"([1,"a",{"b":["c"]}])", true},
        {R"({"contains":{"type":"string"},"maxContains":1})", R"([1,"a","b"])", false},
    };
    for (const Case& one : cases) {
        const auto program = compile_schema(one.schema);
        ASSERT_TRUE(program) << one.schema;
        const PlacedValue value(one.value);
        EXPECT_EQ(fits_quickly(QuickProgram(**program), value.place()), one.passes)
            << one.schema << "\n"
            << one.value;
    }
}

// What the validator gives up on does not fit, wherever that was found out.
TEST(QuickCheck, LeavesOpenWhatTheValidatorWouldGiveUpOn) {
    const auto program = compile_schema(R"({"not":{"type":"array","items":{"enum":[
        1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]},"minItems":1000000}})");
    ASSERT_TRUE(program);
    std::string items = "[0";
    for (unsigned i = 0; i < 100'000; ++i) items += ",16";
    items += "]";
    const PlacedValue value(items);
    EXPECT_FALSE(fits_quickly(QuickProgram(**program), value.place()));
    const auto many = compile_schema(R"({"items":{"allOf":[{"type":"integer"},{"minimum":1}]}})");
    ASSERT_TRUE(many);
    std::string ones = "[1";
    for (unsigned i = 0; i < 400'000; ++i) ones += ",1";
    ones += "]";
    core::JsonDom dom;
    const auto root = dom.parse(ones);
    ASSERT_TRUE(root);
    const PlacedValue placed(ones);
    ASSERT_FALSE(fits(**many, *root));
    EXPECT_FALSE(fits_quickly(QuickProgram(**many), placed.place()));
}

}  // namespace
}  // namespace millrace::runtime::schema
