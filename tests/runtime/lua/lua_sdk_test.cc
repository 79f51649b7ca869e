// Goal: what sdk.* does and refuses. Method: expressions over one event with a host in memory.
#include "core/json_validate.h"
#include "runtime/delivery/script_emit.h"
#include "tests/runtime/lua/lua_fixture.h"

namespace millrace::runtime {
namespace {

using LuaSdkTest = LuaFixture;
constexpr std::string_view kKeyA{"\0a", 2};

TEST_F(LuaSdkTest, EncodesTablesAsTheDocumentSays) {
    const std::pair<const char*, const char*> rows[] = {
        {"{1, nil, 3}", "[1,null,3]"},
        {"{[9] = 3}", R"({"9":3})"},
        {"{[2] = 1}", R"({"2":1})"},
        {"{1, 2, nil, nil, nil, 6}", R"({"1":1,"2":2,"6":6})"},
        {"{1, 2, x = 3}", R"({"1":1,"2":2,"x":3})"},
        {"{[1.5] = 1, [-1] = 2, [10] = 3}", R"({"-1":2,"1.5":1,"10":3})"},
        {"sdk.json.object({1, 2})", R"({"1":1,"2":2})"},
        {"sdk.json.array({1, nil, 3})", "[1,null,3]"},
        {"sdk.json.array({})", "[]"},
    };
    for (const auto& [expression, expected] : rows)
        EXPECT_EQ(value_of(expression), expected) << expression;
    const std::pair<const char*, const char*> refused[] = {
        {"{[1] = 'a', ['1'] = 'b'}", "the key '1' twice"},
        {"{[1] = 'a', ['1'] = 'b', x = 1}", "the key '1' twice"},
        {"sdk.json.array({[9] = 3})", "an array with holes"},
        {"sdk.json.array({1, x = 2})", "keys that are no positions"},
        {"{[true] = 1}", "key of type boolean"},
    };
    for (const auto& [expression, expected] : refused)
        EXPECT_NE(value_of(expression).find(expected), std::string::npos) << value_of(expression);
}

// A field of 5,000 bytes failed the attempt once.
TEST_F(LuaSdkTest, CutsLogsThatAreTooLong) {
    const InvocationResult& result = run(R"lua(return function(event)
        sdk.log.info("x", {v = ("t"):rep(5000)})
        sdk.log.info("x", {v = ("\1"):rep(5000), w = 1})
        local list = {}
        for i = 1, 5000 do list[i] = {i = i} end
        sdk.log.info(list, {list = list, s = ("\195\169"):rep(3000)})
        sdk.log.info(event, {e = event, more = ("t"):rep(5000), e2 = event})
        sdk.log.info("short", {v = 1})
        return true end)lua");
    ASSERT_TRUE(result.completed()) << result.error;
    ASSERT_EQ(result.logs.size(), 5u);
    for (const LuaLogLine& line : result.logs) {
        EXPECT_LE(line.text.size(), kLuaLogLineBytesMax);
        EXPECT_LE(line.fields_json.size(), kLuaLogLineBytesMax);
        EXPECT_TRUE(core::json_validate(line.fields_json)) << line.fields_json;
        EXPECT_EQ(line.cut, line.text != "short");
    }
    EXPECT_EQ(result.logs_shortened, 4u);
    EXPECT_EQ(result.logs_cut, 0u);
}

TEST_F(LuaSdkTest, OptionsNobodyKnowsAreRefused) {
    EXPECT_NE(value_of("sdk.kv.set('k', 1, {tll = 5})").find("kv.set: there is no option 'tll'"),
              std::string::npos);
    EXPECT_NE(value_of("sdk.kv.incr('k', 1, {1})").find("key of type number"), std::string::npos);
    EXPECT_NE(value_of("sdk.cache.set('k', 1, {time = 5})").find("no option 'time'"),
              std::string::npos);
}

TEST_F(LuaSdkTest, CountsExactlyOrSaysTheBound) {
    EXPECT_EQ(value_of("(function() sdk.kv.set('a', sdk.json.decode('9007199254740993')) "
                       "sdk.kv.incr('a', 1) return sdk.kv.get('a') end)()"),
              "9007199254740994");
    EXPECT_EQ(value_of("(function() for i = 1, 10 do sdk.kv.incr('b', 0.1) end "
                       "return sdk.kv.get('b') end)()"),
              "1");
    EXPECT_EQ(value_of("sdk.kv.incr('c', sdk.json.decode('9007199254740993'))"),
              "9007199254740993");
    for (const char* body : {"sdk.kv.set('d', sdk.json.decode('18446744073709551615')) "
                             "sdk.kv.incr('d', 1)",
                             "sdk.kv.incr('e', 1e19)", "sdk.kv.incr('e', -1e300)",
                             "sdk.kv.incr('f', 9e18) sdk.kv.incr('f', 9e18)",
                             "sdk.kv.set('g', 9e18) sdk.kv.incr('g', 0.5) sdk.kv.incr('g', 1e18)"})
        EXPECT_NE(
            value_of(std::string("(function() ") + body + " end)()").find("9223372036854775807"),
            std::string::npos)
            << body;
    EXPECT_NE(value_of("(function() sdk.kv.set('h', 'x') sdk.kv.incr('h', 1) end)()")
                  .find("not a number"),
              std::string::npos);
}

// Reading one value must not disturb the text that the others stand in.
TEST_F(LuaSdkTest, ListsEveryNumberWhole) {
    for (const char* name : {"a", "b", "c", "d"})
        host.rooms[0][std::string(1, '\0') + "n" + name] = R"({"v":9007199254740993.0,"w":1e400})";
    EXPECT_EQ(value_of(R"((function()
        local out = {}
        for _, e in ipairs(sdk.kv.list("n")) do
            out[#out + 1] = e.key .. tostring(e.value.v) .. tostring(e.value.w)
        end
        return table.concat(out, " ") end)())"),
              "\"na9007199254740993inf nb9007199254740993inf nc9007199254740993inf "
              "nd9007199254740993inf\"");
}

TEST_F(LuaSdkTest, ListsBehindWhatTheRunHasDeleted) {
    for (int i = 0; i < 5000; ++i)
        host.rooms[0][std::string(1, '\0') + "k" + std::to_string(10'000 + i)] = "1";
    EXPECT_EQ(value_of(R"((function()
        local first = sdk.kv.list("k", 1000)
        for _, e in ipairs(first) do sdk.kv.delete(e.key) end
        sdk.kv.set("k110000", 1)
        local second = sdk.kv.list("k", 1000)
        return {#first, #second, second[1].key, second[2].key} end)())"),
              R"([1000,1000,"k11000","k110000"])");
}

TEST_F(LuaSdkTest, EncodesValuesInOneForm) {
    EXPECT_EQ(
        value_of("sdk.json.encode({b = 1, a = {1, 2, 'x'}, c = {}, d = sdk.json.null, e = true})"),
        R"("{\"a\":[1,2,\"x\"],\"b\":1,\"c\":{},\"d\":null,\"e\":true}")");
    EXPECT_EQ(value_of("{1, nil, 3}"), "[1,null,3]");
    EXPECT_EQ(value_of("sdk.json.array()"), "[]");
    EXPECT_EQ(value_of("sdk.json.array({})"), "[]");
    EXPECT_EQ(value_of("sdk.json.object({})"), "{}");
    EXPECT_EQ(value_of("sdk.json.decode('[]')"), "[]");
    EXPECT_EQ(value_of("sdk.json.object({'a'})"), R"({"1":"a"})");
    EXPECT_NE(value_of("{[1] = 'a', x = 2}").find(R"("1":"a")"), std::string::npos);
    EXPECT_EQ(value_of("{[1000000] = 'a'}"), R"({"1000000":"a"})");
    EXPECT_EQ(value_of("{1e15, 0.1, -3, 1e300, 2^53, 12345678901234567890ULL, -5LL}"),
              "[1000000000000000,0.1,-3,1e+300,9007199254740992,12345678901234567890,-5]");
    EXPECT_EQ(value_of("'\\n\\t\\0\"\\\\'"), R"("\n\t\u0000\"\\")");
    EXPECT_EQ(value_of("{payload = event.payload.customer, n = 1}"),
              R"({"n":1,"payload":{"id":"c-17","name":"J\u00f6rg \"J\""}})");
}

TEST_F(LuaSdkTest, RefusesWhatJsonCannotSay) {
    EXPECT_NE(value_of("{0/0}").find("nan or inf"), std::string::npos);
    EXPECT_NE(value_of("{1/0}").find("nan or inf"), std::string::npos);
    EXPECT_NE(value_of("{print}").find("holds a function"), std::string::npos);
    EXPECT_NE(value_of("'\\255'").find("not valid UTF-8"), std::string::npos);
    EXPECT_NE(value_of("{[{}] = 1}").find("table key of type table"), std::string::npos);
    EXPECT_NE(value_of("{[true] = 1}").find("table key of type boolean"), std::string::npos);
    EXPECT_NE(value_of("1i").find("JSON can't say"), std::string::npos);
}

TEST_F(LuaSdkTest, DecodesValidTextOnly) {
    EXPECT_EQ(value_of(R"(sdk.json.decode('{"a":[1,2.5,null,true,"x\\u00e9"],"b":{}}'))"),
              "{\"a\":[1,2.5,null,true,\"x\xc3\xa9\"],\"b\":{}}");
    for (const char* bad : {"", "{", "[1,]", "{\"a\":1,}", "nul", "'x'", "01", "1 2", "\"\\x\"",
                            "{\"a\":1,\"a\":2}"}) {
        const ScriptHandle handle = compile("return function(e) return sdk.json.decode(e.t) end");
        const std::string text = "{\"t\":" + std::string("\"") + [&] {
            std::string escaped;
            for (const char* c = bad; *c; ++c) {
                if (*c == '"' || *c == '\\') escaped += '\\';
                escaped += *c;
            }
            return escaped;
        }() + "\"}";
        const InvocationResult& result = run(handle, text);
        EXPECT_EQ(result.status, InvocationStatus::kFailed) << bad;
        EXPECT_NE(result.error.find("json: "), std::string_view::npos) << result.error;
    }
    const std::string deep = "sdk.json.decode(('['):rep(100) .. (']'):rep(100))";
    EXPECT_NE(value_of(deep).find("json: "), std::string::npos);
    EXPECT_NE(value_of("sdk.json.decode(event)").find("string expected"), std::string::npos);
}

TEST_F(LuaSdkTest, TellsJsonTypes) {
    EXPECT_EQ(
        value_of("{sdk.json.type(event), sdk.json.type(event.payload.lines), "
                 "sdk.json.type(event.payload.note), "
                 "sdk.json.type(1), sdk.json.type('a'), sdk.json.type({}), sdk.json.type({1}), "
                 "sdk.json.type(sdk.json.array()), sdk.json.type(true)}"),
        R"(["object","array","null","number","string","object","array","array","boolean"])");
}

TEST_F(LuaSdkTest, EmitsEventsWithDerivedIds) {
    context.subscription_number = 7;
    context.causation_depth = 2;
    const InvocationResult& result =
        run("return function(event) local a = sdk.events.emit('invoice.seen', {n = 1}) "
            "local b = sdk.events.publish('invoice.big', event.payload.customer, {partitionKey = "
            "'k', priority = 5, "
            "version = '2', correlationId = 'c2', scheduledAt = '2026-01-31T12:00:00Z', context = "
            "{type = 'user', id = 'u'}}) "
            "sdk.events.emit('bare') return {a, b} end");
    ASSERT_EQ(result.emitted.size(), 3u) << result.error;
    const EmittedEvent& first = result.emitted[0];
    EXPECT_EQ(first.event_id, derive_event_id(cause_key({}, {}, "inv-1"), 7, 0).view());
    EXPECT_EQ(first.pattern, "invoice.seen");
    EXPECT_EQ(first.payload, R"({"n":1})");
    EXPECT_EQ(first.causation_depth, 3u);
    const EmittedEvent& second = result.emitted[1];
    EXPECT_EQ(second.event_id, derive_event_id(cause_key({}, {}, "inv-1"), 7, 1).view());
    EXPECT_EQ(second.payload, R"({"id":"c-17","name":"J\u00f6rg \"J\""})");
    EXPECT_EQ(second.partition_key, "k");
    EXPECT_EQ(second.priority, 5);
    EXPECT_EQ(second.version, "2");
    EXPECT_EQ(second.correlation_id, "c2");
    EXPECT_EQ(second.scheduled_at_us, 1769860800000000);
    EXPECT_EQ(second.context_json, R"({"id":"u","type":"user"})");
    EXPECT_EQ(result.emitted[2].payload, "{}");
    EXPECT_EQ(result.result_json,
              "[\"" + std::string(first.event_id) + "\",\"" + std::string(second.event_id) + "\"]");
}

TEST_F(LuaSdkTest, DerivesTheSameIdAgainAndAnotherForEveryOther) {
    const EventSource shop{"external", "shop"};
    const auto cause = [](core::TenantId tenant, const EventSource& source, std::string_view id) {
        return cause_key(tenant, source, id);
    };
    const CauseKey key = cause(core::TenantId(1), shop, "c");
    const auto id = derive_event_id(key, 1, 0);
    EXPECT_EQ(id.view(), derive_event_id(cause(core::TenantId(1), shop, "c"), 1, 0).view());
    EXPECT_NE(id.view(), derive_event_id(key, 1, 1).view());
    EXPECT_NE(id.view(), derive_event_id(key, 2, 0).view());
    for (const CauseKey& other :
         {cause(core::TenantId(1), shop, "c2"), cause(core::TenantId(2), shop, "c"),
          cause(core::TenantId(1), {"external", "shop2"}, "c"),
          cause(core::TenantId(1), {"task", "shop"}, "c"),
          cause(core::TenantId(1), {"externals", "hop"}, "c"),
          cause(core::TenantId(1), {"external", "shopc"}, "")}) {
        EXPECT_NE(id.view(), derive_event_id(other, 1, 0).view());
    }
    EXPECT_TRUE(id.view().starts_with("ed_"));
    EXPECT_EQ(id.view().size(), kDerivedEventIdBytes);
}

TEST_F(LuaSdkTest, BuildsTheEnvelopeOfAnEmittedEvent) {
    EmittedEvent event;
    event.event_id = "ed_1";
    event.pattern = "a.b";
    event.payload = R"({"n":1})";
    event.partition_key = "k\"";
    EmitCause cause;
    cause.event_id = "inv-1";
    cause.context_json = R"({"type":"user","id":"u"})";
    cause.source_id = "scr-1";
    cause.now_us = 1769860800000000;
    std::string out;
    append_emitted_envelope(out, event, cause);
    EXPECT_EQ(
        out,
        R"({"eventId":"ed_1","pattern":"a.b","version":"1.0","source":{"type":"task","id":"scr-1"},)"
        R"("timestamp":"2026-01-31T12:00:00.000Z","partitionKey":"k\"","payload":{"n":1},"metadata":)"
        R"({"correlationId":"inv-1","causationId":"inv-1","context":{"type":"user","id":"u"}}})");
    out.clear();
    cause.correlation_id = "corr";
    append_emitted_envelope(out, event, cause);
    EXPECT_NE(out.find(R"("correlationId":"corr","causationId":"inv-1")"), std::string::npos);
}

TEST_F(LuaSdkTest, RefusesEmitsThatAreWrong) {
    EXPECT_NE(value_of("sdk.events.emit('')").find("pattern is empty"), std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit('a\\1b', {})").find("control"), std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit(('a'):rep(257), {})").find("the limit is 256"),
              std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit('a\\255', {})").find("not valid UTF-8"), std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit('a', {1})").find("must be an object"), std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit('a', 5)").find("must be an object"), std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit('a', {x = ('y'):rep(2^20)})").find("too large"),
              std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit('a', {}, {partitionKey = 1})")
                  .find("partitionKey must be a string"),
              std::string::npos);
    EXPECT_NE(value_of("sdk.events.emit('a', {}, {scheduledAt = 'soon'})").find("RFC 3339"),
              std::string::npos);
    context.causation_depth = core::kCausationDepthMax;
    EXPECT_NE(value_of("sdk.events.emit('a', {})").find("a loop is cut here"), std::string::npos);
}

