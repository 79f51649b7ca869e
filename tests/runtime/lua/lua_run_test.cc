// Goal: a state holds many runs that wait, each with its event, its writes, its verdict and its
// time apart from the others'; and a run that never waits is what it was.
// Method: runs are begun, put aside and gone on with in every order, in one state, by hand.
#include "core/random.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

class LuaRunTest : public LuaFixture {
protected:
    LuaTurn start(ScriptHandle handle, const std::string& text) {
        texts_.push_back(std::make_unique<std::string>(text));
        inputs_.push_back(std::make_unique<EventInput>(input_of(*texts_.back())));
        return vm->start(handle, *inputs_.back(), context, host);
    }
    std::string kv_of(const InvocationResult& result) {
        std::string out;
        for (const KvOp& op : result.kv_ops)
            out += std::string(op.key.substr(op.key.find('\0') + 1)) + "=" +
                   std::string(op.value_json) + ";";
        return out;
    }
    static std::string event(int n) {
        return R"({"eventId":"e)" + std::to_string(n) + R"(","pattern":"p","payload":{"n":)" +
               std::to_string(n) + R"(,"deep":{"list":[)" + std::to_string(n) + "," +
               std::to_string(n * 2) + "]}}}";
    }

    std::vector<std::unique_ptr<std::string>> texts_;
    std::vector<std::unique_ptr<EventInput>> inputs_;
};

TEST_F(LuaRunTest, TwoRunsInterleavedKnowNothingOfEachOther) {
    const ScriptHandle handle = compile(R"(return function(event, ctx)
        local deep = event.payload.deep
        sdk.kv.set('x', event.payload.n)
        sdk.log.info('before ' .. event.eventId)
        sdk.sleep(10)
        if sdk.kv.get('x') ~= event.payload.n then error('the other one\'s write') end
        sdk.events.emit('out', {n = deep.list[2]})
        sdk.sleep(20)
        return deep.list[1] + sdk.kv.get('x')
    end)");
    const LuaTurn a = start(handle, event(3));
    ASSERT_FALSE(a.ended);
    EXPECT_EQ(a.wait.kind, LuaWait::Kind::kSleep);
    EXPECT_EQ(a.wait.ms, 10);
    const LuaTurn b = start(handle, event(5));
    ASSERT_FALSE(b.ended);
    EXPECT_EQ(vm->waiting(), 2u);
    const LuaTurn b2 = vm->resume(b.run);
    EXPECT_EQ(b2.wait.ms, 20);
    const LuaTurn a2 = vm->resume(a.run);
    ASSERT_FALSE(a2.ended);
    ASSERT_TRUE(vm->resume(a2.run).ended);
    EXPECT_EQ(vm->result().status, InvocationStatus::kCompleted) << vm->result().error;
    EXPECT_EQ(vm->result().result_json, "6");
    EXPECT_EQ(kv_of(vm->result()), "x=3;");
    ASSERT_EQ(vm->result().emitted.size(), 1u);
    EXPECT_EQ(vm->result().emitted[0].payload, R"({"n":6})");
    ASSERT_EQ(vm->result().logs.size(), 1u);
    EXPECT_EQ(vm->result().logs[0].text, "before e3");
    ASSERT_TRUE(vm->resume(b2.run).ended);
    EXPECT_EQ(vm->result().result_json, "10");
    EXPECT_EQ(kv_of(vm->result()), "x=5;");
    EXPECT_EQ(vm->waiting(), 0u);
}

