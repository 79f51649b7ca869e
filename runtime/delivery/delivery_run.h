// What: makes deliveries one by one: prepares each (order, due, room), starts an attempt at its
//       executor, and settles what came of it, at once or when a pending one answers, into the
//       result that is open then.
// Threads: one lane's. Lifetime: borrows all of Deps but the executors, which it owns.
// Limits: pending_attempts.h; the lane closes a result by count, bytes and time.
// Failure: whatever goes wrong with one delivery is that delivery's outcome.
#pragma once

#include "core/clock.h"
#include "core/metrics.h"
#include "core/random.h"
#include "runtime/delivery/answer_box.h"
#include "runtime/delivery/behind_gate.h"
#include "runtime/delivery/cancelled_events.h"
#include "runtime/delivery/delivery_log.h"
#include "runtime/delivery/due_clock.h"
#include "runtime/delivery/event_texts.h"
#include "runtime/delivery/executor.h"
#include "runtime/delivery/key_order.h"
#include "runtime/delivery/open_job.h"
#include "runtime/delivery/outcome_writer.h"
#include "runtime/delivery/pending_attempts.h"
#include "runtime/delivery/result_builder.h"
#include "runtime/delivery/run_metrics.h"
#include "runtime/event/trace_context.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/schema_guard.h"
#include "runtime/registry/secret_mask.h"
#include "runtime/registry/secret_names.h"
#include "runtime/telemetry/span_queue.h"
#include "store/ids/hasher.h"
#include "store/log/pool_set.h"
#include "store/rows/kv_store.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

// By ExecutorType; null: this server has none of that type.
using ExecutorSet = std::array<std::unique_ptr<Executor>, kExecutorTypes>;

class DeliveryRun final {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        const store::Hasher* hasher = nullptr;
        store::KvStore* kv = nullptr;
        store::PoolSet* pools = nullptr;
        core::Metrics* metrics = nullptr;
        DeliveryLog* log = nullptr;  // null: failures are told nobody
        std::uint64_t seed = 0;
        const DueClock* due = nullptr;
        // Null: no subscription falls behind.
        const BehindTable* behind = nullptr;
        std::size_t shards = 1;
        // A key's parked deliveries may be read; any thread.
        std::function<void(const DrainRequest&)> drain;
        // The newest one; any thread. Null: there are no secrets.
        std::function<RegistrySnapshotRef()> registry = nullptr;
        // Whether so many bytes of events find room in what a tenant may have. Null: any do.
        std::function<core::Status(core::TenantId, std::size_t bytes)> may_store = nullptr;
        const SchemaBook* schemas = nullptr;          // null: none is in force
        const StateBook* states = nullptr;            // of their rules; null: none
        std::shared_ptr<RuleRunner> rules = nullptr;  // null: scripts say nothing
        const CancelledEvents* cancelled = nullptr;   // null: none ever is
        // A receiver wants no more; any thread. Null: it is not heard.
        std::function<void(core::TenantId, const std::string& subscription_id)> pause = nullptr;
        telemetry::SpanQueue* spans = nullptr;  // this lane's; null: attempts are told nobody
        TraceRule traces{};
    };
    DeliveryRun(const Deps& deps, ExecutorSet&& executors);

    // A result is open between begin() and finish(). Each of the calls below needs an open one of
    // the job's shard, and answers the monotonic time at its end.
    bool open() const { return builder_.open(); }
    core::ShardId shard() const { return builder_.shard(); }
    void begin(core::ShardId shard);
    std::unique_ptr<LaneResult> finish();
    std::size_t open_bytes() const { return builder_.bytes(); }

    // The next delivery of a job, or one that has waited.
    std::int64_t deliver(const WaitingDelivery& delivery, const RegistrySnapshot& registry);
    // Time has passed without a delivery; what it is now.
    std::int64_t look_at_clock() { return now_ns_ = deps_.clock->monotonic_ns(); }
    // A block's delivery whose subscription is behind: deliver() makes no attempt of it now.
    bool is_behind_now(const WaitingDelivery& delivery);
    // This one will be delivered apart from the others of its event. Needs no open result.
    void set_apart(WaitingDelivery& delivery);
    // An attempt that was pending has answered.
    std::int64_t settle(const PendingAttempt& attempt, AttemptResult& result,
                        const RegistrySnapshot& registry);
    // Every delivery of a job has begun.
    void end_events() { count_event_end(); }
    // What of this one came with its shards' blocks is passed over from now on: the feeder brings
    // it from the log.
    void fall_behind(core::SubscriptionId subscription);
    // All of a job's deliveries have their outcome: what hangs on its end goes along.
    void end_job(OpenJob& job);

    PendingAttempts& pending() { return pending_; }
    BehindGate& gate() { return gate_; }
    ExecutorSet& executors() { return executors_; }
    KeyOrder& order() { return order_; }
    const KeyOrder& order() const { return order_; }