TEST_F(LuaSdkTest, ReadsItsOwnKvWrites) {
    host.rooms[0][std::string(kKeyA)] = "5";
    const InvocationResult& result = run(
        "return function() local kv, r = sdk.kv, {} "
        "r[1] = kv.get('a') r[2] = kv.incr('a') r[3] = kv.incr('a', 10) r[4] = kv.get('a') "
        "kv.set('a', {x = {1}}) r[5] = kv.get('a').x[1] kv.delete('a') r[6] = kv.get('a') == nil "
        "r[7] = kv.incr('a', 2.5) r[8] = kv.get('never') == nil kv.set('s', 'text') r[9] = "
        "kv.get('s') return r end");
    EXPECT_EQ(result.result_json, R"([5,6,16,16,1,true,2.5,true,"text"])") << result.error;
    ASSERT_EQ(result.kv_ops.size(), 5u);
    EXPECT_EQ(result.kv_ops[0].kind, KvOp::Kind::kIncrement);
    EXPECT_EQ(result.kv_ops[0].delta, 11);
    EXPECT_EQ(result.kv_ops[0].key, kKeyA);
    EXPECT_EQ(result.kv_ops[1].kind, KvOp::Kind::kSet);
    EXPECT_EQ(result.kv_ops[1].value_json, R"({"x":[1]})");
    EXPECT_EQ(result.kv_ops[2].kind, KvOp::Kind::kDelete);
    EXPECT_EQ(result.kv_ops[3].delta_text, "2.5");
}

