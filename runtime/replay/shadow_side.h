// What: runs one version of a script over past events without doing anything: reads come from the
//       kv store under an overlay of its own, writes go into that overlay, emitted events and logs
//       are only told. Time and randomness come from the event, so that two sides see the same.
// Threads: one at a time. Lifetime: borrows Deps; its Lua states die with it.
// Limits: kOverlayKeysMax keys in the overlay, then full() says so.
// Failure: whatever goes wrong in a run is its outcome.
#pragma once

#include "core/random.h"
#include "runtime/delivery/kv_pending.h"
#include "runtime/executors/script_cache.h"
#include "runtime/registry/registry_types.h"
#include "runtime/replay/shadow_outcome.h"
#include "store/ids/hasher.h"
#include "store/log/event_block.h"
#include "store/rows/kv_store.h"

#include <cstdint>
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
    };
    explicit ShadowSide(const Deps& deps);

    struct Run {
        const Script* script = nullptr;
        const Subscription* subscription = nullptr;
        store::StoredEvent event;
        std::string_view event_id;
    };
    // `emitted_ids`, if given, gets the ids that the emitted events would have; the outcome then
    // tells of them what a look into the log can tell: pattern and payload.
    ShadowOutcome run(const Run& run, std::vector<std::string>* emitted_ids);
    bool full() const { return overlay_.size() > kOverlayKeysMax; }

private:
    // LuaHost
    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override;
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override;
    bool secret(std::string_view, std::string&) override { return false; }
    std::int64_t wall_us() override { return now_us_; }
    std::int64_t monotonic_ns() override { return now_us_ * 1000; }
    std::uint64_t random() override { return random_.next(); }

    void take(const InvocationResult& result, ShadowOutcome& out,
              std::vector<std::string>* emitted_ids);

    const Deps deps_;
    ScriptCache scripts_;
    KvPending overlay_;
    core::Random random_;
    core::TenantId tenant_;
    std::int64_t now_us_ = 0;
};

}  // namespace millrace::runtime
