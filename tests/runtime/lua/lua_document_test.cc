// Goal: a run that may change its document leaves it as the script has left it, also when it waited
// in between, and ctx.abort is said however the script goes on. Method: small sources over
// {"doc":...}.
#include "runtime/lua/lua_vm.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace millrace::runtime {
namespace {

class LuaDocumentTest : public LuaFixture {
protected:
    // What is left of the document.
    std::string change(std::string_view source, std::string_view data) {
        const ScriptHandle handle = compile(source);
        EventInput input;
        input.kind = EventInput::Kind::kDocument;
        input.text = data;
        context.event_data = data;
        LuaTurn turn = vm->start(handle, input, context, host);
        while (!turn.ended) {
            host.now_us += 1'000'000;
            turn = vm->resume(turn.run, {});
        }
        error = vm->result().error;
        vm->swap_effects(effects);
        return std::string(effects.document);
    }
    AttemptEffects effects;
    std::string error;
};

TEST_F(LuaDocumentTest, LeavesWhatTheScriptHasLeft) {
    EXPECT_EQ(change("return function(e, ctx) local d = ctx.eventData.doc d.n = d.n + 1 end",
                     R"({"doc":{"n":1,"empty":{},"list":[]}})"),
              R"({"empty":{},"list":[],"n":2})");
    EXPECT_EQ(change("return function(e, ctx) ctx.eventData.doc = {all = 'new'} return 1 end",
                     R"({"doc":{"n":1}})"),
              R"({"all":"new"})");
    EXPECT_EQ(change("return function() end", R"({"doc":{}})"), "{}");
    EXPECT_EQ(change("local e, ctx = ... ctx.eventData.doc.x = e.doc.n", R"({"doc":{"n":1}})"),
              R"({"n":1,"x":1})");
}

TEST_F(LuaDocumentTest, KeepsItWhileItWaits) {
    EXPECT_EQ(change("return function(e, ctx) ctx.eventData.doc.a = 1 sdk.sleep(10) "
                     "ctx.eventData.doc.b = 2 end",
                     R"({"doc":{}})"),
              R"({"a":1,"b":2})");
}

TEST_F(LuaDocumentTest, ADocumentThatIsNoneIsAnError) {
    change("return function(e, ctx) ctx.eventData.doc = nil end", R"({"doc":{}})");
    EXPECT_NE(error.find("doc must stay a table"), std::string::npos) << error;
    change("return function(e, ctx) ctx.eventData.doc.f = print end", R"({"doc":{}})");
    EXPECT_FALSE(error.empty());
}

TEST_F(LuaDocumentTest, AnAbortStandsAlsoWhenItIsCaught) {
    change("return function(e, ctx) pcall(ctx.abort, 'NO', 'not so', {why = 1}) end",
           R"({"doc":{}})");
    EXPECT_EQ(effects.abort_json, R"({"code":"NO","message":"not so","details":{"why":1}})");
    EXPECT_EQ(error, "not so");
    EXPECT_EQ(vm->result().status, InvocationStatus::kFailed);
}

TEST_F(LuaDocumentTest, OnlySuchARunCanAbort) {
    EXPECT_EQ(run("return function(e, ctx) return tostring(ctx.abort) end").result_json, "\"nil\"");
}

}  // namespace
}  // namespace millrace::runtime
