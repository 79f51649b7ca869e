// Goal: states beyond those that a lane may have cost nobody a run that waits.
// Method: a cache asked for scripts of more tenants than it has states; runs that wait by hand.
#include "runtime/executors/script_cache.h"

#include "tests/runtime/lua/lua_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace millrace::runtime {
namespace {

class ScriptCacheTest : public testing::Test {
protected:
    ScriptCacheTest() {
        cache_.on_drop([this](LuaVm* vm) { dropped_.push_back(vm); });
    }
    ScriptCache::Compiled get(std::uint32_t tenant) {
        Script script;
        script.number = ScriptNumber(tenant);
        script.tenant = core::TenantId(tenant);
        script.name = "s";
        script.memory_bytes = 1 << 20;
        script.source = "return function(event) sdk.sleep(1) return event.payload.amount end";
        auto compiled = cache_.get(script);
        EXPECT_TRUE(compiled);
        return compiled ? *compiled : ScriptCache::Compiled{};
    }
    LuaTurn start(const ScriptCache::Compiled& in) {
        EventInput input;
        input.text = kInvoice;
        input.tenant_id = "default";
        return in.vm->start(in.handle, input, context_, host_);
    }

    MemoryHost host_;
    InvocationContext context_;
    ScriptCache cache_{nullptr, 7};
    std::vector<LuaVm*> dropped_;
};

TEST_F(ScriptCacheTest, AStateInWhichARunWaitsIsNotTheOneThatGoes) {
    const ScriptCache::Compiled waits = get(1), idle = get(2);
    const LuaTurn turn = start(waits);
    ASSERT_FALSE(turn.ended);
    std::uint32_t next = 3;
    while (dropped_.empty() && next < 1'000) get(next++);
    ASSERT_EQ(dropped_, std::vector<LuaVm*>{idle.vm});
    ASSERT_TRUE(waits.vm->resume(turn.run).ended);
    EXPECT_EQ(waits.vm->result().result_json, "129.5");
    get(next);
    EXPECT_EQ(dropped_.back(), waits.vm) << "the oldest again, now that nothing waits in it";
}

TEST_F(ScriptCacheTest, WhereRunsWaitInAllOfThemTheOldestGoes) {
    const ScriptCache::Compiled first = get(1);
    ScriptCache::Compiled now = first;
    for (std::uint32_t next = 2; dropped_.empty() && next < 1'000; ++next) {
        ASSERT_FALSE(start(now).ended);
        now = get(next);
    }
    EXPECT_EQ(dropped_, std::vector<LuaVm*>{first.vm});
}

}  // namespace
}  // namespace millrace::runtime