TEST_F(LuaSdkTest, KeepsKvRoomsAndSpacesApart) {
    const ScriptHandle write = compile(
        "return function() sdk.kv.set('k', 1) sdk.cache.set('k', 2) sdk.kv.namespace('n').set('k', "
        "3) end");
    host.commit(run(write));
    EXPECT_EQ(value_of("{sdk.kv.get('k'), sdk.cache.get('k'), sdk.kv.namespace('n').get('k'), "
                       "tostring(sdk.kv.namespace('m').get('k'))}"),
              R"([1,2,3,"nil"])");
    EXPECT_NE(value_of("sdk.kv.namespace('')").find("1 to 128"), std::string::npos);
}

TEST_F(LuaSdkTest, ExpiresByTtl) {
    const InvocationResult& result =
        run("return function() sdk.kv.set('a', 1) sdk.kv.set('b', 1, {ttl = 2.5}) "
            "sdk.cache.set('c', 1) "
            "sdk.cache.set('d', 1, {ttl = 1}) sdk.kv.incr('e', 1, {ttl = 3}) sdk.kv.incr('f') end");
    ASSERT_EQ(result.kv_ops.size(), 6u) << result.error;
    EXPECT_EQ(result.kv_ops[0].expires_at_us, 0);
    EXPECT_EQ(result.kv_ops[1].expires_at_us, host.now_us + 2'500'000);
    EXPECT_EQ(result.kv_ops[2].expires_at_us, host.now_us + 300'000'000);
    EXPECT_EQ(result.kv_ops[3].expires_at_us, host.now_us + 1'000'000);
    EXPECT_EQ(result.kv_ops[4].expires_at_us, host.now_us + 3'000'000);
    EXPECT_EQ(result.kv_ops[5].expires_at_us, 0);
    EXPECT_NE(value_of("sdk.kv.set('a', 1, {ttl = -1})").find("ttl"), std::string::npos);
}

