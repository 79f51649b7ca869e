// Goal: no schema and no value makes the work endless: what is beyond a limit is refused in words.
// Method: bombs, each of its own kind; and what a failure says.
#include "runtime/schema/compiler.h"
#include "runtime/schema/validator.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::schema {
namespace {

core::Error refusal(const std::string& text) {
    const auto made = compile_schema(text);
    return made ? core::Error() : made.error();
}

std::vector<Failure> failures(const std::string& schema, const std::string& value) {
    const auto program = compile_schema(schema);
    EXPECT_TRUE(program) << program.error().message;
    core::JsonDom dom;
    return validate(**program, *dom.parse(value));
}

TEST(Schema, RefusesReferencesThatLeadBackToThemselves) {
    for (
        const char* text :
        {R"({"$ref":"#"})", R"({"allOf":[{"$ref":"#"}]})",
         R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"not":{"$ref":"#/$defs/a"}}},"$ref":"#/$defs/a"})"})
        EXPECT_NE(refusal(text).message.find("leads back"), std::string::npos) << text;
    EXPECT_TRUE(compile_schema(R"({"properties":{"next":{"$ref":"#"}}})"));
}

TEST(Schema, NamesThePlaceOfWhatIsWrong) {
    EXPECT_EQ(refusal(R"({"properties":{"a":{"type":"strin"}}})").field,
              "schema/properties/a/type");
    EXPECT_EQ(refusal(R"({"minLength":-1})").field, "schema/minLength");
    EXPECT_EQ(refusal(R"({"allOf":[]})").field, "schema/allOf");
    EXPECT_EQ(refusal(R"({"properties":{"a":1}})").field, "schema/properties/a");
    EXPECT_NE(refusal(R"({"$ref":"http://elsewhere/x"})").message.find("not known"),
              std::string::npos);
    EXPECT_NE(refusal(R"({"$ref":"#/$defs/none"})").message.find("is nothing"), std::string::npos);
    EXPECT_NE(refusal(R"({"pattern":"(a"})").message.find("not understood"), std::string::npos);
    EXPECT_NE(refusal("[]").message.find("neither"), std::string::npos);
    EXPECT_NE(refusal(R"({"$schema":"http://json-schema.org/draft-03/schema#"})")
                  .message.find("neither draft 7"),
              std::string::npos);
}

TEST(Schema, BoundsSizeAndDepth) {
    EXPECT_EQ(refusal("{\"description\":\"" + std::string(kSchemaBytesMax, 'x') + "\"}").code,
              core::ErrorCode::kPayloadTooLarge);
    std::string deep = "true";
    for (std::size_t i = 0; i <= kSchemaDepthMax; ++i) deep = "{\"not\":" + deep + "}";
    EXPECT_NE(refusal(deep).message.find("32 levels"), std::string::npos);
}

// Branches that double thirty times; `root` begins with them.
std::string bomb(const std::string& root) {
    std::string text = "{" + root + R"(,"$defs":{)";
    for (int i = 0; i < 30; ++i) {
        const std::string next = "{\"$ref\":\"#/$defs/s" + std::to_string(i + 1) + "\"}";
        text += "\"s" + std::to_string(i) + "\":{\"anyOf\":[" + next + "," + next + "]},";
    }
    return text + R"("s30":{"type":"string"}}})";
}

TEST(Schema, EndsWhereBranchesMultiply) {
    const auto told = failures(bomb(R"("$ref":"#/$defs/s0")"), "1");
    ASSERT_FALSE(told.empty());
    EXPECT_FALSE(failures(bomb(R"("not":{"$ref":"#/$defs/s0"})"), "1").empty());
}

TEST(Schema, TellsWhereAndWhy) {
    const auto told = failures(
        R"({"type":"object","required":["id"],"properties":{"lines":{"items":{"properties":{"n/m":{"minimum":1}}}}}})",
        R"({"lines":[{"n/m":1},{"n/m":0}]})");
    ASSERT_EQ(told.size(), 2u);
    EXPECT_EQ(told[0].pointer, "");
    EXPECT_EQ(told[0].keyword, "required");
    EXPECT_EQ(told[1].pointer, "/lines/1/n~1m");
    EXPECT_EQ(told[1].keyword, "minimum");
    EXPECT_EQ(told[1].schema_path, "#/properties/lines/items/properties/n~1m/minimum");
    EXPECT_EQ(told[1].message, "must be at least 1");
}

TEST(Schema, TellsTwentyAtMost) {
    std::string value = "[";
    for (int i = 0; i < 100; ++i) value += i == 0 ? "1" : ",1";
    EXPECT_EQ(failures(R"({"items":{"type":"string"}})", value + "]").size(), kFailuresMax);
}

TEST(Schema, KeepsAnExpressionLinear) {
    const std::string value = "\"" + std::string(5000, 'a') + "!\"";
    EXPECT_EQ(failures(R"({"pattern":"^(a+)+$"})", value).size(), 1u);
}

}  // namespace
}  // namespace millrace::runtime::schema
