// Goal: a handler sees exactly the event: its fields, what was filled in, its arrays and nulls, and
// numbers without loss. Method: expressions over one event, results compared as JSON text.
#include "runtime/lua/lua_json_scan.h"
#include "runtime/lua/lua_json_tree.h"
#include "tests/runtime/lua/lua_fixture.h"

namespace millrace::runtime {
namespace {

using LuaViewTest = LuaFixture;

TEST_F(LuaViewTest, ReadsScalarsOfEveryKind) {
    EXPECT_EQ(value_of("event.payload.amount"), "129.5");
    EXPECT_EQ(value_of("event.payload.currency"), "\"EUR\"");
    EXPECT_EQ(value_of("event.payload.paid"), "false");
    EXPECT_EQ(value_of("event.payload.note == sdk.json.null"), "true");
    EXPECT_EQ(value_of("tostring(event.payload.note)"), "\"null\"");
    EXPECT_EQ(value_of("event.payload.missing == nil"), "true");
    EXPECT_EQ(value_of("event.payload.lines[2].sku"), "\"b\"");
    EXPECT_EQ(value_of("event.payload.customer.name"), "\"J\xc3\xb6rg \\\"J\\\"\"");
    EXPECT_EQ(value_of("event.metadata.correlationId"), "\"corr-9\"");
}

TEST_F(LuaViewTest, ReadsFieldsInAnyOrderAndAgain) {
    EXPECT_EQ(
        value_of("(function() local p = event.payload local a = p.none b = p.amount + p.amount "
                 "c = p.currency .. p.currency d = p.customer.id .. p.customer.id "
                 "return b .. c .. d .. tostring(p.zzz) .. p.amount end)()"),
        R"("259EUREURc-17c-17nil129.5")");
}

TEST_F(LuaViewTest, KeepsIntegersBeyondTwoToThe53) {
    EXPECT_EQ(value_of("event.payload.big"), "9007199254740993");
    EXPECT_EQ(value_of("event.payload.huge"), "18446744073709551615");
    EXPECT_EQ(value_of("event.payload.low"), "-9223372036854775808");
    EXPECT_EQ(value_of("event.payload.big + 2"), "9007199254740995");
    EXPECT_EQ(value_of("event.payload.big > 5"), "true");
    EXPECT_EQ(value_of("event.payload.big == sdk.json.decode('9007199254740993')"), "true");
    EXPECT_EQ(value_of("sdk.json.type(event.payload.big)"), "\"number\"");
    EXPECT_EQ(value_of("event.a", R"({"a":9007199254740992})"), "9007199254740992");
    EXPECT_EQ(value_of("event.a", R"({"a":-9007199254740993})"), "-9007199254740993");
    EXPECT_EQ(value_of("event.a", R"({"a":-0})"), "-0.0");
    EXPECT_EQ(value_of("event.a", R"({"a":1e3})"), "1000");
    EXPECT_EQ(value_of("event.a", R"({"a":0.1})"), "0.1");
    EXPECT_EQ(value_of("event.a", R"({"a":1.7976931348623157e308})"), "1.7976931348623157e+308");
}

TEST_F(LuaViewTest, FillsWhatTheSenderLeftOut) {
    constexpr std::string_view kBare = R"({"pattern":"p","payload":{}})";
    EXPECT_EQ(value_of("event.version", kBare), "\"1.0\"");
    EXPECT_EQ(value_of("event.source.type .. event.source.id", kBare), "\"externalunknown\"");
    EXPECT_EQ(value_of("event.timestamp", kBare), "\"2023-11-14T22:13:20.000Z\"");
    EXPECT_EQ(value_of("event.receivedAt", kBare), "\"2023-11-14T22:13:20.000Z\"");
    EXPECT_EQ(value_of("event.tenantId", kBare), "\"default\"");
    EXPECT_EQ(value_of("event.eventId == nil", kBare), "true");
    EXPECT_EQ(value_of("event.version"), "\"1.0\"");
    EXPECT_EQ(value_of("event.source.id"), "\"shop\"") << "the sender's own stays";
    EXPECT_EQ(
        value_of("event", kBare),
        R"({"pattern":"p","payload":{},"version":"1.0","source":{"type":"external","id":"unknown"},)"
        R"("timestamp":"2023-11-14T22:13:20.000Z","tenantId":"default","receivedAt":"2023-11-14T22:13:20.000Z"})");
}

TEST_F(LuaViewTest, UsesTheSlicesTheCallerKnows) {
    EventInput input = input_of(kInvoice);
    input.event_id = "server-1";
    input.pattern = "other";
    constexpr std::string_view kPayload = R"({"amount":7})";
    input.payload = kPayload;
    const ScriptHandle handle = compile(
        "return function(e) return {e.eventId, e.pattern, e.payload.amount, e.payload == "
        "e.payload} end");
    EXPECT_EQ(vm->invoke(handle, input, context, host).result_json,
              R"(["server-1","other",7,true])");
}

TEST_F(LuaViewTest, WalksWithPairsIpairsAndLength) {
    EXPECT_EQ(value_of("#event.payload.lines + #event.payload.empty + #event.payload"), "2");
    EXPECT_EQ(value_of("(function() local s = '' for i, l in ipairs(event.payload.lines) do s = s "
                       ".. i .. l.sku end "
                       "return s end)()"),
              "\"1a2b\"");
    EXPECT_EQ(value_of("(function() local s = '' for k, v in pairs(event.payload.lines[1]) do "
                       "s = s .. k .. tostring(v) end return s end)()"),
              "\"skuaqty2\"");
    EXPECT_EQ(value_of("(function() local s = '' for i, v in pairs(event.payload.lines) do s = s "
                       ".. i .. v.sku end "
                       "return s end)()"),
              "\"1a2b\"");
    EXPECT_EQ(value_of("(function() local s = '' for k in pairs(event) do s = s .. k .. ' ' end "
                       "return s end)()"),
              "\"eventId pattern version source timestamp payload metadata tenantId receivedAt \"");
    EXPECT_EQ(value_of("(function() local n = 0 for k in pairs(event.payload.none) do n = n + 1 "
                       "end return n end)()"),
              "0");
    EXPECT_EQ(value_of("(function() local n = 0 for k in pairs({a = 1, b = 2, 3}) do n = n + 1 end "
                       "return n end)()"),
              "3");
}

TEST_F(LuaViewTest, IndexesArraysFromOneOnly) {
    EXPECT_EQ(value_of("{event.payload.lines[0] == nil, event.payload.lines[3] == nil, "
                       "event.payload.lines[1.5] == nil, event.payload.lines[-1] == nil, "
                       "event.payload.lines['1'] == nil, event.payload.lines[1e300] == nil, "
                       "event.payload[true] == nil}"),
              "[true,true,true,true,true,true,true]");
}

TEST_F(LuaViewTest, IsReadOnlyAndGivesACopyToChange) {
    EXPECT_NE(value_of("(function() event.payload.amount = 1 end)()").find("read-only"),
              std::string::npos);
    EXPECT_NE(value_of("(function() event.x = 1 end)()").find("read-only"), std::string::npos);
    EXPECT_NE(value_of("rawset(event, 'x', 1)").find("table expected"), std::string::npos);
    EXPECT_EQ(value_of("(function() local c = sdk.json.copy(event.payload.lines) c[1].sku = 'z' "
                       "c[3] = 5 return c end)()"),
              R"([{"qty":2,"sku":"z"},{"qty":1,"sku":"b"},5])");
    EXPECT_EQ(value_of("getmetatable(event)"), "false");
    EXPECT_NE(value_of("setmetatable(event, {})").find("table expected"), std::string::npos);
}

TEST_F(LuaViewTest, RaisesForAViewOfAnEarlierRun) {
    const ScriptHandle handle = compile(
        "local kept return function(event) if kept then return kept.payload.amount end "
        "kept = event return event.payload.amount end");
    EXPECT_EQ(run(handle).result_json, "129.5");
    EXPECT_NE(run(handle).error.find("belongs to an earlier run"), std::string_view::npos);
}

TEST_F(LuaViewTest, MakesMoreViewsThanItsPoolHolds) {
    std::string text = R"({"pattern":"p","payload":{"items":[)";
    for (int i = 0; i < 1000; ++i) text += (i ? ",{\"n\":" : "{\"n\":") + std::to_string(i) + "}";
    text += "]}}";
    EXPECT_EQ(
        value_of("(function() local all, sum = {}, 0 for i, item in ipairs(event.payload.items) do "
                 "all[i] = item end for i = 1, 1000 do sum = sum + all[i].n end return sum end)()",
                 text),
        "499500");
}

TEST_F(LuaViewTest, ShowsAsJsonText) {
    EXPECT_EQ(value_of("tostring(event.payload.lines)"),
              R"("[{\"sku\":\"a\",\"qty\":2},{\"sku\":\"b\",\"qty\":1}]")");
    EXPECT_EQ(value_of("event.payload.lines"), R"([{"sku":"a","qty":2},{"sku":"b","qty":1}])");
    EXPECT_EQ(value_of("event.a", "{ \"a\" : [ 1 ,\n\t2 ] }"), "[ 1 ,  2 ]") << "on one line";
}

TEST_F(LuaViewTest, FindsKeysWithEscapes) {
    EXPECT_EQ(value_of("event['a\"b']", R"({"a\"b":1,"\u00e9":2})"), "1");
    EXPECT_EQ(value_of("event['\xc3\xa9']", R"({"a\"b":1,"\u00e9":2})"), "2");
    EXPECT_EQ(value_of("event[' \\0x']", "{\"\\u0020\\u0000x\":3}"), "3");
}

TEST(JsonScan, FindsThePayloadWhereverItStands) {
    // Both ways over texts where the word stands in every place, at every distance from a block's
    // edge.
    for (const std::string_view text :
         {R"({"payload":{"a":1}})", R"({"x":"payload","payload":{"a":1}})",
          R"({"s":{"payload":{"no":1}},"payload":{"a":1}})",
          R"({"s":[{"payload":2}],"p":"{[","payload" : {"a":1}})",
          R"({"q":"a\"payload\":","payload":{"a":1}})",
          R"({"payloads":1,"pay":2,"xpayload":3,"payload":{"a":1}})", R"({"none":1})",
          R"({"s":{"payload":1}})", R"(["payload",{"payload":1}])", R"("payload")", R"({"payload)",
          R"({"payload")", R"({"payload":)", ""}) {
        for (std::size_t pad = 0; pad < 140; ++pad) {
            std::string padded(text);
            if (padded.starts_with('{'))
                padded.insert(1, "\"pad\":\"" + std::string(pad, 'p') + "\",");
            const auto exact = std::make_unique<char[]>(padded.size());
            padded.copy(exact.get(), padded.size());
            const char* end = exact.get() + padded.size();
            const char* stepwise = json_scan::find_payload_stepwise(exact.get(), end);
            EXPECT_EQ(json_scan::find_payload(exact.get(), end), stepwise) << padded;
            if (text.ends_with(R"({"a":1}})")) {
                ASSERT_NE(stepwise, nullptr) << padded;
                EXPECT_EQ(std::string_view(stepwise, static_cast<std::size_t>(end - stepwise)),
                          R"({"a":1}})");
            }
        }
    }
}

TEST(JsonTree, StaysInsideTextThatIsNotJson) {
    // Every prefix of a text, and each with one byte changed: nothing may be read behind the end.
    const std::string_view source = R"({"a":[1,{"b":"c\"d"},null],"e\u00e9":{"f":-1.5e3}})";
    for (std::size_t bytes = 0; bytes <= source.size(); ++bytes) {
        for (std::size_t at = 0; at < bytes; ++at) {
            for (const char put : {'"', '\\', '{', '}', '[', ']', ',', ':', ' '}) {
                const auto exact =
                    std::make_unique<char[]>(bytes);  // so that a sanitizer sees the end
                source.copy(exact.get(), bytes);
                exact[at] = put;
                JsonTree tree;
                const std::uint32_t root = tree.add_node(exact.get(), exact.get() + bytes);
                if (root == JsonTree::kNone) continue;
                tree.find(root, "nothing");
                tree.element(root, 100);
                std::string key;
                for (std::uint32_t m = tree.first(root); m != JsonTree::kNone;
                     m = tree.next(root, m)) {
                    if (!tree.node(root).is_array) tree.key(tree.member(m), key);
                    const std::uint32_t child = tree.node_of(m, root);
                    if (child != JsonTree::kNone) tree.count(child);
                }
                EXPECT_LE(tree.text(root).size(), bytes);
            }
        }
    }
}

}  // namespace
}  // namespace millrace::runtime
