#include "runtime/executors/delivery_run.h"

#include "core/assert.h"
#include "core/json_writer.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/event_input.h"
#include "runtime/delivery/run_history.h"
#include "runtime/event/event_defaults.h"
#include "store/log/event_id.h"

#include <cstring>
#include <utility>

namespace millrace::runtime {

using store::DeliveryStatus;
using store::EventFlag;

namespace {

AttemptOutcome outcome_of(InvocationStatus status) {
    switch (status) {
        case InvocationStatus::kCompleted: return AttemptOutcome::kOk;
        case InvocationStatus::kSilent: return AttemptOutcome::kSilent;
        case InvocationStatus::kFatal: return AttemptOutcome::kFatal;
        default: return AttemptOutcome::kFailed;
    }
}

// The id as text costs more than calling a small handler, and few handlers ask.
struct ExecutionIdText {
    const store::Hasher* hasher;
    store::DeliveryKey key;
    static std::size_t write(const void* self, char* out, std::size_t) {
        const auto& text = *static_cast<const ExecutionIdText*>(self);
        store::encode_execution_id_to(*text.hasher, text.key, out);
        return store::kExecutionIdTextBytes;
    }
};

KeyedDelivery keyed(const Attempt& attempt) {
    return {attempt.subscription->number, attempt.event.key_hash, attempt.event.position};
}

}  // namespace

DeliveryRun::DeliveryRun(const Deps& deps)
    : deps_(deps),
      scripts_(deps.watchdog_slot, deps.seed),
      kv_(*deps.kv),
      outcomes_(deps.seed),
      metrics_(*deps.metrics),
      random_(deps.seed ^ 0x5eed) {}

KvAnswer DeliveryRun::kv_get(KvSpace space, std::string_view key, std::string& value_json) {
    return kv_.read(tenant_, space, key, deps_.clock->wall_us(), value_json);
}

KvAnswer DeliveryRun::kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) {
    return kv_.list(tenant_, space, prefix, deps_.clock->wall_us(), visitor);
}

void DeliveryRun::begin(const LaneJob& job) {
    result_ = std::make_unique<LaneResult>();
    now_ns_ = deps_.clock->monotonic_ns();
    wall_minus_monotonic_us_ = deps_.clock->wall_us() - now_ns_ / 1000;
    if (job.kind == JobKind::kScriptRun) return;
    result_->shard = job.shard();
    if (job.items.empty()) return;
    open_outcomes(job, job.items[0].event_index);
    result_->block_first = outcomes_block_.offset;
}

// The outcomes of a block's deliveries stand together.
void DeliveryRun::open_outcomes(const LaneJob& job, std::uint32_t event_index) {
    const core::LogPosition block = job.block_position(event_index);
    if (outcomes_open_ && block == outcomes_block_) return;
    if (outcomes_open_) result_->rows.end_outcomes();
    result_->rows.begin_outcomes(block);
    outcomes_open_ = true;
    outcomes_block_ = block;
}

const core::Envelope& DeliveryRun::envelope_of(const store::StoredEvent& event) {
    if (envelope_text_ != event.raw.data()) {
        envelope_ = {};
        parser_.extract(event.raw, no_fields_, &envelope_, fields_);
        envelope_text_ = event.raw.data();
    }
    return envelope_;
}

std::string_view DeliveryRun::event_id_of(const store::StoredEvent& event) {
    if (!event.has(EventFlag::kFilledEventId)) return envelope_of(event).event_id;
    event_id_.resize(store::kEventIdTextBytes);
    store::encode_event_id_to(*deps_.hasher, event.position, event_id_.data());
    return event_id_;
}

// Of one replay there are many deliveries: its text is made once.
std::string_view DeliveryRun::replay_json(const std::string& id) {
    if (id.empty()) return {};
    if (id != replay_id_) {
        replay_id_ = id;
        replay_json_ = "{\"id\":\"" + id + "\"}";
    }
    return replay_json_;
}

