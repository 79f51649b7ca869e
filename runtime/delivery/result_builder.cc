#include "runtime/delivery/result_builder.h"

#include "core/json_writer.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/delivery_events.h"
#include "runtime/event/event_defaults.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace millrace::runtime {

void ResultBuilder::begin(core::ShardId shard) {
    result_ = std::make_unique<LaneResult>();
    result_->shard = shard;
}

void ResultBuilder::open_outcomes(core::LogPosition block) {
    if (outcomes_open_ && block == outcomes_block_) return;
    if (outcomes_open_) result_->rows.end_outcomes();
    result_->rows.begin_outcomes(block);
    outcomes_open_ = true;
    outcomes_block_ = block;
}

void ResultBuilder::take(const AttemptEffects& effects, core::TenantId tenant, std::int64_t now_us,
                         std::string_view trace) {
    for (const KvOp& op : effects.kv_ops) kv_.apply(tenant, op, now_us);
    for (const EmittedEvent& emitted : effects.emitted) {
        emits_ += emitted.envelope;
        if (!trace.empty()) {
            const auto entry = static_cast<std::uint32_t>(result_->emitted_depths.size());
            result_->traces.push_back({entry, std::string(trace)});
        }
        result_->emitted_depths.push_back(static_cast<std::uint8_t>(emitted.causation_depth));
        result_->emitted_tenants.push_back(tenant);
    }
    if (effects.write_rows) effects.write_rows(result_->rows);
    if (effects.when_durable) result_->when_durable.push_back(effects.when_durable);
}

void ResultBuilder::give_back(std::string_view event, core::TenantId tenant) {
    const std::size_t begin = emits_.size();
    emits_ += event;
    // One line: outside of strings a line's end is a blank like any other.
    std::replace_if(
        emits_.begin() + static_cast<std::ptrdiff_t>(begin), emits_.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    emits_ += '\n';
    result_->returning.push_back(static_cast<std::uint32_t>(result_->emitted_depths.size()));
    result_->emitted_depths.push_back(0);
    result_->emitted_tenants.push_back(tenant);
}

void ResultBuilder::add_event(std::string_view line, core::TenantId tenant, std::uint8_t depth) {
    emits_ += line;
    emits_ += '\n';
    result_->emitted_depths.push_back(depth);
    result_->emitted_tenants.push_back(tenant);
}

void ResultBuilder::alert(const Attempt& attempt, const store::DeadLetterKey& letter) {
    // An alert that can't be delivered must not cause the next alert.
    if (attempt.event.pattern == kDeadLetterAddedPattern) return;
    const std::string id = store::encode_dead_letter_id(deps_.texts->hasher(), letter);
    const std::string_view event_id = deps_.texts->id(attempt.event);
    std::string payload;
    core::JsonWriter json(payload);
    json.begin_object();
    json.field("dlqId", id);
    json.field("eventId", event_id);
    json.field("eventType", attempt.event.pattern);
    json.field("subscriptionId", attempt.subscription->id);
    json.field("scriptId", attempt.subscription->executor.script_id);
    json.field("error", std::string_view(attempt.result->error).substr(0, kErrorTextBytesMax));
    json.end_object();
    EmittedEvent alert;
    const DerivedEventId derived = derive_event_id(cause_key(attempt.event.tenant, {}, id),
                                                   attempt.subscription->number.value, 0);
    alert.event_id = derived.view();
    alert.pattern = kDeadLetterAddedPattern;
    alert.payload = payload;
    alert.causation_depth = causation_depth_of(attempt.event.fills) + 1;
    EmitCause cause;
    cause.event_id = event_id;
    // A chain's name as long as an event would make the alert too large to be taken.
    const std::string_view correlation = deps_.texts->envelope(attempt.event).correlation_id;
    if (correlation.size() <= core::kEventIdBytesMax) cause.correlation_id = correlation;
    cause.source_id = "millrace.dlq";
    cause.now_us = attempt.started_at_us + attempt.duration_us;
    append_emitted_envelope(emits_, alert, cause);
    emits_ += '\n';
    result_->emitted_depths.push_back(static_cast<std::uint8_t>(alert.causation_depth));
    result_->emitted_tenants.push_back(attempt.event.tenant);
}

void ResultBuilder::tell(const Attempt& attempt, const WrittenOutcome& written) {
    const std::size_t count = append_delivery_events(attempt, written, *deps_.texts, emits_);
    const auto depth = static_cast<std::uint8_t>(causation_depth_of(attempt.event.fills) + 1);
    for (std::size_t i = 0; i < count; ++i) {
        result_->emitted_depths.push_back(depth);
        result_->emitted_tenants.push_back(attempt.event.tenant);
    }
}

std::unique_ptr<LaneResult> ResultBuilder::finish(std::int64_t now_us) {
    if (outcomes_open_) result_->rows.end_outcomes();
    outcomes_open_ = false;
    kv_.hand_over(result_->rows, now_us);
    deps_.kv->stage(result_->rows);
    if (!emits_.empty()) {
        result_->emitted = deps_.pools->acquire(emits_.size());
        std::memcpy(result_->emitted.data(), emits_.data(), emits_.size());
        result_->emitted.set_size(emits_.size());
        emits_.clear();
    }
    return std::move(result_);
}

}  // namespace millrace::runtime
