// Goal: no script keeps its lane, passes its memory cap, or allocates in steady state. Method: real
// watchdog and real time, since the thing under test is the signal; deadlines are short and the
// bounds generous. Every program below is one that some engine could not stop.
#include "core/clock.h"
#include "runtime/lua/lua_allocator.h"
#include "tests/runtime/lua/lua_fixture.h"

#include <lua.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <new>

#include <pthread.h>

namespace {
std::atomic<bool> counting{false};
std::atomic<std::uint64_t> allocations{0};
std::atomic<std::uint64_t> allocated_bytes{0};
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t bytes) {
    if (counting.load(std::memory_order_relaxed)) {
        allocations.fetch_add(1, std::memory_order_relaxed);
        allocated_bytes.fetch_add(bytes, std::memory_order_relaxed);
    }
    if (void* block = std::malloc(bytes)) return block;
    std::abort();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    if (counting.load(std::memory_order_relaxed))
        allocations.fetch_add(1, std::memory_order_relaxed);
    return std::malloc(bytes);
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace millrace::runtime {
namespace {

constexpr std::uint32_t kDeadlineMs = 200;
// Sanitizers and busy machines are slow; a run that is not stopped at all never ends.
constexpr std::int64_t kPatienceMs = 20'000;

class LuaLimitsTest : public LuaFixture {
protected:
    void SetUp() override {
        watchdog.start();
        slot = watchdog.add_slot();
        renew();
        script.timeout_ms = kDeadlineMs;
    }
    void renew() {
        LuaVm::Options options;
        options.watchdog_slot = slot;
        options.memory_bytes_max = 32u << 20;
        reset(options);
    }
    // Another tenant's VM on the same lane goes on as if nothing had happened.
    void expect_neighbour_unharmed(LuaVm& neighbour, ScriptHandle handle) {
        const InvocationResult& result =
            neighbour.invoke(handle, input_of(kInvoice), context, host);
        EXPECT_EQ(result.status, InvocationStatus::kCompleted) << result.error;
        EXPECT_EQ(result.result_json, "129.5");
    }

    LuaWatchdog watchdog;
    LuaWatchdogSlot* slot = nullptr;
    ScriptOptions script;
    const core::RealClock clock;
};

struct Program {
    const char* name;
    const char* source;
};

constexpr Program kEndless[] = {
    {"while", "while true do end"},
    {"for", "for i = 1, 1e18 do end"},
    {"repeat", "repeat local x = 1 until false"},
    {"goto", "::again:: goto again"},
    {"arithmetic", "local x = 0 while true do x = x + 1 end"},
    {"pcall inside", "while true do pcall(function() while true do end end) end"},
    {"pcall of error", "while true do pcall(error, 'x') end"},
    {"pcall of pcall", "while true do pcall(pcall, pcall, error) end"},
    {"xpcall handler",
     "xpcall(function() while true do end end, function() while true do end end)"},
    {"error in error handler", "while true do xpcall(error, function() error('again') end) end"},
    {"tail calls", "local function f() return f() end f()"},
    {"mutual recursion caught", "local function f() pcall(f) while true do end end f()"},
    {"coroutine", "local c = coroutine.wrap(function() while true do end end) c()"},
    {"coroutines without end",
     "while true do coroutine.resume(coroutine.create(function() while true do end end)) end"},
    {"yielding",
     "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do "
     "c() end"},
    {"metamethod",
     "local t t = setmetatable({}, {__index = function(s, k) while true do end end}) local x = "
     "t.x"},
    {"iterator", "for _ in function() return 1 end do end"},
    {"string building", "while true do local s = ('x'):rep(1000) end"},
    {"table writes", "local t = {} while true do t[1] = (t[1] or 0) + 1 end"},
    {"sdk calls", "while true do pcall(sdk.kv.get, 'x') end"},
    {"gsub callback", "('x'):rep(100000):gsub('x', function() while true do end end)"},
    {"sort comparison",
     "local t = {} for i = 1, 100 do t[i] = i end while true do pcall(table.sort, t, function() "
     "while true do end end) end"},
    {"tostring", "tostring(setmetatable({}, {__tostring = function() while true do end end}))"},
    {"close to the end", "local function f() local ok = pcall(f) return f() end f()"},
};

TEST_F(LuaLimitsTest, StopsEveryKindOfEndlessLoop) {
    LuaVm::Options options;
    options.watchdog_slot = slot;
    auto neighbour = std::move(*LuaVm::create(options));
    const ScriptHandle good =
        *neighbour->compile("return function(e) return e.payload.amount end", "good", {});
    for (const Program& program : kEndless) {
        SCOPED_TRACE(program.name);
        renew();
        const ScriptHandle handle =
            compile("return function(event, ctx) " + std::string(program.source) + " end", script);
        const std::int64_t before = clock.monotonic_ns();
        const InvocationResult& result = run(handle);
        const std::int64_t took_ms = (clock.monotonic_ns() - before) / 1'000'000;
        EXPECT_EQ(result.status, InvocationStatus::kTimeout) << result.error;
        EXPECT_TRUE(result.error.starts_with("stopped after its deadline of 200 ms"))
            << result.error;
        EXPECT_TRUE(vm->poisoned());
        EXPECT_GE(took_ms, kDeadlineMs - 1);
        EXPECT_LT(took_ms, kPatienceMs);
        expect_neighbour_unharmed(*neighbour, good);
    }
    EXPECT_EQ(watchdog.killed_runs(), std::size(kEndless));
}

// LuaJIT bounds Lua's stacks; what calls back from C stands on the thread's own.
constexpr Program kDeep[] = {
    {"coroutines inside one another", "local function f() return coroutine.wrap(f)() end f()"},
    {"gsub callback", "local function f() return (('a'):gsub('a', f)) end f()"},
    {"gsub table",
     "local t t = setmetatable({}, {__index = function() return (('a'):gsub('a', t)) "
     "end}) return t.a"},
    {"format",
     "local m m = setmetatable({}, {__tostring = function() return ('%s'):format(m) "
     "end}) tostring(m)"},
    {"sort in coroutines",
     "local function deep(left) local calls = 0 local function f() calls = calls + 1 "
     "if calls > 4000 then coroutine.wrap(deep)(left - 1) return end "
     "table.sort({1, 2}, function(a, b) f() return a < b end) end f() end deep(60)"},
    {"options of emit",
     "local m m = setmetatable({}, {__index = function() sdk.events.emit('x', {}, m) "
     "end}) sdk.events.emit('x', {}, m)"},
};

// On a thread whose stack is as small as a lane's may be.
void on_small_stack(const std::function<void()>& work) {
    pthread_attr_t attributes;
    ASSERT_EQ(::pthread_attr_init(&attributes), 0);
    ASSERT_EQ(::pthread_attr_setstacksize(&attributes, 2u << 20), 0);
    const auto run = [](void* argument) -> void* {
        (*static_cast<const std::function<void()>*>(argument))();
        return nullptr;
    };
    pthread_t thread{};
    void* const argument = const_cast<std::function<void()>*>(&work);
    ASSERT_EQ(::pthread_create(&thread, &attributes, run, argument), 0);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
}

TEST_F(LuaLimitsTest, RefusesCallsInsideOneAnotherThatTheThreadHasNoStackFor) {
    script.timeout_ms = 60'000;
    LuaVm::Options options;
    options.watchdog_slot = slot;
    options.memory_bytes_max = 256u << 20;  // it is not that which ends them
    for (const Program& program : kDeep) {
        SCOPED_TRACE(program.name);
        reset(options);
        const ScriptHandle handle =
            compile("return function(event, ctx) local ok, why = pcall(function() " +
                        std::string(program.source) +
                        " end) if ok then error('it ended') end return tostring(why) end",
                    script);
        on_small_stack([&] {
            for (int again = 0; again < 2; ++again) {
                const InvocationResult& result = run(handle);
                ASSERT_TRUE(result.completed()) << result.error;
                EXPECT_NE(result.result_json.find("stack overflow"), std::string_view::npos)
                    << result.result_json;
            }
        });
    }
}

TEST_F(LuaLimitsTest, StopsAChunkThatNeverReturnsItsHandler) {
    const InvocationResult& result = run(compile("while true do end", script));
    EXPECT_EQ(result.status, InvocationStatus::kTimeout);
    EXPECT_NE(result.error.find("script:1"), std::string_view::npos) << result.error;
}

TEST_F(LuaLimitsTest, LetsARunTakeItsTime) {
    // Many quick runs, together far longer than the deadline: each begins anew.
    script.timeout_ms = 50;
    const ScriptHandle handle = compile(
        "return function() local x = 0 for i = 1, 1000 do x = x + i end return x end", script);
    const std::int64_t end = clock.monotonic_ns() + 300'000'000;
    std::uint64_t runs = 0;
    while (clock.monotonic_ns() < end) {
        ASSERT_TRUE(run(handle).completed());
        ++runs;
    }
    EXPECT_GT(runs, 100u);
    EXPECT_EQ(watchdog.killed_runs(), 0u);
}

TEST_F(LuaLimitsTest, ObeysTheShorterDeadlineOfTheInvocation) {
    script.timeout_ms = 60'000;
    context.timeout_ms = 50;
    EXPECT_EQ(run(compile("while true do end", script)).status, InvocationStatus::kTimeout);
}

constexpr Program kPatternBombs[] = {
    {"find", "return ('a'):rep(60):find(('.-'):rep(20) .. 'b')"},
    {"match", "return ('a'):rep(60):match(('a*'):rep(20) .. 'b')"},
    {"gmatch", "for w in ('a'):rep(60):gmatch(('a-'):rep(20) .. 'b') do end"},
    {"gsub", "return ('a'):rep(60):gsub(('a?'):rep(40) .. ('a'):rep(40) .. 'b', '')"},
    {"back-reference", "return ('a'):rep(3000):find('(.-)(.-)%1%2%1b')"},
    {"quadratic", "return (' '):rep(300000):find('%s*x')"},
};

TEST_F(LuaLimitsTest, StopsPatternBombs) {
    for (const Program& program : kPatternBombs) {
        SCOPED_TRACE(program.name);
        renew();
        script.timeout_ms = 5'000;
        const ScriptHandle handle =
            compile("return function() " + std::string(program.source) + " end", script);
        const std::int64_t before = clock.monotonic_ns();
        const InvocationResult& result = run(handle);
        EXPECT_LT((clock.monotonic_ns() - before) / 1'000'000, kPatienceMs);
        EXPECT_EQ(result.status, InvocationStatus::kFailed) << result.result_json;
        EXPECT_NE(result.error.find("too complex"), std::string_view::npos) << result.error;
        EXPECT_FALSE(vm->poisoned());
    }
}

TEST_F(LuaLimitsTest, StopsAPatternAtTheDeadlineInsideOneCall) {
    script.timeout_ms = 20;
    const InvocationResult& result = run(compile(
        "while true do pcall(string.find, ('a'):rep(60), ('.-'):rep(20) .. 'b') end", script));
    EXPECT_EQ(result.status, InvocationStatus::kTimeout);
}

TEST_F(LuaLimitsTest, LooksForAPlainTextInTimeOfItsLength) {
    script.timeout_ms = 60'000;
    const InvocationResult& result = run(compile(
        "return function() local a = ('a'):rep(4000000) return a:find(('a'):rep(2000000) .. 'b', "
        "1, true) or a:find(('a'):rep(2000000) .. 'b') or a:find('aaa', 3999998, true) end",
        script));
    EXPECT_EQ(result.result_json, "3999998") << result.error;
}

// What calls leave behind lies beside the state's memory, where its cap does not reach.
constexpr Program kLeftBehind[] = {
    {"eventData", "for i = 1, 500000 do local x = ctx.eventData.body end"},
    {"requestUser", "for i = 1, 500000 do local x = ctx.requestUser.id end"},
    {"replay", "for i = 1, 500000 do local x = ctx.replay.id end"},
    {"source", "for i = 1, 2000000 do local x = event.source end"},
    {"emits that are refused",
     "local p = {x = ('x'):rep(500000)} for i = 1, 500 do pcall(sdk.events.emit, 'p', p, "
     "{version = 5}) end"},
    {"answers",
     "local b = {body = ('x'):rep(500000)} for i = 1, 500 do pcall(sdk.http.respond, b) end"},
};

TEST_F(LuaLimitsTest, WhatARunLeavesBehindIsBounded) {
    const std::string data = R"({"body":")" + std::string(500, 'x') + R"("})";
    context.event_data = data;
    context.request_user = R"({"id":"u"})";
    context.replay_json = R"({"id":"r"})";
    script.timeout_ms = 60'000;
    for (const Program& program : kLeftBehind) {
        SCOPED_TRACE(program.name);
        renew();
        const ScriptHandle handle = compile(
            "return function(event, ctx) " + std::string(program.source) + " return 'well' end",
            script);
        allocated_bytes = 0;
        counting = true;
        const InvocationResult& result = run(handle, R"({"pattern":"p","payload":{}})");
        counting = false;
        EXPECT_EQ(result.result_json, "\"well\"") << result.error;
        EXPECT_LE(allocated_bytes, 3 * kLuaKeptBytesPerRunMax / 2);
        const bool keeps_nothing = std::string_view(program.source).starts_with("for");
        EXPECT_TRUE(!keeps_nothing || allocated_bytes <= 1u << 20) << allocated_bytes;
    }
}

constexpr Program kMemoryBombs[] = {
    {"table", "local t = {} for i = 1, 1e12 do t[i] = i end"},
    {"nested tables", "local t = {} while true do t = {t, t} t[3] = {1, 2, 3, 4} end"},
    {"string doubling", "local s = 'x' while true do s = s .. s end"},
    {"string.rep", "return #('x'):rep(1e9)"},
    {"rep of rep", "return #(('x'):rep(1e6)):rep(1e6)"},
    {"concat",
     "local t = {} for i = 1, 200 do t[i] = ('x'):rep(1000000) .. i end return #table.concat(t)"},
    {"gsub growth", "local s = ('x'):rep(1000) while true do s = s:gsub('x', 'xx') end"},
    {"closures", "local t = {} for i = 1, 1e12 do t[i] = function() return i end end"},
    {"coroutines", "local t = {} for i = 1, 1e12 do t[i] = coroutine.create(function() end) end"},
    {"format",
     "local s = ('x'):rep(1000000) local t = {} for i = 1, 1e6 do t[i] = string.format('%s%d', s, "
     "i) end"},
    {"caught",
     "while true do pcall(function() local t = {} for i = 1, 1e12 do t[i] = {} end end) end"},
    {"decode",
     "local t = {} for i = 1, 1e6 do t[i] = sdk.json.decode('[1,2,3,4,5,6,7,8,9,10]') end"},
};

TEST_F(LuaLimitsTest, AllStatesTogetherKeepTheirShare) {
    const std::size_t before = LuaAllocator::all_bytes();
    LuaAllocator::share_among_all(4u << 20);
    {
        LuaVm::Options options;
        options.watchdog_slot = slot;
        auto holder = std::move(*LuaVm::create(options));
        const ScriptHandle hold = *holder->compile(
            "local kept = {} return function() for i = 1, 1000 do kept[i] = ('x'):rep(1500) .. i "
            "end "
            "end",
            "hold", {});
        ASSERT_EQ(holder->invoke(hold, input_of(kInvoice), context, host).status,
                  InvocationStatus::kCompleted);
        EXPECT_GT(LuaAllocator::all_bytes(), before + (1u << 20));
        renew();
        script.timeout_ms = kPatienceMs;
        const InvocationResult& result = run(compile(
            "return function() local t = {} for i = 1, 5000 do t[i] = ('y'):rep(1500) .. i end end",
            script));
        EXPECT_EQ(result.status, InvocationStatus::kMemory) << result.error;
        EXPECT_TRUE(result.error.starts_with("all scripts together")) << result.error;
        EXPECT_TRUE(LuaAllocator::share_is_short());
    }
    LuaAllocator::share_among_all(0);
    renew();
    EXPECT_EQ(LuaAllocator::all_bytes(), before) << "what was counted is given back";
    EXPECT_FALSE(LuaAllocator::share_is_short());
}

TEST_F(LuaLimitsTest, EndsMemoryBombsAtTheCapAndLeavesNeighboursAlone) {
    LuaVm::Options options;
    options.watchdog_slot = slot;
    auto neighbour = std::move(*LuaVm::create(options));
    const ScriptHandle good =
        *neighbour->compile("return function(e) return e.payload.amount end", "good", {});
    script.timeout_ms = 60'000;
    for (const Program& program : kMemoryBombs) {
        SCOPED_TRACE(program.name);
        renew();
        const InvocationResult& result =
            run(compile("return function() " + std::string(program.source) + " end", script));
        EXPECT_EQ(result.status, InvocationStatus::kMemory) << result.error << result.result_json;
        EXPECT_TRUE(result.error.starts_with("over its memory cap of 33554432 bytes"))
            << result.error;
        EXPECT_TRUE(vm->poisoned());
        EXPECT_LE(vm->memory_bytes(), (32u << 20) + (512u << 10));
        expect_neighbour_unharmed(*neighbour, good);
    }
}

TEST_F(LuaLimitsTest, SurvivesStackOverflow) {
    EXPECT_NE(run(compile("local function f() return 1 + f() end return function() return f() end",
                          script))
                  .error.find("stack overflow"),
              std::string_view::npos);
    EXPECT_FALSE(vm->poisoned());
    const InvocationResult& text =
        run(compile("return function() return ('x'):gsub('x', function() return ('y'):gsub('y', "
                    "string.rep) end) end",
                    script));
    EXPECT_EQ(text.status, InvocationStatus::kFailed);
}

TEST_F(LuaLimitsTest, CollectsGarbageInsteadOfPassingTheCap) {
    script.timeout_ms = 60'000;
    const ScriptHandle handle = compile(
        "return function(e) local t = {} for i = 1, 1000 do t[i] = {i, tostring(i) .. "
        "e.payload.currency} end "
        "return #t end",
        script);
    for (int i = 0; i < 3000; ++i) ASSERT_EQ(run(handle).result_json, "1000") << i;
    EXPECT_LT(vm->memory_bytes(), 16u << 20);
}

TEST_F(LuaLimitsTest, AllocatesNothingPerRunInSteadyState) {
    const ScriptHandle handle = compile(
        "return function(event, ctx) local p = event.payload "
        "if p.amount > 100 and p.customer.name ~= '' and event.source.id == 'shop' then "
        "sdk.events.emit('invoice.big', {amount = p.amount, sku = p.lines[1].sku}) "
        "sdk.events.emit('invoice.copy', p) end "
        "sdk.kv.incr('count') sdk.kv.set('last', p.currency) sdk.log.info('seen', {attempt = "
        "ctx.attempt}) "
        "return {p.currency, p.big} end");
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(run(handle).completed());
    allocations.store(0);
    counting.store(true);
    bool all_completed = true;
    for (int i = 0; i < 10'000; ++i) all_completed &= run(handle).completed();
    counting.store(false);
    EXPECT_TRUE(all_completed);
    EXPECT_EQ(allocations.load(), 0u);
}

// A run inside a long C call: the hook is armed, and nothing looks at it until the call returns.
TEST(LuaWatchdogTest, CountsRunsThatCannotBeStopped) {
    constexpr std::int64_t kMs = 1'000'000;
    LuaWatchdog watchdog({.tick_ms = 1, .stuck_after_ms = 10});
    LuaWatchdogSlot* slot = watchdog.add_slot();
    const std::unique_ptr<lua_State, void (*)(lua_State*)> state(luaL_newstate(), lua_close);
    volatile int kill = 0;
    slot->enter(state.get(), &kill, 5);
    EXPECT_TRUE(watchdog.busy(*slot));
    EXPECT_EQ(watchdog.do_work(0), 0u);
    EXPECT_EQ(watchdog.do_work(4 * kMs), 0u) << "the deadline has not passed";
    EXPECT_EQ(watchdog.killed_runs(), 0u);
    EXPECT_EQ(watchdog.do_work(6 * kMs), 1u);
    EXPECT_NE(kill, 0) << "the signal has reached the thread of the run";
    EXPECT_NE(lua_gethook(state.get()), nullptr);
    EXPECT_EQ(watchdog.killed_runs(), 1u);
    EXPECT_EQ(watchdog.do_work(14 * kMs), 1u) << "told again at every look";
    EXPECT_EQ(watchdog.stuck_runs(), 0u);
    EXPECT_TRUE(watchdog.busy(*slot)) << "it may still heed what it was told";
    EXPECT_EQ(watchdog.do_work(16 * kMs), 1u);
    EXPECT_FALSE(watchdog.busy(*slot)) << "its thread hangs";
    EXPECT_EQ(watchdog.do_work(99 * kMs), 1u);
    EXPECT_EQ(watchdog.stuck_runs(), 1u) << "each run counts once";
    EXPECT_EQ(watchdog.killed_runs(), 1u);
    slot->leave();
    EXPECT_FALSE(watchdog.busy(*slot));
    EXPECT_EQ(watchdog.do_work(200 * kMs), 0u);
    kill = 0;
    slot->enter(state.get(), &kill, 5);
    EXPECT_TRUE(watchdog.busy(*slot)) << "another run";
    EXPECT_EQ(watchdog.do_work(201 * kMs), 0u);
    slot->leave();
    EXPECT_EQ(watchdog.do_work(300 * kMs), 0u);
    EXPECT_EQ(kill, 0) << "a run that ends in time is left alone";
    EXPECT_EQ(watchdog.stuck_runs(), 1u);
    watchdog.remove_slot(slot);
}

}  // namespace
}  // namespace millrace::runtime
