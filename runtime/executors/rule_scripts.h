// What: scripts that say whether an event may come in (rules of schemas). A run sees the event and
//       what is committed in kv; what it would write, emit, call or wait for makes it fail.
//       Nothing, nil or true lets the event in; false refuses it, and a text does so in its words.
// Threads: one owner: a shard's, a lane's, or that of a look. Lifetime: borrows Deps.
// Limits: kRuleTimeoutMs a run. A script that met it is not run again for kRestUs: a batch that is
//       refused a thousand times over must not take a thousand times that long.
// Failure: an error, a time-out and a script that is not there are why the event is refused.
#pragma once

#include "core/clock.h"
#include "core/random.h"
#include "runtime/executors/script_cache.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/rule_runner.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

class RuleScripts final : public RuleRunner, private LuaHost {
public:
    struct Deps {
        // When the first script is asked; null: no deadline (the simulator).
        std::function<LuaWatchdogSlot*()> add_slot = {};
        const core::Clock* clock = nullptr;
        store::KvStore* kv = nullptr;  // null: it is empty
        std::function<RegistrySnapshotRef()> registry = {};
        std::function<std::uint64_t()> registry_version = {};  // null: asked each time
        std::uint64_t seed = 0;
    };
    explicit RuleScripts(const Deps& deps) : deps_(deps), random_(deps.seed ^ 0x41u) {}

    std::optional<std::string> refuse(const schema::SchemaRule& rule,
                                      const RuleEvent& event) override;

private:
    static constexpr std::int64_t kRestUs = 1'000'000;

    const Script* find(std::uint32_t number);
    std::optional<std::string> run(const Script& script, const RuleEvent& event);

    // LuaHost
    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override;
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override;
    bool secret(std::string_view, std::string&) override { return false; }
    std::int64_t wall_us() override { return deps_.clock->wall_us(); }
    std::int64_t monotonic_ns() override { return deps_.clock->monotonic_ns(); }
    std::uint64_t random() override { return random_.next(); }

    const Deps deps_;
    std::optional<ScriptCache> scripts_;  // most schemas name none
    core::Random random_;
    RegistrySnapshotRef registry_;
    std::uint64_t registry_version_ = 0;
    std::map<std::uint32_t, std::int64_t> rests_until_us_;  // by script number
    core::TenantId tenant_;
    std::string text_;
};

}  // namespace millrace::runtime