private:
    // How long a delivery waits for what may not run now, before it asks again.
    static constexpr std::int64_t kHeldUs = 1'000'000;

    // What one tenant's attempts see of the lane.
    class Host final : public LuaHost {
    public:
        Host(DeliveryRun& run, core::TenantId tenant) : run_(run), tenant_(tenant) {}
        EmitCause emit_cause() override;
        KvAnswer kv_get(KvSpace space, std::string_view key, std::string& value_json) override;
        KvAnswer kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) override;
        bool secret(std::string_view name, std::string& value) override;
        bool takes_event(std::string_view pattern, std::string_view envelope,
                         std::string& why) override;
        bool hide_secrets(std::string& text) override;
        std::int64_t wall_us() override { return run_.deps_.clock->wall_us(); }
        std::int64_t monotonic_ns() override { return run_.deps_.clock->monotonic_ns(); }
        std::uint64_t random() override { return run_.random_.next(); }
        core::TenantId tenant() const { return tenant_; }

    private:
        DeliveryRun& run_;
        const core::TenantId tenant_;
    };
    Host* host_of(core::TenantId tenant);

    std::int64_t wall_now_us() const { return now_ns_ / 1000 + wall_minus_monotonic_us_; }
    Attempt attempt_of(const WaitingDelivery& delivery, const Subscription& subscription);
    void deliver_event(WaitingDelivery delivery, const Subscription& subscription,
                       const RegistrySnapshot& registry);
    void start(const WaitingDelivery& delivery, Attempt& attempt, const DeliveryPlace& place,
               const RegistrySnapshot& registry);
    void end_attempt(const WaitingDelivery& delivery, Attempt& attempt, AttemptResult& result,
                     std::int64_t began_ns);
    // No secret stands in what is kept of an attempt, or told.
    void hide_secrets(core::TenantId tenant, const Subscription* subscription,
                      AttemptResult& result);
    // delivery_trace.cc
    AttemptTrace trace_of(const Attempt& attempt, std::string_view delivery_id);
    std::string trace_of_emitted(const Attempt& attempt);
    void tell_span(const Attempt& attempt, const WrittenOutcome& written);
    void count_kill(const AttemptResult& result);
    void count_end(const WaitingDelivery& delivery, const Attempt& attempt,
                   const WrittenOutcome& written, std::int64_t began_ns);
    void remember(const WaitingDelivery& delivery, const AttemptInput& input, Executor* executor,
                  const DeliveryPlace& place);
    void end_item(OpenJob& job);
    void return_misfit(const LaneJob& job);

    void start_call(OpenJob& job, const RegistrySnapshot& registry);
    void end_call(OpenJob& job, const RegistrySnapshot& registry, AttemptResult& result,
                  std::int64_t began_ns);
    // entity_run.cc: false when no hook is left to be asked, and the change is settled.
    bool next_hook(OpenJob& job, const RegistrySnapshot& registry);
    void end_hook(OpenJob& job, const RegistrySnapshot& registry, const AttemptResult& result);
    void end_change(OpenJob& job, const RegistrySnapshot& registry);
    void answer_call(OpenJob& job, std::shared_ptr<ScriptRunResult> answer, std::int64_t began_ns);
    std::string record_of(const ScriptRunJob& call, const Script& script,
                          const ScriptRunResult& answer, std::string_view result);
    void keep_run(const ScriptRunJob& call, const ScriptRunResult& answer, std::string_view record);
    bool waits_for_nothing(const ScriptRunJob& call, const AttemptEffects& effects,
                           const ScriptRunResult& answer, std::size_t record_bytes) const;

    DeliveryPlace place_of(const Attempt& attempt) const;
    bool postponed(const Attempt& attempt, const WaitingDelivery& delivery);
    bool held_by_key(const Attempt& attempt, const WaitingDelivery& delivery);
    void hold(Attempt& attempt, const WaitingDelivery& delivery);
    enum class By : std::uint8_t { kDueClock, kWallClock };
    void put_off(const Attempt& attempt, const WaitingDelivery& delivery, std::int64_t until_us,
                 By by);
    std::int64_t due_now_us() const { return deps_.due ? deps_.due->at(now_ns_) : wall_now_us(); }
    bool is_meant_for(const WaitingDelivery& delivery, const Subscription& subscription);
    bool is_behind(const WaitingDelivery& delivery, bool held);
    void pass_over(const WaitingDelivery& delivery, core::SubscriptionId subscription);
    void leave_held(const WaitingDelivery& delivery, const Subscription& subscription);
    bool is_keyed(const Attempt& attempt);
    void keep_order(const Attempt& attempt, const WrittenOutcome& written);
    bool is_cancelled(const Attempt& attempt) const;
    void cancel(const WaitingDelivery& delivery, Attempt& attempt);
    void give_up(const WaitingDelivery& delivery, core::SubscriptionId subscription);
    void drain_later(const std::optional<DrainRequest>& request);
    bool ends_event_later(const LaneJob& job);
    void begin_event(const store::StoredEvent& event);
    void count_event_end();

    const Deps deps_;
    ExecutorSet executors_;
    EventTexts texts_;
    ResultBuilder builder_;
    OutcomeWriter outcomes_;
    RunMetrics metrics_;
    core::Random random_;
    KeyOrder order_;
    PendingAttempts pending_;
    BehindGate gate_;
    SecretNames secrets_;
    EmittedSteps emitted_steps_;
    SchemaGuard guard_;
    SecretMask mask_;
    const RegistrySnapshot* registry_now_ = nullptr;  // of the delivery that is at hand
    AttemptResult result_;  // of the attempt that ends at once; its memory is used again

    std::deque<Host> hosts_;  // one a tenant
    Host* last_host_ = nullptr;
    const store::StoredEvent* running_ = nullptr;  // whose attempt is being started
    std::string_view running_call_;                // or the id of a call's execution
    bool kv_was_read_ = false;                     // by the call that runs, or may have been
    std::string emit_context_;
    std::int64_t now_ns_ = 0;  // end of the last delivery: the next one's beginning
    std::int64_t wall_minus_monotonic_us_ = 0;
    // The event whose deliveries are being made: it counts once, when the last one is done.
    RunMetrics::Type* event_type_ = nullptr;
    core::LogPosition event_at_{core::ShardId{UINT16_MAX}, core::LogOffset{UINT64_MAX}};
    bool event_failed_ = false;
    bool event_waits_ = false;  // a delivery of it ends later: it is counted with that one
};

}  // namespace millrace::runtime
