// Goal: the code of a workflow asks for its steps in their order, is told what came of them in the
// order in which it came, takes the same way each time, and can reach nothing outside of a step
// that would answer differently. Method: turns over a past that the test writes.
#include "runtime/delivery/workflow_turn.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {
namespace {

using TurnEnd = WorkflowTurn::End;
using TurnTask = WorkflowTurn::Task;

class WrittenPast final : public WorkflowPast {
public:
    std::size_t asks() const override { return whats.size(); }
    void tell(std::size_t ask, std::string& out) const override { out += whats[ask]; }
    std::size_t ended() const override { return ends.size(); }
    Ended ended(std::size_t at) const override {
        const One& one = ends[at];
        return {one.ask, one.ok, one.value, one.code, "it broke", one.at_us, at + 1 < settled};
    }

    struct One {
        std::uint32_t ask = 0;
        std::string value;
        bool ok = true;
        std::string code;
        std::int64_t at_us = 0;
    };
    std::vector<std::string> whats;
    std::deque<One> ends;
    std::size_t settled = 0;
};

class LuaWorkflowTest : public LuaFixture {
protected:
    void load(std::string_view body) {
        handle_ = compile("return function(event, wf)\n" + std::string(body) + "\nend");
    }
    // A turn as the orchestrator makes it.
    TurnEnd go(TurnTask task = TurnTask::kGoOn, std::string step = {}) {
        turn.past = &past;
        turn.run_id = "run_1";
        turn.input = R"({"n":3})";
        turn.started_us = 1'000'000;
        turn.seed = 42;
        turn.task = task;
        turn.step = std::move(step);
        turn.key = "run_1:" + turn.step + ":1";
        input_ = input_of(R"({"payload":{"n":3}})");
        input_.kind = EventInput::Kind::kValue;
        context.workflow = &turn;
        if (task == TurnTask::kGoOn) {
            vm->invoke(handle_, input_, context, host);
        } else {
            LuaTurn at = vm->start(handle_, input_, context, host);
            while (!at.ended) {
                ++waits;
                at = vm->resume(at.run);
            }
        }
        context.workflow = nullptr;
        error = std::string(vm->result().error);
        return turn.end;
    }
    // What was asked for is written down now.
    void write_down(const std::vector<std::string>& whats) {
        for (const std::string& what : whats) past.whats.push_back(what);
        past.settled = past.ends.size() + 1;
    }
    void ended(std::uint32_t ask, std::string value) {
        past.ends.push_back({ask, std::move(value), true, {}, 2'000'000});
    }
    std::string asked() const {
        std::string out;
        for (const std::string& one : turn.asked) out += one + "\n";
        return out;
    }