// Views, budgets and verdicts of hundreds of runs that end in any order.
TEST_F(LuaRunTest, ManyRunsInAnyOrder) {
    const ScriptHandle handle = compile(R"(return function(event, ctx)
        local n, seen = event.payload.n, {}
        for i = 1, n % 4 do
            for k = 1, 80 do seen[k] = event.payload.deep end
            sdk.kv.set('k' .. i, n)
            sdk.sleep(i)
            for k = 1, 80 do if seen[k].list[2] ~= 2 * n then error('a view of another') end end
        end
        if n % 7 == 0 then error('as asked') end
        if n % 11 == 0 then ctx.fail('fatal', 'as asked') end
        return n
    end)");
    const ScriptHandle plain = compile("return function(e) return e.payload.deep.list[1] end");
    core::Random random(5);
    std::map<std::uint64_t, int> waiting;
    int ended = 0;
    const auto check = [&](int n) {
        const InvocationResult& result = vm->result();
        ++ended;
        if (n % 7 == 0) {
            EXPECT_EQ(result.status, InvocationStatus::kFailed);
            EXPECT_NE(result.error.find("as asked"), std::string::npos) << result.error;
            EXPECT_TRUE(result.kv_ops.empty());
        } else if (n % 11 == 0) {
            EXPECT_EQ(result.status, InvocationStatus::kFatal);
        } else {
            EXPECT_EQ(result.status, InvocationStatus::kCompleted) << n << ": " << result.error;
            EXPECT_EQ(result.result_json, std::to_string(n));
            EXPECT_EQ(result.kv_ops.size(), static_cast<std::size_t>(n % 4));
        }
    };
    constexpr int kRuns = 400;
    for (int n = 0; n < kRuns || !waiting.empty();) {
        if (n < kRuns && (waiting.empty() || random.below(3) == 0)) {
            const LuaTurn turn = start(handle, event(n));
            if (turn.ended)
                check(n);
            else
                waiting[turn.run] = n;
            ++n;
            continue;
        }
        const std::string text = event(77);
        EXPECT_EQ(vm->invoke(plain, input_of(text), context, host).result_json, "77");
        auto at =
            std::next(waiting.begin(), static_cast<std::ptrdiff_t>(random.below(waiting.size())));
        const auto [run, of] = *at;
        waiting.erase(at);
        const LuaTurn turn = vm->resume(run);
        if (turn.ended)
            check(of);
        else
            waiting[turn.run] = of;
    }
    EXPECT_EQ(ended, kRuns);
    EXPECT_EQ(vm->waiting(), 0u);
}

TEST_F(LuaRunTest, TenThousandRunsWaitInOneState) {
    constexpr int kMany = 10'000;
    constexpr std::size_t kBytesEachMax = 4'096;
    const ScriptHandle handle =
        compile("return function(event) local n = event.payload.n sdk.sleep(1) return n end");
    std::size_t first = 0;
    for (int round = 0; round < 8; ++round) {
        std::vector<std::uint64_t> waiting;
        for (int n = 0; n < kMany; ++n) {
            const LuaTurn turn = start(handle, event(n));
            ASSERT_FALSE(turn.ended);
            waiting.push_back(turn.run);
        }
        EXPECT_EQ(vm->waiting(), static_cast<std::size_t>(kMany));
        const std::size_t bytes = vm->memory_bytes();
        EXPECT_LE(bytes, kMany * kBytesEachMax);
        if (round == 0) first = bytes;
        // A collection begins at twice of what lived after the last one, and has an end while more
        // comes; of something that each round leaves behind the eighth would have more.
        EXPECT_LE(bytes, 3 * first) << "garbage that is not collected yet, and no more";
        for (int n = 0; n < kMany; ++n) {
            ASSERT_TRUE(vm->resume(waiting[static_cast<std::size_t>(n)]).ended);
            EXPECT_EQ(vm->result().result_json, std::to_string(n)) << vm->result().error;
        }
    }
}

