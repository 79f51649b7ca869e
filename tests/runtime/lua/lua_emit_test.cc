// Goal: whatever emit takes, ingest takes, and whatever ingest takes can be handed to a handler and
// emitted again; what ingest would refuse raises at emit. Method: the parser of ingest reads every
// finished event; events at the limits and events made from a seed.
#include "core/event_parser.h"
#include "tests/runtime/lua/lua_fixture.h"

namespace millrace::runtime {
namespace {

class LuaEmitTest : public LuaFixture {
protected:
    // What the parser says about an event: empty when it takes it.
    std::string refusal(std::string_view line) {
        std::string text(line);
        if (!text.empty() && text.back() == '\n') text.pop_back();
        if (text.find('\n') != std::string::npos) return "more than one line";
        const std::size_t bytes = text.size();
        text.resize(bytes + 64, ' ');
        core::Envelope envelope;
        const core::Status status =
            parser_.parse_one(std::string_view(text).substr(0, bytes), nullptr, envelope, nullptr);
        return status ? "" : status.error().message;
    }
    // Runs and checks that what it emits is taken; the error of a failed run.
    std::string emits(std::string_view body, std::string_view text = kInvoice) {
        const ScriptHandle handle = compile("return function(event) " + std::string(body) + " end");
        const InvocationResult& result = run(handle, text);
        const std::string error(result.error);
        if (result.completed()) {
            EXPECT_FALSE(result.emitted.empty()) << body;
            for (const EmittedEvent& event : result.emitted)
                EXPECT_EQ(refusal(event.envelope), "") << event.envelope.substr(0, 400);
        }
        vm->remove(handle);
        return error;
    }