    WrittenPast past;
    WorkflowTurn turn;
    std::string error;
    int waits = 0;

private:
    ScriptHandle handle_;
    EventInput input_;
};

TEST_F(LuaWorkflowTest, AsksForAStepAndGoesOnWhenItHasEnded) {
    load(R"(local a = wf.step('charge', function() return 1 end)
            local b = wf.step('charge', function() return 2 end, {timeoutMs = 50})
            return {sum = a.got + b, n = wf.input.n + event.payload.n})");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    EXPECT_NE(asked().find(R"("id":"charge:1")"), std::string::npos) << asked();
    EXPECT_EQ(turn.asked.size(), 1u);
    write_down({R"(step "charge:1")"});
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    EXPECT_EQ(turn.asked.size(), 0u);
    ended(0, R"({"got":40})");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    EXPECT_NE(asked().find(R"("timeoutMs":50)"), std::string::npos) << asked();
    EXPECT_NE(asked().find(R"("id":"charge:2")"), std::string::npos) << asked();
    write_down({R"(step "charge:2")"});
    ended(1, "2");
    ASSERT_EQ(go(), TurnEnd::kReturned) << error;
    EXPECT_EQ(turn.value, R"({"n":6,"sum":42})");
}

TEST_F(LuaWorkflowTest, DoesOneStepInATurnOfItsOwnWithItsEffects) {
    load(R"(sdk.log.info('begins')
            local a = wf.step('first', function() sdk.kv.incr('first') return 1 end)
            wf.step('second', function(step)
                sdk.kv.set('of', a)
                sdk.sleep(5)
                sdk.events.emit('done', {key = step.key, attempt = step.attempt})
                return {a = a, t = sdk.time.now() > 0}
            end))");
    write_down({R"(step "first:1")", R"(step "second:1")"});
    ended(0, "7");
    past.settled = 2;
    ASSERT_EQ(go(TurnTask::kStep, "second:1"), TurnEnd::kStepDone) << error << turn.message;
    EXPECT_EQ(waits, 1);
    EXPECT_EQ(turn.value, R"({"a":7,"t":true})");
    const InvocationResult& result = vm->result();
    ASSERT_EQ(result.kv_ops.size(), 1u);
    EXPECT_EQ(result.kv_ops[0].value_json, "7");
    ASSERT_EQ(result.emitted.size(), 1u);
    EXPECT_EQ(result.emitted[0].payload, R"({"attempt":1,"key":"run_1:second:1:1"})");
    EXPECT_TRUE(result.logs.empty()) << "said again what it had said before";
}

TEST_F(LuaWorkflowTest, AStepThatRaisesHasFailed) {
    load("wf.step('a', function() error({code = 'DECLINED', message = 'no', fatal = true}) end)");
    write_down({R"(step "a:1")"});
    ASSERT_EQ(go(TurnTask::kStep, "a:1"), TurnEnd::kStepFailed) << error;
    EXPECT_EQ(turn.code, "DECLINED");
    EXPECT_EQ(turn.message, "no");
    EXPECT_TRUE(turn.fatal);
    load("wf.step('a', function() return function() end end)");
    ASSERT_EQ(go(TurnTask::kStep, "a:1"), TurnEnd::kStepFailed) << error;
    EXPECT_FALSE(turn.fatal);
}

TEST_F(LuaWorkflowTest, AFailureIsRaisedWhereItsStepWasAskedFor) {
    load(R"(local ok, why = pcall(wf.step, 'a', function() end)
            return {ok = ok, code = why.code, step = why.step})");
    write_down({R"(step "a:1")"});
    past.ends.push_back({0, "", false, "TIMEOUT", 0});
    ASSERT_EQ(go(), TurnEnd::kReturned) << error;
    EXPECT_EQ(turn.value, R"({"code":"TIMEOUT","ok":false,"step":"a:1"})");
    load("wf.step('a', function() end)");
    ASSERT_EQ(go(), TurnEnd::kRaised) << error;
    EXPECT_EQ(turn.code, "TIMEOUT");
    EXPECT_EQ(turn.message, "it broke");
}

TEST_F(LuaWorkflowTest, EveryCallSaysWhatItWaitsFor) {
    load(R"(wf.all{
        function() wf.sleep(1500) end,
        function() wf.waitEvent('order.paid', {match = "payload.id == 'x'", timeoutMs = 10}) end,
        function() wf.signal('go', 20) end,
        function() wf.call('other', {a = 1}, {version = 2}) end,
        function() wf.step('mail', {action = 'sms.send', input = {to = 'me'}}, {retry = 2}) end,
        function()
            wf.step('take', function() end, {retry = false, compensate = function() end,
                                             atMostOnce = true})
        end})");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    ASSERT_EQ(turn.asked.size(), 6u);
    EXPECT_EQ(turn.asked[0], R"({"durationMs":1500,"id":"sleep:1","type":"sleep"})");
    EXPECT_EQ(turn.asked[1], R"({"event":"order.paid","id":"event:order.paid:1",)"
                             R"("match":"payload.id == 'x'","timeoutMs":10,"type":"wait"})");
    EXPECT_EQ(turn.asked[2], R"({"id":"signal:go:1","signal":"go","timeoutMs":20,"type":"wait"})");
    EXPECT_EQ(turn.asked[3],
              R"({"id":"call:other:1","input":{"a":1},"type":"workflow","version":2,)"
              R"("workflowId":"other"})");
    EXPECT_EQ(turn.asked[4], R"({"action":"sms.send","id":"mail:1","input":{"to":"me"},)"
                             R"("retry":{"maxAttempts":2},"type":"action"})");
    EXPECT_EQ(turn.asked[5], R"({"atMostOnce":true,"compensate":true,"id":"take:1",)"
                             R"("retry":{"strategy":"none"},"type":"action"})");
}