TEST_F(LuaSdkTest, ListsWithItsOwnWritesLaidOver) {
    host.rooms[0][std::string("\0u:a", 4)] = "1";
    host.rooms[0][std::string("\0u:b", 4)] = "{\"x\":2}";
    host.rooms[0][std::string("\0u:c", 4)] = "3";
    host.rooms[0][std::string("\0v", 2)] = "9";
    EXPECT_EQ(value_of("sdk.kv.list('u:')"),
              R"([{"key":"u:a","value":1},{"key":"u:b","value":{"x":2}},{"key":"u:c","value":3}])");
    EXPECT_EQ(value_of("(function() local kv = sdk.kv kv.delete('u:a') kv.incr('u:c') "
                       "kv.set('u:d', 4) kv.set('w', 1) "
                       "return kv.list('u:') end)()"),
              R"([{"key":"u:b","value":{"x":2}},{"key":"u:c","value":4},{"key":"u:d","value":4}])");
    EXPECT_EQ(value_of("sdk.kv.list('u:', 1)"), R"([{"key":"u:a","value":1}])");
    EXPECT_EQ(value_of("#sdk.kv.list()"), "4");
    EXPECT_EQ(value_of("sdk.kv.list('zz')"), "{}");
}

TEST_F(LuaSdkTest, RefusesWrongKvCalls) {
    host.rooms[0][std::string(kKeyA)] = "\"text\"";
    EXPECT_NE(value_of("sdk.kv.incr('a')").find("not a number"), std::string::npos);
    EXPECT_NE(value_of("sdk.kv.set('k', nil)").find("the value is nil"), std::string::npos);
    EXPECT_NE(value_of("sdk.kv.set(('k'):rep(1025), 1)").find("the limit is 1024"),
              std::string::npos);
    EXPECT_NE(value_of("sdk.kv.set('k', ('v'):rep(300000))").find("too large"), std::string::npos);
    EXPECT_NE(value_of("sdk.kv.incr('k', 1/0)").find("not finite"), std::string::npos);
    host.unavailable = true;
    EXPECT_NE(value_of("sdk.kv.get('k')").find("can't be read"), std::string::npos);
    EXPECT_NE(value_of("sdk.kv.list('k')").find("can't be read"), std::string::npos);
}

