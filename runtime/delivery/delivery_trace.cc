// The part of DeliveryRun that tells of traces: what an attempt is called in the one that its event
// belongs to, what it hands on to the events that it emits, and its span.
#include "runtime/delivery/delivery_run.h"
#include "runtime/event/tenant_names.h"

#include <array>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::size_t kSpanErrorBytesMax = 1024;

std::string_view span_status(store::DeliveryStatus status) {
    switch (status) {
        case store::DeliveryStatus::kCompleted: return "completed";
        case store::DeliveryStatus::kRetrying: return "retrying";
        case store::DeliveryStatus::kDead: return "dead";
        default: return "failed";
    }
}

const std::string& replay_of_attempt(const Attempt& attempt) {
    return attempt.job->kind == JobKind::kReplay ? attempt.job->replay_id
                                                 : attempt.earlier->replay_id;
}

using DeliveryIdText = std::array<char, kDeliveryIdBytes>;

std::string_view delivery_id_of(EventTexts& texts, const Attempt& attempt, DeliveryIdText& out) {
    const DeliveryTexts lazy{&texts, &attempt.event, attempt.subscription,
                             replay_of_attempt(attempt)};
    return {out.data(), DeliveryTexts::write_delivery_id(&lazy, out.data(), out.size())};
}

}  // namespace

AttemptTrace DeliveryRun::trace_of(const Attempt& attempt, std::string_view delivery_id) {
    const std::string_view correlation = texts_.envelope(attempt.event).correlation_id;
    return trace_of_attempt({.fills = attempt.event.fills,
                             .chain = correlation.empty() ? texts_.id(attempt.event) : correlation,
                             .delivery_id = delivery_id,
                             .attempt = attempt.earlier->made + 1,
                             .replay = texts_.replay_json(replay_of_attempt(attempt))},
                            deps_.traces.sample);
}

// Empty: its event has no trace, and what comes of it is worth none.
std::string DeliveryRun::trace_of_emitted(const Attempt& attempt) {
    if (!deps_.traces.exports && !has_trace(attempt.event.fills)) return {};
    DeliveryIdText text;
    const TraceContext own = trace_of(attempt, delivery_id_of(texts_, attempt, text)).own;
    std::string out = traceparent_text(own);
    if (!own.state.empty()) out.append(" ").append(own.state);
    return out;
}

void DeliveryRun::tell_span(const Attempt& attempt, const WrittenOutcome& written) {
    DeliveryIdText text;
    telemetry::Span span;
    span.delivery_id = delivery_id_of(texts_, attempt, text);
    span.trace = trace_of(attempt, span.delivery_id);
    if (!span.trace.own.sampled()) return;
    span.started_at_us = attempt.started_at_us;
    span.duration_us = attempt.duration_us;
    span.attempt = attempt.earlier->made + 1;
    span.shard = attempt.event.position.shard.value;
    span.offset = attempt.event.position.offset.value;
    span.failed = attempt.result->outcome != AttemptOutcome::kOk;
    span.status = span_status(written.status);
    span.executor = executor_type_text(attempt.subscription->executor.type);
    span.pattern = attempt.event.pattern;
    span.event_id = texts_.id(attempt.event);
    span.correlation_id = texts_.envelope(attempt.event).correlation_id;
    span.subscription_id = attempt.subscription->id;
    span.replay_id = replay_of_attempt(attempt);
    span.tenant = tenant_name(attempt.event.tenant);
    span.error = std::string_view(attempt.result->error).substr(0, kSpanErrorBytesMax);
    deps_.spans->add(span);
}

}  // namespace millrace::runtime
