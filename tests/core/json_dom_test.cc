// Goal: JsonDom takes what the event parser takes and nothing else, and hands every value out as it
// stands. Method: numbers and documents made from a seed, both readers asked.
#include "core/json_dom.h"

#include "core/event_parser.h"
#include "core/field_plan.h"
#include "core/field_table.h"
#include "core/json_validate.h"
#include "core/json_walker.h"
#include "core/random.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace millrace::core {
namespace {

std::string compact(std::string_view text) {
    JsonDom dom;
    auto root = dom.parse(text);
    EXPECT_TRUE(root) << text << ": " << root.error().message;
    std::string out;
    if (root) append_json(out, *root);
    return out;
}

// The payload of every event of a batch, built from what the parser has read.
std::vector<std::string> built_payloads(std::string text, BatchFormat format, bool with_fields) {
    const std::size_t bytes = text.size();
    text.append(kWalkerPaddingBytes, ' ');
    EventParser parser;
    FieldPlan plan;
    FieldTable fields;
    Envelope envelope;
    Error error;
    JsonDom dom;
    std::vector<std::string> out;
    EXPECT_TRUE(parser.begin(std::string_view(text).substr(0, bytes), format));
    for (;;) {
        const auto outcome = with_fields ? parser.next(&plan, envelope, &fields, error)
                                         : parser.next(nullptr, envelope, nullptr, error);
        if (outcome == ParseOutcome::kEnd) return out;
        if (outcome != ParseOutcome::kEvent) continue;
        JsonElement root;
        std::string& one = out.emplace_back();
        if (parser.payload(envelope, dom, root)) {
            EXPECT_EQ(root.raw(), envelope.payload);
            append_json(one, root);
        }
    }
}

TEST(JsonDom, BuildsWhatTheEventParserHasRead) {
    const std::vector<std::string> payloads = {
        R"({})", R"({"a":1,"b":[true,false,null,-0.5e3,"x"],"c":{"d":{}}})",
        R"({ "k\u0041" : "v\n\"" , "plain" : "" , "\u00e9" : [ [ ] , [ 1 , "\\" ] ] })",
        R"({"long":")" + std::string(300'000, 'y') + R"(","n":[0]})"};
    std::string lines, array = "[";
    std::vector<std::string> wanted;
    for (int round = 0; round < 3; ++round) {
        for (const std::string& payload : payloads) {
            const std::string event = R"({"pattern":"a\\b","metadata":{"z":"\t"},"payload": )" +
                                      payload + R"( ,"x-own":"\u0001"})";
            lines += event + "\n" + R"({"pattern":"none"})" + "\n" + R"({"broken":1})" + "\n";
            array += event + "," + R"({"pattern":"none"})" + ",";
            wanted.push_back(compact(payload));
            wanted.emplace_back();
        }
    }
    array.back() = ']';
    for (const bool with_fields : {false, true}) {
        EXPECT_EQ(built_payloads(lines, BatchFormat::kNdjson, with_fields), wanted);
        EXPECT_EQ(built_payloads(array, BatchFormat::kJson, with_fields), wanted);
    }
}

TEST(JsonDom, DoesNotBuildFromAnotherEvent) {
    std::string text = R"({"pattern":"a","payload":{"n":1}})";
    const std::size_t bytes = text.size();
    text.append(kWalkerPaddingBytes, ' ');
    EventParser parser;
    Envelope envelope;
    ASSERT_TRUE(
        parser.parse_one(std::string_view(text).substr(0, bytes), nullptr, envelope, nullptr));
    const std::string other(envelope.payload);
    Envelope elsewhere = envelope;
    elsewhere.payload = other;
    JsonDom dom;
    JsonElement root;
    EXPECT_FALSE(parser.payload(elsewhere, dom, root));
    EXPECT_TRUE(parser.payload(envelope, dom, root));
    // And reads texts of its own as before.
    ASSERT_TRUE(dom.parse(R"({"a":1,"a":2})"));
    EXPECT_FALSE(dom.parse(R"({"a":1,"a":2})", {.duplicates = DuplicateKeys::kRefuse}));
}