TEST_F(LuaSdkTest, CapsWhatOneRunLeavesBehind) {
    EXPECT_NE(value_of("(function() for i = 1, 1001 do sdk.events.emit('a') end end)()")
                  .find("more than 1000 events"),
              std::string::npos);
    EXPECT_NE(value_of("(function() local p = {x = ('y'):rep(900000)} for i = 1, 5 do "
                       "sdk.events.emit('a', p) end end)()")
                  .find("bytes of payload"),
              std::string::npos);
    EXPECT_NE(value_of("(function() for i = 1, 4097 do sdk.kv.set('k' .. i, 1) end end)()")
                  .find("more than 4096 writes"),
              std::string::npos);
    EXPECT_NE(value_of("(function() local v = ('y'):rep(200000) for i = 1, 25 do sdk.kv.set('k' .. "
                       "i, v) end end)()")
                  .find("bytes written"),
              std::string::npos);
    const InvocationResult& flood =
        run("return function() for i = 1, 150 do sdk.log.info(('x'):rep(5000)) end end");
    EXPECT_TRUE(flood.completed());
    EXPECT_EQ(flood.logs.size(), kLuaLogLinesPerRunMax);
    EXPECT_EQ(flood.logs_cut, 50u);
    EXPECT_EQ(flood.logs[0].text.size(), kLuaLogLineBytesMax);
}

