// What: runs deliveries one by one and gathers what came of them (outcomes, kv writes, emitted
//       events, retries, dead letters) into one LaneResult: the unit of atomic effect.
// Threads: one lane's. Lifetime: borrows all of Deps.
// Limits: the lane closes a result by count, bytes and time.
// Failure: whatever goes wrong with one delivery is that delivery's outcome.
#pragma once

#include "core/buffer.h"
#include "core/clock.h"
#include "core/event_parser.h"
#include "core/metrics.h"
#include "runtime/delivery/key_order.h"
#include "runtime/delivery/kv_pending.h"
#include "runtime/delivery/lane_job.h"
#include "runtime/delivery/outcome_writer.h"
#include "runtime/delivery/run_metrics.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/executors/script_cache.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/ids/hasher.h"
#include "store/log/pool_set.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::runtime {

class DeliveryRun final : private LuaHost {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        const store::Hasher* hasher = nullptr;
        store::KvStore* kv = nullptr;
        store::PoolSet* pools = nullptr;
        core::Metrics* metrics = nullptr;
        LuaWatchdogSlot* watchdog_slot = nullptr;
        std::uint64_t seed = 0;
        std::size_t event_bytes_max = core::kEventBytesMax;  // of emitted ones too
        // A key's parked deliveries may be read; any thread.
        std::function<void(const DrainRequest&)> drain;
    };
    explicit DeliveryRun(const Deps& deps);

    bool open() const { return result_ != nullptr; }
    void begin(const LaneJob& job);
    // One delivery; returns the monotonic time at its end.
    std::int64_t deliver(const LaneJob& job, const DeliveryItem& item,
                         const RegistrySnapshot& registry);
    // Closes what was gathered. With `job_finished` the job's callbacks go along.
    std::unique_ptr<LaneResult> finish(LaneJob& job, bool job_finished);
    KeyOrder& order() { return order_; }
    const KeyOrder& order() const { return order_; }
    std::size_t pending_bytes() const { return emits_.size() + result_->rows.bytes(); }

private:
    struct Ran {
        AttemptOutcome outcome = AttemptOutcome::kFailed;
        std::string_view outcome_text;
        std::string_view error;
        std::string_view result_json;
        const InvocationResult* invocation = nullptr;
    };

    // LuaHost
    EmitCause emit_cause() override;
    KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override;
    KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override;
    bool secret(std::string_view, std::string&) override { return false; }
    std::int64_t wall_us() override { return deps_.clock->wall_us(); }
    std::int64_t monotonic_ns() override { return deps_.clock->monotonic_ns(); }
    std::uint64_t random() override { return random_.next(); }

    Ran run_script(const Attempt& attempt);
    std::string_view replay_json(const std::string& id);
    Ran invoke(const Script& script, const EventInput& input, InvocationContext& context);
    void run_api_call(LaneJob& job, const RegistrySnapshot& registry);
    void keep_run(const ScriptRunJob& call, const Script& script, const ScriptRunResult& answer);
    void deliver_event(const LaneJob& job, const DeliveryItem& item,
                       const Subscription& subscription, const Script* script);
    bool postponed(Attempt& attempt);
    bool held_by_key(Attempt& attempt);
    void put_off(const Attempt& attempt, std::int64_t until_us);
    bool is_keyed(const Attempt& attempt);
    void keep_order(const Attempt& attempt, const WrittenOutcome& written);
    void give_up(const LaneJob& job, const DeliveryItem& item);
    void drain_later(const std::optional<DrainRequest>& request);
    void open_outcomes(const LaneJob& job, std::uint32_t event_index);
    void begin_event(const store::StoredEvent& event);
    void take_effects(const Ran& ran);
    void emit_dead_letter_alert(const Attempt& attempt, const WrittenOutcome& written);
    std::string_view event_id_of(const store::StoredEvent& event);
    const core::Envelope& envelope_of(const store::StoredEvent& event);
    void count_event_end();

    const Deps deps_;
    ScriptCache scripts_;
    KvPending kv_;
    OutcomeWriter outcomes_;
    RunMetrics metrics_;
    core::Random random_;
    core::EventParser parser_;
    core::FieldTable fields_;
    core::FieldPlan no_fields_;
    core::Envelope envelope_;
    const char* envelope_text_ = nullptr;  // which event envelope_ is of

    std::unique_ptr<LaneResult> result_;
    std::string emits_;  // NDJSON
    std::string logs_;
    std::string event_id_;
    std::string execution_id_;
    const store::StoredEvent* running_ = nullptr;  // null in an API run
    std::string emit_context_;
    std::string replay_id_;    // whose
    std::string replay_json_;  // this is
    std::string run_result_;
    core::TenantId tenant_;
    std::int64_t now_ns_ = 0;  // end of the last delivery: the next one's beginning
    std::int64_t wall_minus_monotonic_us_ = 0;
    bool outcomes_open_ = false;
    core::LogPosition outcomes_block_;  // whose outcomes are open
    // The event whose deliveries are being made: it counts once, when the last one is done.
    RunMetrics::Type* event_type_ = nullptr;
    std::uint64_t event_offset_ = 0;
    bool event_failed_ = false;
    bool event_waits_ = false;  // a delivery of it was put off: it is counted later
    KeyOrder order_;
    std::uint64_t job_delivered_ = 0;
    std::uint64_t job_failed_ = 0;
};

}  // namespace millrace::runtime