DeliveryRun::Ran DeliveryRun::invoke(const Script& script, const EventInput& input,
                                     InvocationContext& context) {
    Ran ran;
    ran.outcome_text = "failed";
    ScriptCache::Compiled compiled = scripts_.find(script);
    if (!compiled.vm) {
        auto made = scripts_.get(script);
        if (!made) {
            run_result_ = made.error().message;
            ran.error = run_result_;
            return ran;
        }
        compiled = *made;
    }
    const InvocationResult& result = compiled.vm->invoke(compiled.handle, input, context, *this);
    ran.invocation = &result;
    ran.outcome = outcome_of(result.status);
    ran.outcome_text = invocation_status_text(result.status);
    ran.error = result.error;
    ran.result_json = result.result_json;
    if (result.status == InvocationStatus::kTimeout || result.status == InvocationStatus::kMemory) {
        metrics_.count_kill(result.status == InvocationStatus::kMemory);
        // The texts live in the state that is thrown away now.
        run_result_ = result.error;
        ran.error = run_result_;
        ran.invocation = nullptr;
        logs_.clear();
        append_logs_json(logs_, result);
        scripts_.discard_if_poisoned(compiled.vm);
    }
    return ran;
}

DeliveryRun::Ran DeliveryRun::run_script(const Attempt& attempt) {
    const LaneJob& job = *attempt.job;
    const EarlierAttempts& earlier = *attempt.earlier;
    const Subscription& subscription = *attempt.subscription;
    const Script* script = attempt.script;
    const store::StoredEvent& event = attempt.event;
    if (!script || !script->enabled) {
        run_result_ = "script '" + subscription.executor.script_id +
                      (script ? "' is disabled" : "' does not exist");
        Ran ran;
        ran.outcome_text = "failed";
        ran.error = run_result_;
        return ran;
    }
    EventInput input = event_input_of(event, attempt.payload_at);
    if (event.has(EventFlag::kFilledEventId)) input.event_id = event_id_of(event);

    const ExecutionIdText execution_id{deps_.hasher, {event.position, subscription.number}};
    InvocationContext context = invocation_context_of(event, subscription, *script);
    context.execution_id_lazy = {&ExecutionIdText::write, &execution_id};
    context.replay_json =
        replay_json(job.kind == JobKind::kReplay ? job.replay_id : earlier.replay_id);
    context.attempt = earlier.made + 1;
    context.event_bytes_max = deps_.event_bytes_max;
    return invoke(*script, input, context);
}

EmitCause DeliveryRun::emit_cause() {
    EmitCause cause;
    if (running_) {
        cause = emit_cause_of(envelope_of(*running_), event_id_of(*running_), emit_context_);
    } else {
        cause.event_id = execution_id_;
    }
    cause.now_us = now_ns_ / 1000 + wall_minus_monotonic_us_;
    return cause;
}

void DeliveryRun::take_effects(const Ran& ran) {
    if (ran.outcome != AttemptOutcome::kOk || !ran.invocation) return;
    const InvocationResult& result = *ran.invocation;
    const std::int64_t now_us = now_ns_ / 1000 + wall_minus_monotonic_us_;
    for (const KvOp& op : result.kv_ops) kv_.apply(tenant_, op, now_us);
    for (const EmittedEvent& emitted : result.emitted) {
        emits_ += emitted.envelope;
        result_->emitted_depths.push_back(static_cast<std::uint8_t>(emitted.causation_depth));
    }
}

// ---- deliveries that wait without an attempt

void DeliveryRun::put_off(const Attempt& attempt, std::int64_t until_us) {
    // The event's outcome is counted when the first of its deliveries that wait has had its own.
    const bool ends_event = attempt.job->kind == JobKind::kBlock && !event_waits_;
    event_waits_ |= attempt.job->kind == JobKind::kBlock;
    outcomes_.put_off(attempt, until_us, ends_event, result_->rows);
}

bool DeliveryRun::postponed(Attempt& attempt) {
    if (attempt.job->kind != JobKind::kBlock || !attempt.event.has(EventFlag::kScheduled))
        return false;
    const std::int64_t until_us = envelope_of(attempt.event).scheduled_at_us;
    if (until_us <= attempt.started_at_us) return false;
    put_off(attempt, until_us);
    return true;
}

