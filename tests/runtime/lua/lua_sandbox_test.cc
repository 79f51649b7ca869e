// Goal: a script finds what is on the list and nothing else, can't reach another script, the
//       machine or
// the VM's inside. Method: the walk over _G is compared with a list of its own; then every known
// trick.
#include "tests/runtime/lua/lua_fixture.h"

#include <set>

namespace millrace::runtime {
namespace {

using LuaSandboxTest = LuaFixture;

constexpr std::string_view kWalk = R"lua(
local seen, names = {}, {}
local function walk(t, path)
    if seen[t] then return end
    seen[t] = true
    for k, v in pairs(t) do
        names[#names + 1] = path .. tostring(k)
        if type(v) == "table" then walk(v, path .. tostring(k) .. ".") end
    end
end
walk(_G, "")
table.sort(names)
return table.concat(names, " ")
)lua";

// The allow-list once more, by hand: a name that appears or vanishes must be put here on purpose.
constexpr std::string_view kAllowed =
    "_G _VERSION assert error getmetatable setmetatable ipairs next pairs pcall print rawequal "
    "rawget "
    "rawset select tonumber tostring type unpack xpcall "
    "bit bit.arshift bit.band bit.bnot bit.bor bit.bswap bit.bxor bit.lshift bit.rol bit.ror "
    "bit.rshift "
    "bit.tobit bit.tohex "
    "coroutine coroutine.create coroutine.resume coroutine.running coroutine.status coroutine.wrap "
    "coroutine.yield "
    "math math.abs math.acos math.asin math.atan math.atan2 math.ceil math.cos math.cosh math.deg "
    "math.exp "
    "math.floor math.fmod math.frexp math.huge math.ldexp math.log math.log10 math.max math.min "
    "math.modf "
    "math.pi math.pow math.rad math.random math.sin math.sinh math.sqrt math.tan math.tanh "
    "string string.byte string.char string.find string.format string.gmatch string.gsub string.len "
    "string.lower string.match string.rep string.reverse string.sub string.upper "
    "table table.concat table.insert table.maxn table.remove table.sort "
    "sdk sdk.actions sdk.actions.call sdk.cache sdk.cache.delete sdk.cache.get sdk.cache.incr "
    "sdk.cache.list "
    "sdk.cache.namespace "
    "sdk.cache.set sdk.crypto sdk.crypto.base64 sdk.crypto.hex sdk.crypto.hmac sdk.crypto.sha256 "
    "sdk.crypto.unbase64 sdk.crypto.unhex sdk.crypto.uuid sdk.db sdk.db.query sdk.events "
    "sdk.events.current "
    "sdk.events.emit "
    "sdk.events.publish sdk.events.subscribe sdk.http sdk.http.all sdk.http.delete sdk.http.get "
    "sdk.http.patch sdk.http.post sdk.http.put sdk.http.request "
    "sdk.http.respond sdk.json sdk.json.array "
    "sdk.json.copy "
    "sdk.json.decode sdk.json.encode sdk.json.null sdk.json.object sdk.json.type sdk.kv "
    "sdk.kv.delete "
    "sdk.kv.get sdk.kv.incr sdk.kv.list sdk.kv.namespace sdk.kv.set sdk.log sdk.log.debug "
    "sdk.log.error "
    "sdk.log.info sdk.log.warn sdk.secrets sdk.secrets.get sdk.sleep sdk.time sdk.time.iso "
    "sdk.time.now "
    "sdk.time.parse";

std::set<std::string> words(std::string_view text) {
    std::set<std::string> all;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (end > 0) all.emplace(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return all;
}

TEST_F(LuaSandboxTest, ShowsTheAllowedNamesAndNoOthers) {
    const InvocationResult& result = run(kWalk);
    ASSERT_TRUE(result.completed()) << result.error;
    const std::string_view list = result.result_json.substr(1, result.result_json.size() - 2);
    EXPECT_EQ(words(list), words(kAllowed));
}

TEST_F(LuaSandboxTest, HidesEveryNameThatOpensADoor) {
    for (const char* name : {"ffi",
                             "io",
                             "os",
                             "debug",
                             "package",
                             "require",
                             "module",
                             "load",
                             "loadstring",
                             "loadfile",
                             "dofile",
                             "jit",
                             "getfenv",
                             "setfenv",
                             "newproxy",
                             "collectgarbage",
                             "gcinfo",
                             "string.dump",
                             "table.new",
                             "string.buffer",
                             "math.randomseed",
                             "bit.loadlib",
                             "package and package.preload"}) {
        EXPECT_EQ(value_of("tostring(" + std::string(name) + ")"), "\"nil\"") << name;
    }
}

TEST_F(LuaSandboxTest, StopsEveryKnownTrick) {
    for (const char* trick : {
             "getmetatable('').__index.rep",                      // the library behind strings
             "(function() getmetatable('').__index = {} end)()",  // ...and changing it
             "('').dump(print)",
             "string.dump(function() end)",
             "(function() return require('ffi') end)()",
             "ipairs(1)",
             "pairs(nil)",
             "next(event)",
             "setmetatable('', {})",
             "setmetatable(sdk.json.null, {})",
             "setmetatable(ctx, {})",
             "(function() ctx.fail = nil end)()",
             "rawset(ctx, 'a', 1)",
             "setmetatable(sdk.json.array(), {})",  // a hint is nobody's to change
             "sdk.json.array(setmetatable({}, {__metatable = 1}))",
             "(1LL).x",
             "(function() local a = 1LL a.x = 1 end)()",
             "(1LL)()",
             "#1LL",
             "(function() return (1LL):x() end)()",
             "sdk.json.null.x",
             "sdk.json.null()",
             "coroutine.wrap(1)",
             "string.rep()",
             "table.concat({{}})",
             "unpack({}, 1, 1e8)",
             "string.format('%d', 'x')",
             "string.char(256)",
             "('x'):rep(-1, 5).y.z",
         }) {
        const ScriptHandle handle =
            compile("return function(event, ctx) return " + std::string(trick) + " end");
        const InvocationResult& result = run(handle);
        EXPECT_EQ(result.status, InvocationStatus::kFailed)
            << trick << " gave " << result.result_json;
        EXPECT_FALSE(vm->poisoned()) << trick;
    }
    EXPECT_EQ(value_of("1 + 1"), "2");
}

TEST_F(LuaSandboxTest, GivesEveryScriptGlobalsOfItsOwn) {
    const ScriptHandle a = compile(
        "return function() secret = 'a' _G.other = 'b' string.format = nil table.insert = nil "
        "math.pi = 3 "
        "sdk.kv.get = nil sdk = {stolen = true} pairs = nil rawset(_G, 'x', 1) table.insert2 = 1 "
        "return tostring(secret) .. tostring(sdk.stolen) end");
    EXPECT_EQ(run(a).result_json, "\"atrue\"");
    const ScriptHandle b = compile(
        "return function() return {tostring(secret), tostring(other), type(string.format), "
        "type(table.insert), "
        "math.pi > 3.1, type(sdk.kv.get), tostring(rawget(sdk, 'stolen')), type(pairs), "
        "tostring(x), tostring(table.insert2)} end");
    EXPECT_EQ(
        run(b).result_json,
        R"(["nil","nil","function","function",true,"function","nil","function","nil","nil"])");
}

TEST_F(LuaSandboxTest, SharesNothingThatCanBeWritten) {
    // Whatever tables a script reaches: it marks them all, and another one looks for the mark.
    const ScriptHandle marker = compile(R"lua(
local seen = {}
local function mark(value)
    if type(value) == "table" and not seen[value] then
        seen[value] = true
        for k, v in pairs(value) do mark(v) end
        pcall(rawset, value, "mark", true)
        pcall(table.insert, value, "mark")
    end
    local meta = getmetatable(value)
    if type(meta) == "table" then mark(meta) end
end
return function(event, ctx)
    mark(_G) mark(event) mark(ctx) mark(sdk.json.decode('{"a":[]}'))
    mark("") mark(sdk.json.null) mark(1LL)
    mark(coroutine.running())
end
)lua");
    EXPECT_TRUE(run(marker).completed());
    const ScriptHandle finder = compile(R"lua(
local found, seen = {}, {}
local function find(value, path)
    if type(value) == "table" and not seen[value] then
        seen[value] = true
        if rawget(value, "mark") or rawget(value, 1) == "mark" then found[#found + 1] = path end
        for k, v in pairs(value) do find(v, path .. "." .. tostring(k)) end
    end
end
return function(event, ctx)
    find(_G, "_G") find(sdk.json.decode('{"a":[]}'), "json")
    return #found == 0 and ("").mark == nil and ("x"):rep(2) == "xx"
end
)lua");
    EXPECT_EQ(run(finder).result_json, "true");
}

TEST_F(LuaSandboxTest, RandomNumbersFollowTheSeedOfTheVm) {
    LuaVm::Options options;
    options.seed = 42;
    const auto draw = [&] {
        reset(options);
        return value_of("{math.random(1000), math.random(1000), math.random(1000)}");
    };
    const std::string first = draw();
    EXPECT_EQ(draw(), first);
    options.seed = 43;
    EXPECT_NE(draw(), first);
}

TEST_F(LuaSandboxTest, XpcallRunsItsHandlerAfterUnwinding) {
    EXPECT_EQ(value_of("{xpcall(function(a, b) return a + b end, print, 1, 2)}"), "[true,3]");
    EXPECT_EQ(
        value_of("{xpcall(function() error('x', 0) end, function(m) return 'got ' .. m end)}"),
        R"([false,"got x"])");
}

TEST_F(LuaSandboxTest, WalksNestedTablesInCompiledCode) {
    // The original next, in a recursive walk: this LuaJIT's compiled ITERN loops never ended.
    EXPECT_EQ(
        value_of("(function() local function walk(t) local n = 0 for k, v in pairs(t) do n = n + 1 "
                 "if type(v) == 'table' then n = n + walk(v) end end return n end "
                 "local t = {} for i = 1, 30 do t['k' .. i] = {} for j = 1, 30 do t['k' .. i]['j' "
                 ".. j] = {} end end "
                 "local n = 0 for i = 1, 100 do n = n + walk(t) for k in next, t do n = n + 1 end "
                 "end return n end)()"),
        "96000");
}

TEST_F(LuaSandboxTest, SortsShortAndLongLists) {
    EXPECT_EQ(value_of("(function() local t = {3, 1, 2} table.sort(t) return t end)()"), "[1,2,3]");
    EXPECT_EQ(value_of("(function() local t = {3, 1, 2} table.sort(t, function(a, b) return a > b "
                       "end) return t end)()"),
              "[3,2,1]");
    EXPECT_EQ(
        value_of(
            "(function() local t = {} for i = 1, 10000 do t[i] = (i * 7919) % 10007 end "
            "table.sort(t) "
            "for i = 2, #t do if t[i - 1] > t[i] then return false end end return true end)()"),
        "true");
}

TEST_F(LuaSandboxTest, BuildsWithHooksInCompiledCode) {
#ifdef MILLRACE_LUAJIT_NO_CHECKHOOK
    EXPECT_FALSE(lua_build_warning().empty());
#else
    EXPECT_TRUE(lua_build_warning().empty());
#endif
}

}  // namespace
}  // namespace millrace::runtime