TEST(JsonDom, ReadsEveryKindOfValue) {
    JsonDom dom;
    const auto root = dom.parse(
        R"( {"s":"a\u00e9\n","t":true,"f":false,"n":null,"i":-5,"u":18446744073709551615,)"
        R"("d":1e400,"a":[1,[],{}],"o":{"x":{"y":2}},"\u006b":7} )");
    ASSERT_TRUE(root) << root.error().message;
    JsonElement at;
    std::string_view text;
    ASSERT_TRUE(root->find("s", at) && at.get(text));
    EXPECT_EQ(text, "a\xC3\xA9\n");
    bool flag = false;
    EXPECT_TRUE(root->find("t", at) && at.get(flag) && flag);
    EXPECT_TRUE(root->find("f", at) && at.get(flag) && !flag);
    EXPECT_TRUE(root->find("n", at) && at.is_null());
    std::int64_t whole = 0;
    std::uint64_t large = 0;
    double real = 0;
    EXPECT_TRUE(root->find("i", at) && at.get(whole) && !at.get(large) && at.get(real));
    EXPECT_EQ(whole, -5);
    EXPECT_EQ(real, -5.0);
    EXPECT_TRUE(root->find("u", at) && !at.get(whole) && at.get(large));
    EXPECT_EQ(large, std::numeric_limits<std::uint64_t>::max());
    EXPECT_TRUE(root->find("d", at) && !at.get(whole) && at.get(real));
    EXPECT_EQ(real, std::numeric_limits<double>::infinity());
    EXPECT_EQ(at.raw(), "1e400");
    JsonArray items;
    ASSERT_TRUE(root->find("a", at) && at.get(items));
    EXPECT_EQ(items.size(), 3u);
    std::string kinds;
    for (const JsonElement item : items) kinds += std::string(json_type_text(item)) + ",";
    EXPECT_EQ(kinds, "a number,an array,an object,");
    ASSERT_TRUE(root->find("o", at) && at.find("x", at) && at.find("y", at) && at.get(whole));
    EXPECT_EQ(whole, 2);
    EXPECT_TRUE(root->find("k", at));
    EXPECT_FALSE(root->find("missing", at));
    JsonMembers members;
    ASSERT_TRUE(root->get(members));
    EXPECT_EQ(members.size(), 10u);
}

TEST(JsonDom, KeepsEveryNumberAsItStands) {
    EXPECT_EQ(compact(" [ 1E400 , -0 , 0.10000000000000001 , 1e-400 , 18446744073709551616 ] "),
              "[1E400,-0,0.10000000000000001,1e-400,18446744073709551616]");
    EXPECT_EQ(compact(R"({ "a" : "\u00e9" , "\ud83d\ude00" : [ ] , "c" : { } })"),
              R"({"a":"\u00e9","\ud83d\ude00":[],"c":{}})");
}

TEST(JsonDom, IsAsDeepAsItIsAllowed) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    JsonDom dom;
    EXPECT_TRUE(dom.parse(nested(kJsonDocumentDepthMax)));
    const auto refused = dom.parse(nested(kJsonDocumentDepthMax + 1));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().limit, static_cast<std::int64_t>(kJsonDocumentDepthMax));
    JsonDom::Options options;
    options.depth_max = 3;
    EXPECT_TRUE(dom.parse(nested(3), options));
    EXPECT_FALSE(dom.parse(nested(4), options));
}

// Texts near numbers: what one reader takes the others take.
TEST(JsonDom, TakesTheNumbersThatEventsTake) {
    Random random(11);
    constexpr std::string_view kBytes = "00112589.eE+--";
    JsonDom dom;
    EventParser parser;
    for (int i = 0; i < 20'000; ++i) {
        std::string number;
        for (std::uint64_t n = 1 + random.below(9); n > 0; --n)
            number += kBytes[random.below(kBytes.size())];
        const bool valid = json_validate(number).has_value();
        auto root = dom.parse(number);
        ASSERT_EQ(root.has_value(), valid) << number;
        if (valid) {
            EXPECT_EQ(root->raw(), number);
        }
        std::string event = R"({"pattern":"p","payload":{"n":)" + number + "}}";
        const std::size_t bytes = event.size();
        event.resize(bytes + 64, ' ');
        Envelope envelope;
        const bool taken =
            parser.parse_one(std::string_view(event).substr(0, bytes), nullptr, envelope, nullptr)
                .has_value();
        ASSERT_EQ(taken, valid) << number;
    }
}

}  // namespace
}  // namespace millrace::core