TEST_F(LuaWorkflowTest, BranchesGoOnInTheOrderInWhichThingsCame) {
    load(R"(local order = ''
        local values = wf.all{
            function() wf.sleep(1) order = order .. 'a' wf.sleep(1) return 'a' end,
            function() wf.sleep(1) order = order .. 'b' wf.sleep(1) return 'b' end}
        return {values = values, order = order})");
    ASSERT_EQ(go(), TurnEnd::kWaits);
    write_down({R"(sleep "sleep:1")", R"(sleep "sleep:2")"});
    ended(1, "");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    ASSERT_EQ(turn.asked.size(), 1u);
    write_down({R"(sleep "sleep:3")"});
    ended(0, "");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    write_down({R"(sleep "sleep:4")"});
    ended(2, "");
    ended(3, "");
    ASSERT_EQ(go(), TurnEnd::kReturned) << error << differs_text(turn);
    EXPECT_EQ(turn.value, R"({"order":"ba","values":["a","b"]})");
}

TEST_F(LuaWorkflowTest, AllRaisesTheFirstFailureWhenTheOthersHaveEnded) {
    load(R"(wf.all{
        function() wf.sleep(1) error('the first', 0) end,
        function() wf.sleep(1) error('the second', 0) end})");
    write_down({R"(sleep "sleep:1")", R"(sleep "sleep:2")"});
    ended(1, "");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    ended(0, "");
    ASSERT_EQ(go(), TurnEnd::kRaised) << error;
    EXPECT_EQ(turn.message, "the second");
}

TEST_F(LuaWorkflowTest, ARaceHasOneWinnerAndLeavesTheOthers) {
    load(R"(local value, which = wf.race{
            function() return wf.signal('paid') end,
            function() wf.all{function() wf.sleep(10) end, function() wf.sleep(20) end} end}
        return {value = value, which = which})");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    ASSERT_EQ(turn.asked.size(), 3u);
    write_down({R"(wait "signal:paid:1")", R"(sleep "sleep:1")", R"(sleep "sleep:2")"});
    ended(0, R"({"by":"me"})");
    ASSERT_EQ(go(), TurnEnd::kReturned) << error;
    EXPECT_EQ(turn.value, R"({"value":{"by":"me"},"which":1})");
    EXPECT_EQ(turn.left, (std::vector<std::uint32_t>{1, 2}));
}

TEST_F(LuaWorkflowTest, AWayThatIsNotTheWrittenOneIsTold) {
    load("wf.sleep(5) wf.step('b', function() end)");
    write_down({R"(step "a:1")"});
    ASSERT_EQ(go(), TurnEnd::kDiffers) << error;
    EXPECT_EQ(differs_text(turn),
              R"(NON_DETERMINISTIC at 0: expected step "a:1", found sleep "sleep:1")");
    // No pcall of the script's goes on behind it.
    load("for i = 1, 3 do pcall(wf.sleep, 5) end return 'on'");
    ASSERT_EQ(go(), TurnEnd::kDiffers) << error;
    load("return 1");
    ASSERT_EQ(go(), TurnEnd::kDiffers) << error;
    EXPECT_EQ(turn.found, "the end of the code");
    // Something more at a place where there was nothing.
    past = {};
    write_down({R"(step "a:1")", R"(step "b:1")"});
    ended(0, "");
    past.settled = 2;
    load("wf.step('a', function() end) wf.step('b', function() end)");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error << differs_text(turn);
    load(R"(wf.all{function() wf.step('a', function() end) wf.step('b', function() end) end,
                   function() wf.step('b', function() end) wf.step('c', function() end) end})");
    ASSERT_EQ(go(), TurnEnd::kDiffers) << error;
    ASSERT_EQ(go(TurnTask::kStep, "z:1"), TurnEnd::kDiffers) << error;
}

