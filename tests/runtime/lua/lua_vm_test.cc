// Goal: how scripts are compiled and run, and what a run's result says. Method: small sources.
#include "runtime/lua/lua_vm.h"

#include "tests/runtime/lua/lua_fixture.h"

namespace millrace::runtime {
namespace {

using LuaVmTest = LuaFixture;

TEST_F(LuaVmTest, RunsAHandlerThatTheChunkReturns) {
    const ScriptHandle handle =
        compile("local runs = 0 return function(event) runs = runs + 1 return runs end");
    EXPECT_EQ(run(handle).result_json, "1");
    EXPECT_EQ(run(handle).result_json, "2");
}

TEST_F(LuaVmTest, RunsAPlainChunkPerEvent) {
    const ScriptHandle handle = compile("return sdk.events.current().payload.currency");
    EXPECT_EQ(run(handle).result_json, "\"EUR\"");
    EXPECT_EQ(run(handle, R"({"pattern":"x","payload":{"currency":"USD"}})").result_json,
              "\"USD\"");
}

TEST_F(LuaVmTest, GivesAPlainChunkEventAndContextAsVarargs) {
    context.attempt = 3;
    EXPECT_EQ(run("local event, ctx = ... return event.pattern .. ctx.attempt").result_json,
              "\"invoice.created3\"");
}

TEST_F(LuaVmTest, ReturnsNothingAsAnEmptyResult) {
    const InvocationResult& result = run("return function() end");
    EXPECT_EQ(result.status, InvocationStatus::kCompleted);
    EXPECT_EQ(result.result_json, "");
    EXPECT_EQ(result.error, "");
}

TEST_F(LuaVmTest, ReturnsScalarsAsJson) {
    const auto result_of = [&](const std::string& value) {
        const InvocationResult& result = run("return function() return " + value + " end");
        return std::string(result.completed() ? result.result_json : result.error);
    };
    EXPECT_EQ(result_of("true"), "true");
    EXPECT_EQ(result_of("12"), "12");
    EXPECT_EQ(result_of("-0.25"), "-0.25");
    EXPECT_EQ(result_of("1e300"), "1e+300");
    EXPECT_EQ(result_of("''"), "\"\"");
    EXPECT_EQ(result_of("'plain'"), "\"plain\"");
    EXPECT_EQ(result_of(R"('a"b\\c\n')"), R"("a\"b\\c\n")");
    EXPECT_EQ(result_of("'\\195\\164'"), "\"\xc3\xa4\"");
    EXPECT_NE(result_of("0/0").find("nan or inf"), std::string::npos);
    EXPECT_NE(result_of("'\\255'").find("not valid UTF-8"), std::string::npos);
    const std::string most = std::to_string(kLuaResultBytesMax);
    EXPECT_EQ(result_of("('x'):rep(" + most + " - 2)").size(), kLuaResultBytesMax);
    EXPECT_NE(result_of("('x'):rep(" + most + " - 1)").find("too large"), std::string::npos);
}

TEST_F(LuaVmTest, TellsLineAndPositionOfASyntaxError) {
    auto handle = vm->compile("local a = 1\nlocal b = = 2\n", "script", {});
    ASSERT_FALSE(handle);
    EXPECT_EQ(handle.error().code, core::ErrorCode::kValidation);
    EXPECT_EQ(handle.error().field, "source");
    EXPECT_EQ(handle.error().position, 12);
    EXPECT_EQ(handle.error().message, "line 2: unexpected symbol near '='");
    EXPECT_EQ(run("return function() return 1 end").result_json, "1") << "the VM goes on";
}

TEST_F(LuaVmTest, ChecksSyntaxWithoutRunning) {
    EXPECT_TRUE(check_lua_syntax("error('not run')", "a"));
    const auto status = check_lua_syntax("return function(", "a");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().position, 0);
    EXPECT_TRUE(status.error().message.starts_with("line 1: ")) << status.error().message;
}

TEST_F(LuaVmTest, RefusesSourcesThatAreTooLargeOrBytecode) {
    const std::string large(kLuaSourceBytesMax + 1, ' ');
    const auto too_large = check_lua_syntax(large, "a");
    ASSERT_FALSE(too_large);
    EXPECT_EQ(too_large.error().code, core::ErrorCode::kPayloadTooLarge);
    EXPECT_EQ(too_large.error().limit, static_cast<std::int64_t>(kLuaSourceBytesMax));
    const auto bytecode = vm->compile("\x1bLJ\x02\x02", "script", {});
    ASSERT_FALSE(bytecode);
    EXPECT_EQ(bytecode.error().code, core::ErrorCode::kValidation);
}

TEST_F(LuaVmTest, TellsAnErrorWithItsTraceback) {
    const InvocationResult& result =
        run("local function inner(e) error('no amount') end\n"
            "return function(event)\n"
            "  inner(event)\n"
            "  return 1\n"
            "end");
    EXPECT_EQ(result.status, InvocationStatus::kFailed);
    EXPECT_TRUE(result.error.starts_with(
        "script:1: no amount\n\tscript:1: in function 'inner'\n\tscript:3:"))
        << result.error;
    EXPECT_EQ(result.error.find("[C]"), std::string_view::npos);
    EXPECT_EQ(result.result_json, "");
}

TEST_F(LuaVmTest, TakesTheMessageOfAnErrorTable) {
    EXPECT_TRUE(run("return function() error({code = 7, message = 'seven'}) end")
                    .error.starts_with("seven"));
    EXPECT_TRUE(run("return function() error({code = 7}) end").error.starts_with("{\"code\":7}"));
    EXPECT_TRUE(run("return function() error() end").error.starts_with("error value of type nil"));
}

TEST_F(LuaVmTest, DropsTheEffectsOfAFailedRunAndKeepsItsLogs) {
    const InvocationResult& result =
        run("return function() sdk.log.warn('before') sdk.kv.set('a', 1) sdk.events.emit('x', {}) "
            "error('no') end");
    EXPECT_EQ(result.status, InvocationStatus::kFailed);
    EXPECT_TRUE(result.kv_ops.empty());
    EXPECT_TRUE(result.emitted.empty());
    ASSERT_EQ(result.logs.size(), 1u);
    EXPECT_EQ(result.logs[0].text, "before");
}

TEST_F(LuaVmTest, FailsWithTheVerdictOfCtxFailEvenWhenItIsCaught) {
    EXPECT_EQ(run("return function(e, ctx) ctx.fail('fatal', 'bad customer') end").status,
              InvocationStatus::kFatal);
    const InvocationResult& silent = run(
        "return function(e, ctx) pcall(ctx.fail, 'silent', 'skip') pcall(error, 'x') return 1 end");
    EXPECT_EQ(silent.status, InvocationStatus::kSilent);
    EXPECT_EQ(silent.error, "skip");
    EXPECT_EQ(silent.result_json, "");
    EXPECT_EQ(run("return function(e, ctx) ctx.fail('fail', 'again') end").status,
              InvocationStatus::kFailed);
    EXPECT_EQ(run("return function(e, ctx) ctx.fail('nonsense') end").status,
              InvocationStatus::kFailed);
}

TEST_F(LuaVmTest, ShowsTheContext) {
    context.attempt = 2;
    context.subscription_id = "sub-1";
    context.script_id = "scr-1";
    context.script_version = 4;
    context.execution_id = "ex-1";
    context.tenant_id = "acme";
    context.request_user = "";
    context.api_key_id = "key-1";
    context.replay_json = R"({"id":"rp-1","from":5})";
    context.started_at_us = 1'700'000'000'000'000;
    context.timeout_ms = 1500;
    EXPECT_EQ(value_of("{ctx.attempt, ctx.subscriptionId, ctx.scriptId, ctx.scriptVersion, "
                       "ctx.executionId, ctx.tenantId}"),
              R"([2,"sub-1","scr-1",4,"ex-1","acme"])");
    EXPECT_EQ(value_of("{ctx.eventName, tostring(ctx.requestUser), ctx.apiKeyId, ctx.replay.id, "
                       "ctx.deadline, tostring(ctx.nothing)}"),
              R"(["invoice.created","nil","key-1","rp-1",1700000001.5,"nil"])");
    EXPECT_EQ(
        value_of("(function() local n = 0 for k, v in pairs(ctx) do n = n + 1 end return n end)()"),
        "13");
    EXPECT_NE(value_of("(function() ctx.attempt = 1 end)()").find("ctx is read-only"),
              std::string::npos);
}

TEST_F(LuaVmTest, MakesALazyExecutionIdWhenItIsRead) {
    context.execution_id_lazy.write = [](const void* self, char* out, std::size_t) -> std::size_t {
        ++*static_cast<int*>(const_cast<void*>(self));
        out[0] = 'e';
        out[1] = '7';
        return 2;
    };
    int asked = 0;
    context.execution_id_lazy.self = &asked;
    run("return function() end");
    EXPECT_EQ(asked, 0);
    EXPECT_EQ(value_of("ctx.executionId"), "\"e7\"");
    EXPECT_EQ(asked, 1);
}

TEST_F(LuaVmTest, RemovesAScriptAndUsesItsHandleAgain) {
    const ScriptHandle first = compile("return function() return 1 end");
    vm->remove(first);
    const ScriptHandle second = compile("return function() return 2 end");
    EXPECT_EQ(second.index, first.index);
    EXPECT_EQ(run(second).result_json, "2");
}

TEST_F(LuaVmTest, ShowsAnyValueToAnApiRun) {
    const ScriptHandle handle =
        compile("return function(event) return event.body.n + event.query.k end");
    EventInput input;
    input.kind = EventInput::Kind::kValue;
    input.text = R"( {"query":{"k":2},"body":{"n":40}})";
    EXPECT_EQ(vm->invoke(handle, input, context, host).result_json, "42");
    input.text = R"({"query":{}})";
    EXPECT_EQ(
        vm->invoke(
              compile("return function(e) return {tostring(e.pattern), tostring(e.version)} end"),
              input, context, host)
            .result_json,
        R"(["nil","nil"])");
    input.text = "7";
    EXPECT_EQ(vm->invoke(compile("return function(e) return e + 1 end"), input, context, host)
                  .result_json,
              "8");
}

TEST_F(LuaVmTest, RefusesATooSmallMemoryCap) {
    LuaVm::Options options;
    options.memory_bytes_max = 1000;
    EXPECT_FALSE(LuaVm::create(options));
}

TEST_F(LuaVmTest, RefusesAResultThatIsTooLargeOrNotJson) {
    EXPECT_NE(run("return function() return ('x'):rep(2000000) end")
                  .error.find("the result is too large"),
              std::string_view::npos);
    EXPECT_NE(run("return function() return print end").error.find("the result holds a function"),
              std::string_view::npos);
    EXPECT_NE(run("return function() local t = {} t.t = t return t end").error.find("holds itself"),
              std::string_view::npos);
    EXPECT_FALSE(vm->poisoned());
}

}  // namespace
}  // namespace millrace::runtime