// What a run has come by of its event stands by it over a wait, small and large, and so do its
// writes; one that has written nothing leaves the state its room.
TEST_F(LuaRunTest, WhatWasReadBeforeAWaitIsReadOnBehindIt) {
    std::string large = R"({"eventId":"l","pattern":"p","payload":{"list":[0)";
    for (int i = 1; i < 2'000; ++i) large += "," + std::to_string(i);
    large += R"(],"last":"end"}})";
    const ScriptHandle handle = compile(R"(return function(event)
        local list, before = event.payload.list or {}, 0
        for i = 1, math.min(#list, 3) do before = before + list[i] end
        sdk.kv.set('seen', before)
        sdk.sleep(1)
        local behind = 0
        for i = 1, #list do behind = behind + list[i] end
        sdk.sleep(1)
        return {before, behind, event.payload.last or 'none', event.eventId}
    end)");
    LuaTurn one = start(handle, large);
    LuaTurn other = start(handle, R"({"eventId":"s","pattern":"p","payload":{"list":[7,8]}})");
    ASSERT_FALSE(one.ended || other.ended);
    one = vm->resume(one.run);
    ASSERT_FALSE(one.ended);
    other = vm->resume(other.run);
    ASSERT_FALSE(other.ended);
    ASSERT_TRUE(vm->resume(other.run).ended);
    EXPECT_EQ(vm->result().result_json, R"([15,15,"none","s"])") << vm->result().error;
    EXPECT_EQ(kv_of(vm->result()), "seen=15;");
    ASSERT_TRUE(vm->resume(one.run).ended);
    EXPECT_EQ(vm->result().result_json, R"([3,1999000,"end","l"])") << vm->result().error;
    EXPECT_EQ(kv_of(vm->result()), "seen=3;");
}

// What a list has shown is read like what was asked for by its name; of more keys than are
// remembered the run is told.
TEST_F(LuaRunTest, WhatOthersChangeOfAListMakesARunAgain) {
    const ScriptHandle handle = compile(R"(return function(event)
        local seen = sdk.kv.list('stock:')
        sdk.sleep(1)
        sdk.kv.set(seen[1].key, seen[1].value - 1)
    end)");
    host.rooms[0][std::string("\0stock:a", 8)] = "5";
    host.rooms[0][std::string("\0stock:b", 8)] = "7";
    LuaTurn turn = start(handle, event(1));
    ASSERT_FALSE(turn.ended);
    host.rooms[0][std::string("\0stock:b", 8)] = "8";
    turn = vm->resume(turn.run);
    ASSERT_TRUE(turn.ended);
    EXPECT_FALSE(turn.kv_changed) << "it has set another one";
    turn = start(handle, event(1));
    ASSERT_FALSE(turn.ended);
    host.rooms[0][std::string("\0stock:a", 8)] = "4";
    turn = vm->resume(turn.run);
    ASSERT_TRUE(turn.ended);
    EXPECT_TRUE(turn.kv_changed);
}

TEST_F(LuaRunTest, ARunThatWaitsIsToldWhenItReadsMoreThanIsRemembered) {
    const ScriptHandle again = compile(R"(return function(event)
        sdk.sleep(1)
        for i = 1, 20000 do sdk.kv.get('k' .. i % 4000) end
        return 'well'
    end)");
    LuaTurn turn = start(again, event(1));
    ASSERT_FALSE(turn.ended);
    ASSERT_TRUE(vm->resume(turn.run).ended);
    EXPECT_EQ(vm->result().result_json, "\"well\"") << vm->result().error;
    const ScriptHandle many = compile(R"(return function(event)
        sdk.sleep(1)
        for i = 1, 5000 do sdk.kv.get('k' .. i) end
    end)");
    turn = start(many, event(1));
    ASSERT_FALSE(turn.ended);
    ASSERT_TRUE(vm->resume(turn.run).ended);
    EXPECT_NE(vm->result().error.find("reads 4096 keys at most"), std::string::npos)
        << vm->result().error;
}

TEST_F(LuaRunTest, TimeIsOverTheWaitsToo) {
    ScriptOptions options;
    options.timeout_ms = 100;
    const ScriptHandle handle =
        compile("return function(e) sdk.sleep(60) sdk.sleep(60) return 1 end", options);
    const LuaTurn first = start(handle, event(1));
    host.now_us += 60'000;
    const LuaTurn second = vm->resume(first.run);
    ASSERT_FALSE(second.ended);
    host.now_us += 60'000;
    ASSERT_TRUE(vm->resume(second.run).ended);
    EXPECT_EQ(vm->result().status, InvocationStatus::kTimeout);
    EXPECT_FALSE(vm->poisoned()) << "nothing had to be stopped";
    EXPECT_EQ(run("return function() return true end").result_json, "true");
}

TEST_F(LuaRunTest, ARunThatIsStoppedLosesTheOthersAndSaysSo) {
    LuaVm::Options options;
    options.memory_bytes_max = 4u << 20;
    reset(options);
    const ScriptHandle sleeper = compile("return function(e) sdk.sleep(5) return 1 end");
    const ScriptHandle hungry = compile(
        "return function(e) sdk.sleep(1) local t = {} "
        "for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end end");
    const LuaTurn innocent = start(sleeper, event(1));
    ASSERT_FALSE(innocent.ended);
    const LuaTurn guilty = start(hungry, event(2));
    ASSERT_FALSE(guilty.ended);
    ASSERT_TRUE(vm->resume(guilty.run).ended);
    EXPECT_EQ(vm->result().status, InvocationStatus::kMemory);
    EXPECT_TRUE(vm->poisoned());
    EXPECT_EQ(vm->waiting(), 1u) << "it has to be made again";
}

TEST_F(LuaRunTest, WaitsInsideACoroutineOfItsOwn) {
    const ScriptHandle script = compile(
        "return function(e) local seen = {}\n"
        "local co = coroutine.create(function(a)\n"
        "  sdk.sleep(1) local b = coroutine.yield(a + 1) sdk.sleep(1)\n"
        "  coroutine.wrap(function() sdk.sleep(1) end)() coroutine.yield(b) error('at last') end)\n"
        "for i = 1, 3 do local ok, v = coroutine.resume(co, i * 10)\n"
        "  seen[i] = ok and v or 'died' end\n"
        "return seen end");
    LuaTurn turn = start(script, event(1));
    for (int waits = 0; waits < 3; ++waits) {
        ASSERT_FALSE(turn.ended) << waits;
        turn = vm->resume(turn.run);
    }
    ASSERT_TRUE(turn.ended);
    EXPECT_EQ(vm->result().result_json, R"([11,20,"died"])") << vm->result().error;
}

TEST_F(LuaRunTest, CallsTheOutsideAndGoesOnWithTheAnswers) {
    const ScriptHandle script = compile(
        "return function(e) local r = sdk.http.post('http://a.test/', {n = 1})\n"
        "local all = sdk.http.all{'http://b.test/', {url = 'http://c.test/', method = 'put'}}\n"
        "local ok, err = pcall(sdk.http.get, 'http://d.test/')\n"
        "return {r.status, r.json().x, all[1].body, all[2].error.code, ok, err.code, err.url} end");
    LuaTurn turn = start(script, event(1));
    ASSERT_FALSE(turn.ended);
    ASSERT_EQ(turn.calls.size(), 1u);
    EXPECT_EQ(turn.calls[0].method, "POST");
    EXPECT_EQ(turn.calls[0].body, R"({"n":1})");
    std::vector<courier::HttpAnswer> answers(1);
    answers[0].status = 201;
    answers[0].body = R"({"x":"y"})";
    turn = vm->resume(turn.run, std::move(answers));
    ASSERT_FALSE(turn.ended);
    ASSERT_EQ(turn.calls.size(), 2u);
    EXPECT_EQ(turn.calls[1].method, "PUT");
    answers = std::vector<courier::HttpAnswer>(2);
    answers[0].body = "B";
    answers[1].fault = courier::HttpFault::kDns;
    turn = vm->resume(turn.run, std::move(answers));
    ASSERT_FALSE(turn.ended);
    answers = std::vector<courier::HttpAnswer>(1);
    answers[0].fault = courier::HttpFault::kTimeout;
    answers[0].url = "http://d.test/";
    turn = vm->resume(turn.run, std::move(answers));
    ASSERT_TRUE(turn.ended);
    EXPECT_EQ(vm->result().result_json, R"([201,"y","B","DNS",false,"TIMEOUT","http://d.test/"])")
        << vm->result().error;
}

TEST_F(LuaRunTest, BadCallsAreRefusedBeforeTheyAreMade) {
    const auto error_of = [&](const std::string& body) {
        const LuaTurn turn = start(compile("return function(e) " + body + " end"), event(1));
        EXPECT_TRUE(turn.ended) << body;
        return std::string(vm->result().error);
    };
    EXPECT_NE(error_of("sdk.http.get('http://a/', {timeout = 1, headers = {}})").find("'timeout'"),
              std::string::npos);
    EXPECT_NE(
        error_of("sdk.http.get('http://a/', {headers = {a = 'b\\r\\nc: d'}})").find("header 'a'"),
        std::string::npos);
    EXPECT_NE(error_of("sdk.http.request('http://a/', {method = 'TRACE'})").find("TRACE"),
              std::string::npos);
    // A body that ends earlier than it does would be read on as somebody else's request.
    for (const char* name : {"content-length", "Transfer-Encoding", "CONNECTION", "te"}) {
        const std::string told = error_of("sdk.http.post('http://a/', {headers = {['" +
                                          std::string(name) + "'] = '0'}})");
        EXPECT_NE(told.find("belongs to the connection"), std::string::npos) << told;
    }
    EXPECT_NE(error_of("sdk.http.all{}").find("no request"), std::string::npos);
    EXPECT_NE(error_of("local t = {} for i = 1, 21 do t[i] = 'http://a/' end sdk.http.all(t)")
                  .find("more than 20"),
              std::string::npos);
}

TEST_F(LuaRunTest, WaitsThroughPcallAndNotInsideCallbacks) {
    const auto error_of = [&](const std::string& body) {
        const LuaTurn turn = start(compile("return function(e) " + body + " end"), event(1));
        EXPECT_TRUE(turn.ended) << body;
        return std::string(vm->result().error);
    };
    EXPECT_NE(error_of("table.sort({3,1,2}, function(a,b) sdk.sleep(1) return a<b end)")
                  .find("AWAIT_NOT_ALLOWED"),
              std::string::npos);
    EXPECT_NE(error_of("table.sort({3,1,2}, function(a,b) sdk.sleep(1) return a<b end)")
                  .find(":1: there is no way to wait"),
              std::string::npos);
    EXPECT_NE(error_of("sdk.sleep(-1)").find("milliseconds"), std::string::npos);
    EXPECT_NE(error_of("sdk.sleep('soon')").find("number"), std::string::npos);
    EXPECT_NE(error_of("sdk.sleep(0/0)").find("milliseconds"), std::string::npos);

    const LuaTurn turn =
        start(compile("return function(e) local ok = pcall(function() sdk.sleep(1) error('x') end) "
                      "return ok end"),
              event(1));
    ASSERT_FALSE(turn.ended);
    ASSERT_TRUE(vm->resume(turn.run).ended);
    EXPECT_EQ(vm->result().result_json, "false");
}

TEST_F(LuaRunTest, ChunksWaitAsHandlersDo) {
    const ScriptHandle chunk =
        compile("local n = sdk.events.current().payload.n sdk.sleep(1) return n * 10");
    const LuaTurn turn = start(chunk, event(4));
    ASSERT_FALSE(turn.ended);
    ASSERT_TRUE(vm->resume(turn.run).ended);
    EXPECT_EQ(vm->result().result_json, "40") << vm->result().error;
    const ScriptHandle late = compile("sdk.sleep(1) return function(e) return e.payload.n end");
    const LuaTurn waits = start(late, event(6));
    ASSERT_FALSE(waits.ended);
    ASSERT_TRUE(vm->resume(waits.run).ended);
    EXPECT_EQ(vm->result().result_json, "6") << vm->result().error;
}

TEST_F(LuaRunTest, ALookAtWhatARunWouldDoWaitsForNothing) {
    EXPECT_EQ(run("return function() sdk.sleep(1e6) return 1 end").result_json, "1");
}

TEST_F(LuaRunTest, WhatIsDroppedIsGoneAndTheScriptMayGo) {
    const ScriptHandle handle = compile("return function(e) sdk.sleep(1) return e.payload.n end");
    const LuaTurn first = start(handle, event(1));
    const LuaTurn second = start(handle, event(2));
    vm->remove(handle);
    EXPECT_EQ(run("return function() return 'new' end").result_json, "\"new\"");
    vm->drop(first.run);
    vm->drop(first.run);
    ASSERT_TRUE(vm->resume(second.run).ended);
    EXPECT_EQ(vm->result().result_json, "2") << vm->result().error;
}

// Names only: where LuaJIT keeps its functions is nobody's business.
TEST_F(LuaRunTest, TracebacksHoldNoAddresses) {
    for (const char* body : {"table.sort({3,2,1}, function(a, b) error('x') end)",
                             "string.gsub('abc', '.', function() error('x') end)",
                             "pcall(error) local f = function() error('x') end "
                             "coroutine.wrap(f)()",
                             "sdk.json.encode({1}, function() end) error('x')",
                             "setmetatable({}, {__index = function() error('x') end}).y()",
                             "string.rep()", "('x'):bad()", "sdk.kv.set()", "pairs(nil)",
                             "error(setmetatable({}, {__tostring = function() return 'x' end}))",
                             "sdk.sleep(1) string.gsub('abc', '.', function() error('x') end)"}) {
        LuaTurn turn = start(compile("return function(e) local function inner() " +
                                     std::string(body) + " end inner() end"),
                             event(1));
        if (!turn.ended) turn = vm->resume(turn.run);
        EXPECT_EQ(vm->result().status, InvocationStatus::kFailed) << body;
        EXPECT_EQ(vm->result().error.find("0x"), std::string::npos) << vm->result().error;
        EXPECT_EQ(vm->result().error.find("builtin#"), std::string::npos) << vm->result().error;
    }
}

}  // namespace
}  // namespace millrace::runtime
