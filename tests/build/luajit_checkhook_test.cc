// Goal: the LuaJIT that handlers run on stops a loop it has compiled when another thread sets a
// hook.
// Method: compile a counting loop by running it, check that a trace exists, enter the trace, and
// set the hook from a second thread. The loop is long but not endless, so that a library built
// without the flag fails here instead of hanging.
#include <gtest/gtest.h>
#include <lua.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace {

constexpr const char* kLoop = R"(
    local function count(limit)
        local i = 0
        while i < limit do i = i + 1 end
        return i
    end
    count(1e6)
    traces = require("jit.util").traceinfo(1) ~= nil
    entered()
    return count(1e10)  -- half a minute if nothing stops it
)";

struct CloseState {
    void operator()(lua_State* lua) const { lua_close(lua); }
};
using State = std::unique_ptr<lua_State, CloseState>;

std::atomic<bool> entered{false};

int tell_entered(lua_State* /*lua*/) {
    entered.store(true, std::memory_order_release);
    return 0;
}

// Leaves how far the loop had come in `stopped_at`: a library without the flag calls the hook too,
// but only once the compiled loop has run to its end.
void stop_here(lua_State* lua, lua_Debug* where) {
    constexpr int kLocalI = 2;
    if (lua_getlocal(lua, where, kLocalI) != nullptr) {
        lua_setglobal(lua, "stopped_at");
    }
    luaL_error(lua, "deadline");
}

}  // namespace

TEST(LuaJit, HookFromAnotherThreadStopsACompiledLoop) {
#ifdef MILLRACE_LUAJIT_NO_CHECKHOOK
    FAIL()
        << "built with Debian's own LuaJIT, which ignores hooks in compiled code; run tools/setup";
#endif
    State state(luaL_newstate());
    ASSERT_NE(state, nullptr);
    luaL_openlibs(state.get());
    lua_register(state.get(), "entered", tell_entered);
    ASSERT_EQ(luaL_loadstring(state.get(), kLoop), 0);

    std::thread watchdog([lua = state.get()] {
        while (!entered.load(std::memory_order_acquire)) {
            std::this_thread::yield();
        }
        // Lets the loop get well into its trace; setting the hook earlier would prove less, not
        // fail.
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        lua_sethook(lua, stop_here, LUA_MASKCOUNT, 1);
    });
    const int status = lua_pcall(state.get(), 0, 1, 0);
    watchdog.join();

    lua_sethook(state.get(), nullptr, 0, 0);
    lua_getglobal(state.get(), "traces");
    EXPECT_TRUE(lua_toboolean(state.get(), -1))
        << "the loop was not compiled, so this proved nothing";
    lua_pop(state.get(), 1);
    ASSERT_EQ(status, LUA_ERRRUN);
    EXPECT_NE(std::string(lua_tostring(state.get(), -1)).find("deadline"), std::string::npos);
    lua_getglobal(state.get(), "stopped_at");
    ASSERT_TRUE(lua_isnumber(state.get(), -1)) << "the hook ran outside the loop";
    EXPECT_GT(lua_tonumber(state.get(), -1), 0.0);
    EXPECT_LT(lua_tonumber(state.get(), -1), 1e10)
        << "the loop ran to its end: LuaJIT lacks -DLUAJIT_ENABLE_CHECKHOOK";
}
