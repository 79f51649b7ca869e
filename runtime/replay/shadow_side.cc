#include "runtime/replay/shadow_side.h"

#include "runtime/delivery/emitted_json.h"
#include "runtime/delivery/event_input.h"
#include "runtime/event/event_defaults.h"
#include "store/log/event_id.h"

namespace millrace::runtime {

ShadowSide::ShadowSide(const Deps& deps)
    : deps_(deps),
      scripts_(deps.watchdog_slot, deps.seed),
      overlay_(*deps.kv, deps.baseline),
      random_(deps.seed),
      guard_(deps.schemas, deps.kv) {}

KvAnswer ShadowSide::kv_get(KvSpace space, std::string_view key, std::string& value_json) {
    return overlay_.read(tenant_, space, key, now_us_, value_json);
}

KvAnswer ShadowSide::kv_list(KvSpace space, std::string_view prefix, KvVisitor& visitor) {
    return overlay_.list(tenant_, space, prefix, now_us_, visitor);
}

EmitCause ShadowSide::emit_cause() {
    core::Envelope envelope;
    parser_.extract(running_->raw, no_fields_, &envelope, fields_);
    EmitCause cause =
        emit_cause_of(running_->tenant, envelope,
                      running_id_.empty() ? envelope.event_id : running_id_, emit_context_);
    cause.now_us = now_us_;
    return cause;
}

void ShadowSide::take(const InvocationResult& result, ShadowOutcome& out,
                      std::vector<std::string>* emitted_ids) {
    out.status = invocation_status_text(result.status);
    out.error = result.error;
    out.result = result.result_json;
    for (const EmittedEvent& event : result.emitted) {
        if (emitted_ids && deps_.is_elsewhere && deps_.is_elsewhere(tenant_, event.partition_key)) {
            emitted_ids->emplace_back();
            continue;
        }
        out.emitted.push_back(emitted_ids ? emitted_json_of(event.pattern, event.payload)
                                          : emitted_json(event));
        if (emitted_ids) emitted_ids->emplace_back(event.event_id);
    }
    for (const KvOp& op : result.kv_ops) {
        out.kv.push_back(kv_op_json(op));
        overlay_.apply(tenant_, op, now_us_);
    }
}

ShadowOutcome ShadowSide::run(const Run& run, std::vector<std::string>* emitted_ids) {
    ShadowOutcome out;
    out.script_version = run.script->version;
    auto compiled = scripts_.get(*run.script);
    if (!compiled) {
        out.status = "failed";
        out.error = compiled.error().message;
        return out;
    }
    const store::StoredEvent& event = run.event;
    tenant_ = event.tenant;
    now_us_ = event.received_at_us;
    // The same numbers on both sides, whatever ran before.
    random_ = core::Random(deps_.seed ^ (event.position.offset.value * 0x9e3779b97f4a7c15ull) ^
                           event.position.shard.value);
    EventInput input = event_input_of(event);
    if (event.has(store::EventFlag::kFilledEventId)) input.event_id = run.event_id;
    const std::string execution_id =
        store::encode_execution_id(*deps_.hasher, {event.position, run.subscription->number});
    InvocationContext context = invocation_context_of(event, *run.subscription, *run.script);
    context.execution_id = execution_id;
    running_ = &event;
    running_id_ = run.event_id;
    const InvocationResult& result = compiled->vm->invoke(compiled->handle, input, context, *this);
    take(result, out, emitted_ids);
    scripts_.discard_if_poisoned(compiled->vm);
    return out;
}

}  // namespace millrace::runtime