bool DeliveryRun::held_by_key(Attempt& attempt) {
    const LaneJob& job = *attempt.job;
    if (order_.empty() || attempt.subscription->ordering != Ordering::kKey) return false;
    if (job.kind != JobKind::kBlock && job.kind != JobKind::kRetry) return false;
    const KeyedDelivery delivery = keyed(attempt);
    if (!attempt.earlier->replay_id.empty() || !order_.holds(delivery)) return false;
    order_.park(delivery);
    put_off(attempt, store::kParkedDueUs);
    return true;
}

// Whether later events of its key have to wait while it waits. Asked after a failure only.
bool DeliveryRun::is_keyed(const Attempt& attempt) {
    const LaneJob& job = *attempt.job;
    if (attempt.earlier->holds_key) return true;
    if (job.kind != JobKind::kBlock && job.kind != JobKind::kRetry && job.kind != JobKind::kParked)
        return false;
    return attempt.subscription->ordering == Ordering::kKey && attempt.earlier->replay_id.empty() &&
           (job.kind == JobKind::kParked || order_.has_room()) &&
           !envelope_of(attempt.event).partition_key.empty();
}

void DeliveryRun::keep_order(const Attempt& attempt, const WrittenOutcome& written) {
    if (written.status == DeliveryStatus::kRetrying && attempt.keyed)
        order_.block(keyed(attempt));
    else if (attempt.earlier->holds_key)
        drain_later(order_.release(keyed(attempt)));
}

// What is parked can be read when what this lane did so far is durable.
void DeliveryRun::drain_later(const std::optional<DrainRequest>& request) {
    if (request)
        result_->when_durable.push_back([this, request = *request] { deps_.drain(request); });
}

// Removed or paused since it matched: nothing is owed any more, a waiting row goes too.
void DeliveryRun::give_up(const LaneJob& job, const DeliveryItem& item) {
    const store::StoredEvent event = job.event(item.event_index);
    const KeyedDelivery delivery{item.subscription, event.key_hash, event.position};
    if (job.kind == JobKind::kParked && !order_.drains(delivery)) return;
    OutcomeWriter::erase_waiting(job, {event.position, item.subscription}, event.key_hash,
                                 result_->rows);
    if (job.attempts_before(item.event_index).holds_key) drain_later(order_.release(delivery));
}

void DeliveryRun::deliver_event(const LaneJob& job, const DeliveryItem& item,
                                const Subscription& subscription, const Script* script) {
    Attempt attempt;
    attempt.job = &job;
    attempt.earlier = &job.attempts_before(item.event_index);
    attempt.subscription = &subscription;
    attempt.script = script;
    attempt.event = job.event(item.event_index);
    if (attempt.event.pattern.empty()) attempt.event.pattern = envelope_of(attempt.event).pattern;
    open_outcomes(job, item.event_index);
    attempt.event_index = static_cast<std::uint32_t>(attempt.event.position.offset.value -
                                                     outcomes_block_.offset.value);
    attempt.payload_at = item.payload_at;
    attempt.started_at_us = now_ns_ / 1000 + wall_minus_monotonic_us_;
    if (job.kind == JobKind::kBlock) begin_event(attempt.event);
    // One that failed before it is the key's head now; this one stays parked.
    if (job.kind == JobKind::kParked && !order_.drains(keyed(attempt))) return;
    if (postponed(attempt) || held_by_key(attempt)) return;

    logs_.clear();
    const std::int64_t began_ns = now_ns_;
    tenant_ = attempt.event.tenant;
    running_ = &attempt.event;
    const Ran ran = run_script(attempt);
    running_ = nullptr;
    now_ns_ = deps_.clock->monotonic_ns();
    if (ran.invocation) append_logs_json(logs_, *ran.invocation);
    attempt.outcome = ran.outcome;
    attempt.outcome_text = ran.outcome_text;
    attempt.error = ran.error;
    attempt.result_json = ran.result_json;
    attempt.logs_json = logs_;
    attempt.duration_us = static_cast<std::uint32_t>((now_ns_ - began_ns + 500) / 1000);
    take_effects(ran);
    const bool ok = ran.outcome == AttemptOutcome::kOk;
    if (!ok) attempt.keyed = is_keyed(attempt);
    const WrittenOutcome written = outcomes_.write(
        attempt, ok ? std::string_view{} : event_id_of(attempt.event), result_->rows);
    keep_order(attempt, written);
    if (written.dead_letter) emit_dead_letter_alert(attempt, written);

    RunMetrics::Type* type = metrics_.type(attempt.event.pattern);
    metrics_.count_attempt(*type, subscription, written.status,
                           static_cast<std::uint64_t>(now_ns_ - began_ns));
    ++(ok ? job_delivered_ : job_failed_);
    if (attempt.earlier->made != 0) metrics_.count_retry(ok);
    if (job.kind == JobKind::kBlock) {
        metrics_.count_queue_time(attempt.started_at_us - attempt.event.received_at_us);
        event_type_ = type;
        event_failed_ |= !ok;
    } else if (attempt.earlier->ends_event && attempt.earlier->made == 0) {
        (ok ? type->completed : type->failed).add();
    }
}