TEST_F(LuaSdkTest, LogsAnythingAsValidText) {
    const InvocationResult& result = run(
        "return function(event) sdk.log.debug('d') sdk.log.info({a = 1}, {b = 2}) "
        "sdk.log.warn('\\255x') "
        "sdk.log.error(event.payload.lines[1], {f = print, n = 0/0}) print('a', 1, nil, true) end");
    ASSERT_EQ(result.logs.size(), 5u) << result.error;
    EXPECT_EQ(result.logs[0].level, LuaLogLevel::kDebug);
    EXPECT_EQ(result.logs[1].text, "{\"a\":1}");
    EXPECT_EQ(result.logs[1].fields_json, "{\"b\":2}");
    EXPECT_EQ(result.logs[2].text, "\xEF\xBF\xBDx");
    EXPECT_EQ(result.logs[3].text, "{\"sku\":\"a\",\"qty\":2}");
    EXPECT_EQ(result.logs[3].fields_json, "{\"f\":\"function\",\"n\":null}");
    EXPECT_EQ(result.logs[4].text, "a\t1\tnull\ttrue");
    EXPECT_EQ(result.logs[4].at_us, host.now_us);
}

TEST_F(LuaSdkTest, CutsALongLogLineBetweenCharacters) {
    const InvocationResult& result =
        run("return function() sdk.log.info(('x'):rep(4095) .. '\xc3\xa9' .. ('y'):rep(10)) end");
    EXPECT_EQ(result.logs[0].text.size(), 4095u);
}

