// Goal: a handler sees the number that was sent, counts with it as LUA.md says, and what it writes
// can be read again.
#include "core/json_validate.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <cmath>

namespace millrace::runtime {
namespace {

using LuaNumberTest = LuaFixture;

TEST_F(LuaNumberTest, ViewAndDecoderReadEveryNumber) {
    struct Row {
        const char* json;
        const char* text;  // tostring() of it
    };
    const Row rows[] = {
        {"0", "0"},
        {"-0", "-0"},
        {"1e400", "inf"},
        {"-1e400", "-inf"},
        {"1e-400", "0"},
        {"-1E-400", "-0"},
        {"9007199254740992", "9.007199254741e+15"},
        {"9007199254740993", "9007199254740993"},
        {"9007199254740993.0", "9007199254740993"},
        {"90071992547409930e-1", "9007199254740993"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"18446744073709551616", "1.844674407371e+19"},
        {"100000000000000000001", "1e+20"},
        {"1e17", "1e+17"},
        {"0.1", "0.1"},
    };
    for (const Row& row : rows) {
        const std::string event = std::string(R"({"payload":{"n":)") + row.json + "}}";
        const std::string expected = std::string("\"") + row.text + "\"";
        EXPECT_EQ(value_of("tostring(event.payload.n)", event), expected) << row.json;
        EXPECT_EQ(value_of(std::string("tostring(sdk.json.decode('") + row.json + "'))"), expected)
            << row.json;
        EXPECT_EQ(value_of("sdk.json.encode(event.payload)", event),
                  std::string(R"("{\"n\":)") + row.json + "}\"");
    }
    EXPECT_EQ(value_of("event.n > 1000", R"({"n":1e400})"), "true");
    EXPECT_EQ(value_of("event.n == math.huge", R"({"n":1e400})"), "true");
}

TEST_F(LuaNumberTest, WholeNumbersOf64BitsAreExact) {
    const char* event = R"({"a":9007199254740993,"max":9223372036854775807,)"
                        R"("low":-9223372036854775808,"top":18446744073709551615})";
    const std::pair<const char*, const char*> rows[] = {
        {"event.a + 1", "9007199254740994"},
        {"1 + event.a", "9007199254740994"},
        {"event.a - 1", "9007199254740992"},
        {"event.a + event.a", "18014398509481986"},
        {"event.a * 3", "27021597764222979"},
        {"event.max + 1", "9223372036854775808"},
        {"event.max - -1", "9223372036854775808"},
        {"event.low - 1", "-9223372036854775808"},
        {"event.top + 1", "18446744073709551616"},
        {"event.top * event.top", "3.402823669209385e+38"},
        {"event.top - event.top", "0"},
        {"-event.max", "-9223372036854775807"},
        {"-event.low", "9223372036854775808"},
        {"-event.top", "-18446744073709551616"},
        {"event.a % 10", "3"},
        {"event.a % -10", "-7"},
        {"-event.a % 10", "7"},
        {"event.a / 3", "3002399751580331"},
        {"event.top / event.top", "1"},
        {"event.max == event.max + 0", "true"},
        {"event.a == 9007199254740992", "false"},
        {"event.a > 9007199254740992", "true"},
        {"event.top > event.max", "true"},
        {"event.low < event.top", "true"},
        {"event.a == 'x'", "false"},
        {"event.a ~= nil", "true"},
    };
    for (const auto& [expression, expected] : rows)
        EXPECT_EQ(value_of(expression, event), expected) << expression;
}

TEST_F(LuaNumberTest, MixedWithFractionsIsAsForNumbers) {
    const char* event = R"({"a":9007199254740993,"max":9223372036854775807})";
    const std::pair<const char*, const char*> rows[] = {
        {"event.a * 0.5", "4503599627370496"},
        {"event.a / 2", "4503599627370496"},
        {"event.max / 4", "2305843009213693952"},
        {"event.a + 0.5", "9007199254740992"},
        {"event.a ^ 2", "8.112963841460668e+31"},
        {"event.a % 0.5", "0"},
        {"event.a > 0.5", "true"},
        {"0.5 < event.a", "true"},
        {"event.a == 0.5", "false"},
        {"event.a < math.huge", "true"},
        {"event.a == 0/0", "false"},
        {"event.a < 0/0", "false"},
        {"event.a / 0 == math.huge", "true"},
        {"event.a * '2'", "18014398509481986"},
    };
    for (const auto& [expression, expected] : rows)
        EXPECT_EQ(value_of(expression, event), expected) << expression;
}

TEST_F(LuaNumberTest, DigitsInTexts) {
    const char* event = R"({"a":9007199254740993,"top":18446744073709551615})";
    EXPECT_EQ(value_of("'id:' .. event.a", event), "\"id:9007199254740993\"");
    EXPECT_EQ(value_of("event.top .. '!' .. event.a .. 1", event),
              "\"18446744073709551615!90071992547409931\"");
    EXPECT_EQ(value_of("tostring(event.top)", event), "\"18446744073709551615\"");
    EXPECT_NE(value_of("event.a .. {}", event).find("attempt to concatenate a table value"),
              std::string::npos);
    EXPECT_NE(value_of("event.a + {}", event).find("script:1: attempt to perform arithmetic"),
              std::string::npos);
    EXPECT_NE(value_of("event.a < 'x'", event).find("attempt to compare"), std::string::npos);
}

// Compiled code calls the operators too.
TEST_F(LuaNumberTest, CountsTheSameInCompiledLoops) {
    EXPECT_EQ(value_of("(function() local n = event.a for i = 1, 1000 do n = n + 1 end "
                       "for i = 1, 500 do if n > event.a then n = n - 2 end end return n end)()",
                       R"({"a":9007199254740993})"),
              "9007199254740993");
}

// Whatever the encoder writes, the decoder takes, and it is the same number.
TEST_F(LuaNumberTest, NumbersComeBackFromJson) {
    const ScriptHandle handle = compile(R"lua(
        return function(event)
            for i = 1, 200 do
                local n = math.random() * 10 ^ math.random(-300, 300)
                if math.random() < 0.3 then n = math.floor(n) end
                if math.random() < 0.5 then n = -n end
                local text = sdk.json.encode(n)
                if sdk.json.decode(text) ~= n then error(text) end
                if sdk.json.encode(sdk.json.decode(text)) ~= text then error("again: " .. text) end
            end
            for _, n in ipairs({2^53, 2^53 + 2, 2^60, 2^63, 2^64, 2^100, 1e22, -2^63, 5e-324}) do
                if sdk.json.decode(sdk.json.encode(n)) ~= n then error(tostring(n)) end
            end
            return 2^64
        end)lua");
    for (int round = 0; round < 20; ++round) {
        const InvocationResult& result = run(handle);
        ASSERT_TRUE(result.completed()) << result.error;
        EXPECT_EQ(result.result_json, "18446744073709551616");
        EXPECT_TRUE(core::json_validate(result.result_json));
    }
}

TEST_F(LuaNumberTest, WalksAnArrayInAnyOrder) {
    std::string event = R"({"l":[)";
    for (int i = 0; i < 20'000; ++i) event += (i > 0 ? "," : "") + std::to_string(i);
    event += "]}";
    EXPECT_EQ(value_of(R"((function()
        local l = event.l
        for i = #l, 1, -1 do if l[i] ~= i - 1 then error(i) end end
        for i = 1, #l do if l[i] ~= i - 1 then error(i) end end
        for i = 1, #l do
            local at = (i * 7919) % #l + 1
            if l[at] ~= at - 1 then error(at) end
        end
        return #l end)())",
                       event),
              "20000");
}

}  // namespace
}  // namespace millrace::runtime
