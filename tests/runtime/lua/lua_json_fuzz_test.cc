// Goal: the ways from JSON to Lua and back agree with each other on any valid document: the view,
// the decoded table, their encodings. Method: documents made from a seed; a failure prints it.
#include "core/json_writer.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <charconv>

namespace millrace::runtime {
namespace {

// Writes a random document, with blanks, escapes, odd numbers and deep places.
class Generator {
public:
    explicit Generator(std::uint64_t seed) : random_(seed) {}

    std::string object() {
        std::string out;
        write_object(out, 0);
        return out;
    }

private:
    void blank(std::string& out) {
        constexpr std::string_view kBlanks[] = {"", "", "", " ", "\n", "\t ", "\r\n"};
        out += kBlanks[random_.below(std::size(kBlanks))];
    }
    void write_string(std::string& out) {
        constexpr std::string_view kParts[] = {"a",
                                               "payload",
                                               "\\\"",
                                               "\\\\",
                                               "\\u00e9",
                                               "\xc3\xa9",
                                               "{[",
                                               "]}",
                                               "\\n",
                                               ":,",
                                               "\\ud83d\\ude00",
                                               "\\u0000",
                                               "eventId",
                                               "long text to cross a block of sixteen"};
        out += '"';
        for (std::uint64_t i = random_.below(5); i > 0; --i)
            out += kParts[random_.below(std::size(kParts))];
        out += '"';
    }
    void write_number(std::string& out) {
        constexpr std::string_view kNumbers[] = {"0",
                                                 "-1",
                                                 "0.5",
                                                 "1e3",
                                                 "9007199254740992",
                                                 "9007199254740993",
                                                 "-9223372036854775808",
                                                 "18446744073709551615",
                                                 "1E-7",
                                                 "-0.0",
                                                 "123456789.25",
                                                 "2.2250738585072014e-308"};
        out += kNumbers[random_.below(std::size(kNumbers))];
    }
    void write_object(std::string& out, int depth) {
        out += '{';
        const std::uint64_t count = random_.below(6);
        for (std::uint64_t i = 0; i < count; ++i) {
            if (i > 0) out += ',';
            blank(out);
            out += "\"k" + std::to_string(i);
            std::string tail;
            write_string(tail);
            out.append(tail, 1);
            blank(out);
            out += ':';
            write_value(out, depth + 1);
        }
        blank(out);
        out += '}';
    }
    void write_array(std::string& out, int depth) {
        out += '[';
        const std::uint64_t count = random_.below(6);
        for (std::uint64_t i = 0; i < count; ++i) {
            if (i > 0) out += ',';
            write_value(out, depth + 1);
        }
        blank(out);
        out += ']';
    }
    void write_value(std::string& out, int depth) {
        blank(out);
        switch (random_.below(depth > 12 ? 5 : 8)) {
            case 0: out += "null"; break;
            case 1: out += random_.below(2) ? "true" : "false"; break;
            case 2:
            case 3: write_number(out); break;
            case 4: write_string(out); break;
            case 5: write_array(out, depth); break;
            default: write_object(out, depth);
        }
        blank(out);
    }
    core::Random random_;
};

constexpr std::string_view kCompare = R"lua(
local function same(view, plain, path)
    local kind = sdk.json.type(view)
    if kind == "object" then
        local seen = 0
        for k, v in pairs(view) do
            seen = seen + 1
            if not same(v, plain[k], path .. "." .. k) then return false end
            local again = view[k]
            if again ~= v then error("a second look differs at " .. path .. "." .. k) end
        end
        for _ in pairs(plain) do seen = seen - 1 end
        if seen ~= 0 then error("members differ at " .. path) end
        return true
    elseif kind == "array" then
        if #view ~= #plain then error("lengths differ at " .. path) end
        for i = #view, 1, -1 do
            if not same(view[i], plain[i], path .. "." .. i) then return false end
        end
        for i, v in ipairs(view) do
            if sdk.json.type(v) ~= sdk.json.type(plain[i]) and #plain[i] > 0 then
                error("types differ")
            end
        end
        return true
    end
    if view ~= plain then
        error("values differ at " .. path .. ": " .. tostring(view) .. " " .. tostring(plain))
    end
    return true
end
return function(event)
    local text = sdk.json.encode(event)          -- the slice as it came, on one line
    local plain = sdk.json.decode(text)
    same(event, plain, "")
    local again = sdk.json.encode(plain)
    if sdk.json.encode(sdk.json.decode(again)) ~= again then error("not stable: " .. again) end
    same(event, sdk.json.decode(again), "")
    return true
end
)lua";

TEST_F(LuaFixture, JsonBridgeAgreesOnRandomDocuments) {
    const ScriptHandle handle = compile(kCompare);
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        const std::string text = Generator(seed).object();
        EventInput input = input_of(text);
        input.kind = EventInput::Kind::kValue;
        const InvocationResult& result = vm->invoke(handle, input, context, host);
        ASSERT_TRUE(result.completed()) << "seed " << seed << ": " << result.error << "\n" << text;
    }
}

TEST_F(LuaFixture, JsonBridgeRefusesOrReadsBrokenDocumentsWithoutHarm) {
    const ScriptHandle handle =
        compile("return function(event) local ok = pcall(sdk.json.decode, event.t) return ok end");
    core::Random random(11);
    std::uint64_t accepted = 0;
    for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
        std::string text = Generator(seed).object();
        for (std::uint64_t i = random.below(3) + 1; i > 0; --i) {
            text[random.below(text.size())] = "{}[]\",:0e\\ \x01\xff"[random.below(14)];
        }
        std::string wrapped = "{\"t\":";
        core::append_json_string(wrapped, text);
        wrapped += '}';
        const InvocationResult& result = run(handle, wrapped);
        ASSERT_TRUE(result.completed()) << "seed " << seed << ": " << result.error;
        accepted += result.result_json == "true" ? 1 : 0;
    }
    EXPECT_LT(accepted, 1000u);
}

}  // namespace
}  // namespace millrace::runtime