void DeliveryRun::begin_event(const store::StoredEvent& event) {
    if (event.position.offset.value == event_offset_) return;
    count_event_end();
    event_offset_ = event.position.offset.value;
}

void DeliveryRun::count_event_end() {
    if (event_type_ && !event_waits_)
        (event_failed_ ? event_type_->failed : event_type_->completed).add();
    event_type_ = nullptr;
    event_failed_ = false;
    event_waits_ = false;
}

std::int64_t DeliveryRun::deliver(const LaneJob& job, const DeliveryItem& item,
                                  const RegistrySnapshot& registry) {
    if (job.kind == JobKind::kScriptRun) {
        run_api_call(const_cast<LaneJob&>(job), registry);
        return now_ns_;
    }
    if (job.kind == JobKind::kBlock) ++result_->deliveries;
    const Subscription* subscription = registry.subscription(item.subscription);
    if (!subscription || !subscription->active) {
        give_up(job, item);
        return now_ns_;
    }
    deliver_event(job, item, *subscription, registry.script(subscription->executor.script));
    return now_ns_;
}

void DeliveryRun::emit_dead_letter_alert(const Attempt& attempt, const WrittenOutcome& written) {
    // An alert that can't be delivered must not cause the next alert.
    if (attempt.event.pattern == kDeadLetterAddedPattern) return;
    const std::string id = store::encode_dead_letter_id(*deps_.hasher, *written.dead_letter);
    const std::string_view event_id = event_id_of(attempt.event);
    std::string payload;
    core::JsonWriter json(payload);
    json.begin_object();
    json.field("dlqId", id);
    json.field("eventId", event_id);
    json.field("eventType", attempt.event.pattern);
    json.field("subscriptionId", attempt.subscription->id);
    json.field("scriptId", attempt.subscription->executor.script_id);
    json.field("error", attempt.error.substr(0, kErrorTextBytesMax));
    json.end_object();
    EmittedEvent alert;
    const DerivedEventId derived = derive_event_id(id, attempt.subscription->number.value, 0);
    alert.event_id = derived.view();
    alert.pattern = kDeadLetterAddedPattern;
    alert.payload = payload;
    alert.causation_depth = causation_depth_of(attempt.event.fills) + 1;
    EmitCause cause;
    cause.event_id = event_id;
    // A chain's name as long as an event would make the alert too large to be taken.
    const std::string_view correlation = envelope_of(attempt.event).correlation_id;
    if (correlation.size() <= core::kEventIdBytesMax) cause.correlation_id = correlation;
    cause.source_id = "millrace.dlq";
    cause.now_us = attempt.started_at_us + attempt.duration_us;
    append_emitted_envelope(emits_, alert, cause);
    emits_ += '\n';
    result_->emitted_depths.push_back(static_cast<std::uint8_t>(alert.causation_depth));
}