TEST_F(LuaWorkflowTest, OutsideOfStepsNothingAnswersDifferently) {
    for (const auto& [code, call] : std::vector<std::pair<std::string, std::string>>{
             {"sdk.kv.get('a')", "sdk.kv"},
             {"sdk.kv.incr('a')", "sdk.kv"},
             {"sdk.cache.set('a', 1)", "sdk.kv"},
             {"sdk.events.emit('a', {})", "sdk.events.emit"},
             {"sdk.http.get('http://127.0.0.1/')", "sdk.http"},
             {"sdk.sms.send{to = 'x'}", "sdk.http"},
             {"sdk.db.query('select 1')", "sdk.http"},
             {"sdk.secrets.get('a')", "sdk.secrets.get"},
             {"sdk.sleep(1)", "sdk.sleep"},
             {"sdk.time.now()", "sdk.time.now"},
             {"sdk.time.iso()", "sdk.time.iso"},
             {"sdk.crypto.uuid()", "sdk.crypto.uuid"},
             {"math.random()", "math.random"}}) {
        load(code);
        ASSERT_EQ(go(), TurnEnd::kRaised) << code << error;
        EXPECT_NE(turn.message.find("script:2: " + call + " is not deterministic"),
                  std::string::npos)
            << code << ": " << turn.message;
        load("wf.step('a', function() " + code + " end)");
        WrittenPast none;
        std::swap(past, none);
        write_down({R"(step "a:1")"});
        host.secrets["a"] = "b";
        go(TurnTask::kStep, "a:1");
        EXPECT_EQ(turn.message.find("deterministic"), std::string::npos) << code << turn.message;
        std::swap(past, none);
    }
    // No line is left of what calls last.
    load("return sdk.kv.get('a')");
    ASSERT_EQ(go(), TurnEnd::kRaised);
    EXPECT_EQ(turn.message.find("sdk.kv is not deterministic"), 0u) << turn.message;
    for (const char* code : {"os.time()", "os.clock()", "os.date()"}) {
        load(code);
        ASSERT_EQ(go(), TurnEnd::kRaised) << code;
        EXPECT_NE(turn.message.find("wf.now() is the run's time"), std::string::npos)
            << turn.message;
    }
    load("return sdk.time.iso(0) .. sdk.crypto.sha256('a'):sub(1, 2) .. sdk.json.encode({1})");
    EXPECT_EQ(go(), TurnEnd::kReturned) << turn.message;
}

TEST_F(LuaWorkflowTest, TimeAndChanceAreTheSameEachTime) {
    load(R"(local before = wf.now()
        local a = {wf.random(), wf.random(6), wf.random(10, 20), wf.uuid()}
        wf.sleep(1)
        return {before = before, after = wf.now(), a = a, uuid = wf.uuid()})");
    ASSERT_EQ(go(), TurnEnd::kWaits) << error;
    write_down({R"(sleep "sleep:1")"});
    ended(0, "");
    ASSERT_EQ(go(), TurnEnd::kReturned) << error;
    const std::string first = turn.value;
    host.now_us += 1'000'000'000;
    ASSERT_EQ(go(), TurnEnd::kReturned) << error;
    EXPECT_EQ(turn.value, first);
    EXPECT_NE(first.find(R"("after":2,)"), std::string::npos) << first;
    EXPECT_NE(first.find(R"("before":1,)"), std::string::npos) << first;
}

