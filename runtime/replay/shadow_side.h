// What: runs one version of a script over past events without doing anything: reads come from the
//       kv store under an overlay of its own, writes go into that overlay, emitted events and logs
//       are only told. Time and randomness come from the event, so that two sides see the same.
// Threads: one at a time. Lifetime: borrows Deps; its Lua states die with it.
// Limits: kOverlayKeysMax keys in the overlay, then full() says so.
// Failure: whatever goes wrong in a run is its outcome.
#pragma once

#include "core/event_parser.h"
#include "core/field_plan.h"
#include "core/field_table.h"
#include "core/random.h"
#include "runtime/delivery/kv_pending.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/executors/script_cache.h"
#include "runtime/registry/registry_types.h"
#include "runtime/registry/schema_guard.h"
#include "runtime/replay/shadow_outcome.h"
#include "store/ids/hasher.h"
#include "store/log/event_block.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class ShadowSide final : private LuaHost {
public:
    static constexpr std::size_t kOverlayKeysMax = 200'000;

    struct Deps {
        store::KvStore* kv = nullptr;
        const KvBaseline* baseline = nullptr;  // may be null: kv as it is now
        const store::Hasher* hasher = nullptr;
        LuaWatchdogSlot* watchdog_slot = nullptr;
        std::uint64_t seed = 0;
        const SchemaBook* schemas = nullptr;  // may be null
        // Whether an event of this key is another partition's; empty: there are no others.
        std::function<bool(core::TenantId tenant, std::string_view key)> is_elsewhere{};
    };
    explicit ShadowSide(const Deps& deps);

    struct Run {
        const Script* script = nullptr;
        const Subscription* subscription = nullptr;
        store::StoredEvent event;
        std::string_view event_id;
    };
    // `emitted_ids`, if given, gets the ids that the emitted events would have; the outcome then
    // tells of them what a look into the log can tell: pattern and payload. What is another
    // partition's the log here does not know: it has no id, and is not told of.
    ShadowOutcome run(const Run& run, std::vector<std::string>* emitted_ids);
    bool full() const { return overlay_.size() > kOverlayKeysMax; }

private:
    // LuaHost
    EmitCause emit_cause() override;
    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override;
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override;
    bool secret(std::string_view, std::string&) override { return false; }
    bool takes_event(std::string_view pattern, std::string_view envelope,
                     std::string& why) override {
        return guard_.takes_emitted(pattern, envelope, tenant_, now_us_, SchemaGuard::Asker::kTrial,
                                    why);
    }
    std::int64_t wall_us() override { return now_us_; }
    std::int64_t monotonic_ns() override { return now_us_ * 1000; }
    std::uint64_t random() override { return random_.next(); }

    void take(const InvocationResult& result, ShadowOutcome& out,
              std::vector<std::string>* emitted_ids);

    const Deps deps_;
    ScriptCache scripts_;
    KvPending overlay_;
    core::Random random_;
    SchemaGuard guard_;
    core::TenantId tenant_;
    std::int64_t now_us_ = 0;
    // The event of the run that is going on, read when it emits.
    const store::StoredEvent* running_ = nullptr;
    std::string_view running_id_;
    core::EventParser parser_;
    core::FieldPlan no_fields_;
    core::FieldTable fields_;
    std::string emit_context_;
};

}  // namespace millrace::runtime