void DeliveryRun::run_api_call(LaneJob& job, const RegistrySnapshot& registry) {
    ScriptRunJob& call = *job.run;
    auto answer = std::make_shared<ScriptRunResult>();
    answer->execution_id = call.execution_id;
    tenant_ = call.tenant;
    execution_id_ = call.execution_id;
    logs_.clear();
    const std::int64_t began_ns = now_ns_;
    const Script* script = registry.script(ScriptNumber(call.script_number));
    if (!script || !script->enabled) {
        answer->status =
            core::fail(core::ErrorCode::kNotFound, "scriptId: the script was removed or disabled");
    } else {
        EventInput input;
        input.kind = EventInput::Kind::kValue;
        input.text = call.input_json;
        input.tenant_id = kDefaultTenantName;
        input.received_at_us = now_ns_ / 1000 + wall_minus_monotonic_us_;
        InvocationContext context;
        context.script_id = script->id;
        context.execution_id = call.execution_id;
        context.tenant_id = kDefaultTenantName;
        context.event_name = "api.run";
        context.cause_id = call.execution_id;
        context.script_version = script->version;
        context.event_bytes_max = deps_.event_bytes_max;
        const Ran ran = invoke(*script, input, context);
        if (ran.invocation) append_logs_json(logs_, *ran.invocation);
        answer->result_json = ran.result_json;
        if (ran.outcome != AttemptOutcome::kOk) answer->error = ran.error;
        take_effects(ran);
    }
    now_ns_ = deps_.clock->monotonic_ns();
    answer->logs_json = logs_;
    answer->started_at_us = began_ns / 1000 + wall_minus_monotonic_us_;
    answer->duration_us = (now_ns_ - began_ns) / 1000;
    if (answer->status) keep_run(call, *script, *answer);
    result_->when_durable.push_back(
        [done = std::move(call.done), answer] { done(std::move(*answer)); });
}

void DeliveryRun::keep_run(const ScriptRunJob& call, const Script& script,
                           const ScriptRunResult& answer) {
    RunRecord run;
    run.id = call.execution_id;
    run.tenant = call.tenant;
    run.script_id = script.id;
    run.script_version = script.version;
    run.started_at_us = answer.started_at_us;
    run.duration_us = answer.duration_us;
    run.error = answer.error;
    run.logs = answer.logs_json;
    run.result = answer.result_json;
    result_->rows.put_registry(kRunKind, run.id, 1, run.started_at_us, run_document(run));
    if (!call.surplus_run.empty()) result_->rows.erase_registry(kRunKind, call.surplus_run);
}

std::unique_ptr<LaneResult> DeliveryRun::finish(LaneJob& job, bool job_finished) {
    if (outcomes_open_) result_->rows.end_outcomes();
    outcomes_open_ = false;
    kv_.hand_over(result_->rows, now_ns_ / 1000 + wall_minus_monotonic_us_);
    deps_.kv->stage(result_->rows);
    if (!emits_.empty()) {
        result_->tenant = tenant_;
        result_->emitted = deps_.pools->acquire(emits_.size());
        std::memcpy(result_->emitted.data(), emits_.data(), emits_.size());
        result_->emitted.set_size(emits_.size());
        emits_.clear();
    }
    if (job_finished) {
        if (job.kind == JobKind::kParked)
            drain_later(order_.end_drain(job.drain, job.drain_complete));
        if (job.kind == JobKind::kLostEvent) {
            result_->rows.erase_retry(job.retry_due_at_us,
                                      {job.lost.position, job.lost.subscription});
            drain_later(order_.release(job.lost));
        }
        count_event_end();
        result_->part_finished = job.kind == JobKind::kBlock;
        if (job.finished) {
            result_->when_durable.push_back([done = std::move(job.finished),
                                             delivered = job_delivered_,
                                             failed = job_failed_] { done(delivered, failed); });
        }
        job_delivered_ = 0;
        job_failed_ = 0;
        envelope_text_ = nullptr;
    }
    return std::move(result_);
}

}  // namespace millrace::runtime