TEST_F(LuaSdkTest, AsksForPermissions) {
    ScriptOptions options;
    options.permissions = 0;
    const auto error_of = [&](std::string_view call) {
        const ScriptHandle handle =
            compile("return function() " + std::string(call) + " end", options);
        return std::string(run(handle).error.substr(0, 80));
    };
    EXPECT_NE(error_of("sdk.kv.get('a')").find("permission 'kv' is not granted"),
              std::string::npos);
    EXPECT_NE(error_of("sdk.cache.set('a', 1)").find("permission 'kv' is not granted"),
              std::string::npos);
    EXPECT_NE(error_of("sdk.events.emit('a')").find("permission 'emit' is not granted"),
              std::string::npos);
    EXPECT_NE(error_of("sdk.secrets.get('a')").find("permission 'secrets' is not granted"),
              std::string::npos);
    EXPECT_NE(error_of("sdk.http.get('http://x')").find("permission 'http' is not granted"),
              std::string::npos);
    EXPECT_EQ(error_of("sdk.log.info('x') return sdk.time.now()"), "");
}

TEST_F(LuaSdkTest, ReadsSecrets) {
    host.secrets["token"] = "s3";
    EXPECT_EQ(value_of("{sdk.secrets.get('token'), tostring(sdk.secrets.get('none'))}"),
              R"(["s3","nil"])");
}

TEST_F(LuaSdkTest, TellsTime) {
    EXPECT_EQ(value_of("sdk.time.now()"), "1700000000.123456");
    EXPECT_EQ(value_of("sdk.time.iso()"), "\"2023-11-14T22:13:20.123456Z\"");
    EXPECT_EQ(value_of("sdk.time.iso(1769860800.5)"), "\"2026-01-31T12:00:00.500Z\"");
    EXPECT_EQ(value_of("sdk.time.parse('2026-01-31T13:00:00+01:00')"), "1769860800");
    EXPECT_EQ(value_of("{sdk.time.parse('today') == nil, select(2, sdk.time.parse('today'))}"),
              R"([true,"not RFC 3339, as in 2026-01-31T12:00:00Z"])");
    EXPECT_EQ(value_of("sdk.time.parse(sdk.time.iso(sdk.time.now())) == sdk.time.now()"), "true");
    EXPECT_NE(value_of("sdk.time.iso(1e300)").find("years"), std::string::npos);
}

TEST_F(LuaSdkTest, HasTheCryptoOfEveryDay) {
    EXPECT_EQ(value_of("sdk.crypto.sha256('abc')"),
              "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
    EXPECT_EQ(value_of("sdk.crypto.hmac('Jefe', 'what do ya want for nothing?')"),
              "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\"");
    EXPECT_EQ(value_of("{sdk.crypto.base64(''), sdk.crypto.base64('f'), sdk.crypto.base64('fo'), "
                       "sdk.crypto.base64('foo'), "
                       "sdk.crypto.base64('foob')}"),
              R"(["","Zg==","Zm8=","Zm9v","Zm9vYg=="])");
    EXPECT_EQ(value_of("sdk.crypto.unbase64('Zm9vYg==') .. sdk.crypto.unbase64('Zm9vYg')"),
              "\"foobfoob\"");
    EXPECT_EQ(
        value_of("sdk.crypto.unbase64(sdk.crypto.base64('\\0\\255\\128')) == '\\0\\255\\128'"),
        "true");
    EXPECT_NE(value_of("sdk.crypto.unbase64('a')").find("not base64"), std::string::npos);
    EXPECT_NE(value_of("sdk.crypto.unbase64('a$==')").find("not base64"), std::string::npos);
    EXPECT_EQ(value_of("sdk.crypto.hex('\\0\\255') .. sdk.crypto.unhex('4a4B')"), "\"00ffJK\"");
    EXPECT_NE(value_of("sdk.crypto.unhex('4')").find("not hexadecimal"), std::string::npos);
    EXPECT_EQ(value_of("(sdk.crypto.uuid():match('^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%"
                       "x%-%x%x%x%x%x%x%x%x%x%x%x%x$')) ~= nil"),
              "true");
    EXPECT_EQ(value_of("sdk.crypto.uuid() ~= sdk.crypto.uuid()"), "true");
}

}  // namespace
}  // namespace millrace::runtime