TEST_F(LuaWorkflowTest, EachTurnHasGlobalsOfItsOwnAndPairsInOrder) {
    load(R"(count = (count or 0) + 1
        local t, out = {}, ''
        for _, name in ipairs({'z', 'b', 'q', 'a'}) do t[name] = true end
        t[2], t[1], t.q = true, true, nil
        for key in pairs(t) do out = out .. key end
        return {count = count, out = out})");
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(go(), TurnEnd::kReturned) << error << turn.message;
        EXPECT_EQ(turn.value, R"({"count":1,"out":"12abz"})");
    }
}

TEST_F(LuaWorkflowTest, ACompensationIsATurnBehindAllThatCame) {
    load(R"(local seen = 0
        wf.step('take', function() return {id = 1} end, {compensate = function(step)
            sdk.kv.set('back', {id = step.output.id, seen = seen, key = step.key})
        end})
        seen = 1
        wf.step('fail', function() end))");
    write_down({R"(step "take:1")", R"(step "fail:1")"});
    ended(0, R"({"id":9})");
    past.settled = 2;
    past.ends.push_back({1, "", false, "FAILED", 0});
    turn.undo_input = R"({"input":null,"output":{"id":9}})";
    ASSERT_EQ(go(TurnTask::kUndo, "take:1"), TurnEnd::kStepDone) << error << turn.message;
    ASSERT_EQ(vm->result().kv_ops.size(), 1u);
    EXPECT_EQ(vm->result().kv_ops[0].value_json, R"({"id":9,"key":"run_1:take:1:1","seen":1})");
    ASSERT_EQ(go(TurnTask::kUndo, "fail:1"), TurnEnd::kDiffers) << error;
}

TEST_F(LuaWorkflowTest, ContinuesAsNewWithAnInput) {
    load("wf.continueAsNew({n = wf.input.n + 1}) error('went on')");
    ASSERT_EQ(go(), TurnEnd::kContinues) << error;
    EXPECT_EQ(turn.value, R"({"n":4})");
}

TEST_F(LuaWorkflowTest, CallsOfTheOtherKindAreRefusedWithAReason) {
    for (const auto& [code, why] : std::vector<std::pair<std::string, std::string>>{
             {"wf.step('a', 1)", "must be a function or {action"},
             {"wf.step('', print)", "the name must be a text"},
             {"wf.step(('x'):rep(101), print)", "longer than 100 bytes"},
             {"wf.step('a', print, {retries = 1})", "there is no option 'retries'"},
             {"wf.sleep(-1)", "must be milliseconds"},
             {"wf.sleep('1h')", "must be milliseconds"},
             {"wf.all{1}", "branch 1 is no function"},
             {"wf.race{}", "a list of 1 to 1000 functions"},
             {"wf.waitEvent('a', {since = 'ever'})", "since must be \"run\""},
             {"wf.random(3, 1)", "the interval is empty"}}) {
        load(code);
        ASSERT_EQ(go(), TurnEnd::kRaised) << code << error;
        EXPECT_NE(turn.message.find(why), std::string::npos) << code << ": " << turn.message;
    }
    load("wf.step('a', function() wf.sleep(1) end)");
    write_down({R"(step "a:1")"});
    ASSERT_EQ(go(TurnTask::kStep, "a:1"), TurnEnd::kStepFailed) << error;
    EXPECT_NE(turn.message.find("wf.sleep: not inside a step"), std::string::npos) << turn.message;
}

TEST_F(LuaWorkflowTest, WaitsInsideCoroutinesOfTheScriptsOwn) {
    load(R"(local next_one = coroutine.wrap(function()
            coroutine.yield(wf.step('a', function() end))
            coroutine.yield(wf.step('b', function() end))
        end)
        return {next_one(), next_one()})");
    write_down({R"(step "a:1")", R"(step "b:1")"});
    ended(0, "1");
    past.settled = 2;
    ended(1, "2");
    ASSERT_EQ(go(), TurnEnd::kReturned) << error << turn.message;
    EXPECT_EQ(turn.value, "[1,2]");
}

}  // namespace
}  // namespace millrace::runtime