    core::EventParser parser_;
};

TEST_F(LuaEmitTest, RaisesWhatIngestWouldRefuse) {
    const std::pair<const char*, const char*> rows[] = {
        {"sdk.events.emit('o', {}, {context = {type = 'nope'}})", "metadata.context.type"},
        {"sdk.events.emit('o', {}, {context = {id = 7}})", "metadata.context.id"},
        {"local p = {} local at = p for i = 1, 63 do at.a = {} at = at.a end "
         "sdk.events.emit('o', p)",
         "nested deeper than 63"},
        {"local p = {} for i = 1, 10001 do p['k' .. i] = 1 end sdk.events.emit('o', p)",
         "more than 10000 keys"},
        {"sdk.events.emit('o', {s = ('x'):rep(1048500)})", "the limit is 1048576"},
        {"sdk.events.emit('o', {[1] = 'a', ['1'] = 'b', x = 1})", "the key '1' twice"},
        {"sdk.events.emit('o', {1, 2})", "must be an object"},
        {"sdk.events.emit('', {})", "pattern is empty"},
        {"sdk.events.emit(('p'):rep(257), {})", "limit is 256"},
        {"sdk.events.emit('a\\0b', {})", "control character"},
        {"sdk.events.emit('a\\127', {})", "control character"},
        {"sdk.events.emit('\\255', {})", "UTF-8"},
        {"sdk.events.emit('o', {}, {prioritee = 1})", "no option 'prioritee'"},
        {"sdk.events.emit('o', {}, {1})", "key of type number"},
        {"sdk.events.emit('o', {}, {priority = 1.5})", "integer of 32 bits"},
        {"sdk.events.emit('o', {}, {priority = 2^31})", "integer of 32 bits"},
        {"sdk.events.emit('o', {}, {partitionKey = ('k'):rep(257)})", "at most 256 bytes"},
        {"sdk.events.emit('o', {}, {scheduledAt = 'soon'})", "RFC 3339"},
        {"sdk.events.emit('o', event)  sdk.events.emit('o', {e = {e = sdk.json.null}}) "
         "sdk.events.emit('bad', {f = print}) sdk.events.emit('o', {})",
         "holds a function"},
    };
    for (const auto& [body, expected] : rows)
        EXPECT_NE(emits(body).find(expected), std::string::npos) << body << "\n" << emits(body);
}

TEST_F(LuaEmitTest, TakesWhatIsJustWithinTheLimits) {
    for (const char* body : {
             "local p = {} local at = p for i = 1, 62 do at.a = {} at = at.a end "
             "sdk.events.emit('o', p)",
             "local p = {} for i = 1, 10000 do p['k' .. i] = 1 end sdk.events.emit('o', p)",
             "sdk.events.emit('o', {s = ('x'):rep(1048000)})",
             "sdk.events.emit('with blank', {}, {context = {type = 'user', id = 'u', x = {1}}})",
             "sdk.events.emit(('p'):rep(256), {}, {partitionKey = ('k'):rep(256), "
             "correlationId = ('c'):rep(256), version = ('v'):rep(64), priority = -2147483647, "
             "scheduledAt = 253402300799})",
             "sdk.events.emit('o', {n = 2^64, m = -0.0, l = sdk.json.array(), t = 1e-300})",
         }) {
        EXPECT_EQ(emits(body), "") << body;
    }
}

TEST_F(LuaEmitTest, AViewThatIsTooDeepForAPayloadRaises) {
    std::string deep = R"({"payload":)";
    for (int i = 0; i < 63; ++i) deep += "{\"a\":";
    deep += "1" + std::string(64, '}');
    ASSERT_EQ(refusal(R"({"pattern":"p",)" + deep.substr(1)), "");
    const std::string event = R"({"pattern":"p",)" + deep.substr(1);
    EXPECT_EQ(emits("sdk.events.emit('o', event.payload)", event), "");
    EXPECT_NE(emits("sdk.events.emit('o', event)", event).find("nested deeper than 63"),
              std::string::npos);
    EXPECT_NE(
        emits("sdk.events.emit('o', {p = event.payload})", event).find("nested deeper than 63"),
        std::string::npos);
    EXPECT_EQ(emits("sdk.events.emit('o', {p = event.payload.a})", event), "");
    EXPECT_NE(value_of("(function() sdk.kv.set('k', {{event.payload}}) end)()", event)
                  .find("nested deeper than 64"),
              std::string::npos);
}

TEST_F(LuaEmitTest, ALowerLimitHoldsForEmittedEventsToo) {
    context.event_bytes_max = 400;
    EXPECT_EQ(emits("sdk.events.emit('o', {a = 1})"), "");
    EXPECT_NE(emits("sdk.events.emit('o', {s = ('x'):rep(300)})").find("the limit is 400"),
              std::string::npos);
}

TEST_F(LuaEmitTest, ARefusedEventLeavesRoomForOthers) {
    EXPECT_EQ(emits("for i = 1, 20 do pcall(sdk.events.emit, 'o', {s = ('x'):rep(1048500)}) end "
                    "sdk.events.emit('o', {s = ('x'):rep(1000000)})"),
              "");
}

// Payloads with every kind of number and text, as ingest takes them, go out as they came.
TEST_F(LuaEmitTest, WhatIngestTakesCanBeEmittedAgain) {
    core::Random random(3);
    constexpr std::string_view kValues[] = {"1e400",
                                            "-1E-400",
                                            "100000000000000000001",
                                            "0.10000000000000001",
                                            "-0",
                                            "18446744073709551615",
                                            R"("\u0000\ud83d\ude00")",
                                            "\"\xc3\xa9\"",
                                            "null",
                                            "true",
                                            "[]",
                                            "{}",
                                            R"([1,[2.50,{"a":-0.0}]])",
                                            R"({"\u0061":{"b":[1e5]}})"};
    const ScriptHandle handle = compile(R"lua(
        local function walk(v)
            if sdk.json.type(v) == "object" or sdk.json.type(v) == "array" then
                for k, inner in pairs(v) do walk(inner) end
            else
                return tostring(v)
            end
        end
        return function(event)
            walk(event)
            sdk.events.emit(event.pattern, event.payload)
            sdk.events.emit("again", {inside = event.payload})
            sdk.kv.set("k", event.payload)
            walk(sdk.kv.get("k"))
            walk(sdk.kv.list("k"))
            sdk.log.info(event, event.payload)
            return event
        end)lua");
    for (int round = 0; round < 300; ++round) {
        std::string payload = "{";
        for (std::uint64_t i = 0, n = random.below(8); i < n; ++i) {
            if (i > 0) payload += ',';
            payload += "\"m" + std::to_string(i) + "\" : ";
            payload += kValues[random.below(std::size(kValues))];
        }
        payload += "}";
        const std::string event = R"({"pattern":"a b.\u00e9","payload":)" + payload + "}";
        ASSERT_EQ(refusal(event), "") << event;
        const InvocationResult& result = run(handle, event);
        ASSERT_TRUE(result.completed()) << result.error << "\n" << event;
        ASSERT_EQ(result.emitted.size(), 2u);
        EXPECT_EQ(result.emitted[0].payload, payload);
        for (const EmittedEvent& emitted : result.emitted) {
            EXPECT_EQ(refusal(emitted.envelope), "") << emitted.envelope;
            EXPECT_NE(emitted.envelope.find(payload), std::string_view::npos);
        }
        host.commit(result);
    }
}

}  // namespace
}  // namespace millrace::runtime
