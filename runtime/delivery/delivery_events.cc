#include "runtime/delivery/delivery_events.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/delivery/attempt_record.h"
#include "runtime/delivery/script_emit.h"
#include "runtime/event/event_defaults.h"

namespace millrace::runtime {
namespace {

using store::DeliveryStatus;

std::string payload_of(const Attempt& attempt, const WrittenOutcome& written,
                       std::string_view delivery_id, std::string_view event_id) {
    const AttemptResult& result = *attempt.result;
    std::string payload;
    core::JsonWriter json(payload);
    json.begin_object().field("deliveryId", delivery_id);
    json.field("subscriptionId", attempt.subscription->id).field("eventId", event_id);
    json.field("eventType", attempt.event.pattern).field("attempt", attempt.earlier->made + 1);
    json.field("durationMs", attempt.duration_us / 1000);
    if (!result.result_json.empty() && result.result_json.size() <= kResultBytesKeptMax)
        json.raw_field("response", result.result_json);
    if (result.outcome != AttemptOutcome::kOk)
        json.field("error", std::string_view(result.error).substr(0, kErrorTextBytesMax));
    if (written.status == DeliveryStatus::kRetrying)
        json.field("nextRetryAt", core::format_timestamp(written.retry_at_us));
    if (result.failing_percent != 0) {
        json.field("failingPercent", result.failing_percent);
        json.field("failingSince", core::format_timestamp(result.failing_since_us));
    }
    json.end_object();
    return payload;
}

std::string_view ending_of(const Attempt& attempt, const WrittenOutcome& written) {
    if (attempt.result->outcome == AttemptOutcome::kOk) return "succeeded";
    return written.status == DeliveryStatus::kRetrying ? "failed" : "exhausted";
}

}  // namespace

bool asks_for_delivery_events(const matcher::PatternPredicate& pattern) {
    std::string_view text = pattern.value;
    if (text.starts_with('^')) text.remove_prefix(1);
    return text.starts_with("webhook.delivery.") || text.starts_with("webhook\\.delivery\\.") ||
           text.starts_with("command.") || text.starts_with("command\\.") ||
           text.starts_with("workflow.") || text.starts_with("workflow\\.");
}

std::size_t append_delivery_events(const Attempt& attempt, const WrittenOutcome& written,
                                   EventTexts& texts, std::string& out) {
    const ExecutorType type = attempt.subscription->executor.type;
    const bool webhook = type == ExecutorType::kWebhook;
    if (!webhook && type != ExecutorType::kCommand) return 0;
    if (is_delivery_event(attempt.event.pattern)) return 0;
    const std::string& replay_id =
        attempt.job->kind == JobKind::kReplay ? attempt.job->replay_id : attempt.earlier->replay_id;
    const DeliveryTexts lazy{&texts, &attempt.event, attempt.subscription, replay_id};
    std::string delivery_id(kDeliveryIdBytes, '\0');
    DeliveryTexts::write_delivery_id(&lazy, delivery_id.data(), delivery_id.size());
    const std::string event_id(texts.id(attempt.event));
    const std::string payload = payload_of(attempt, written, delivery_id, event_id);
    const std::string what =
        delivery_id + "/" + std::to_string(attempt.earlier->made + 1) + "/" + replay_id;
    const std::string ended =
        (webhook ? "webhook.delivery." : "command.") + std::string(ending_of(attempt, written));
    EmitCause cause;
    cause.key = cause_key(attempt.event.tenant, {}, what);
    cause.event_id = event_id;
    const std::string_view correlation = texts.envelope(attempt.event).correlation_id;
    if (correlation.size() <= core::kEventIdBytesMax) cause.correlation_id = correlation;
    cause.source_id = webhook ? "millrace.webhooks" : "millrace.commands";
    cause.now_us = attempt.started_at_us + attempt.duration_us;
    std::size_t count = 0;
    const auto tell = [&](std::string_view pattern) {
        EmittedEvent event;
        const DerivedEventId id = derive_event_id(cause.key, attempt.subscription->number.value,
                                                  static_cast<std::uint32_t>(count));
        event.event_id = id.view();
        event.pattern = pattern;
        event.payload = payload;
        event.causation_depth = causation_depth_of(attempt.event.fills) + 1;
        append_emitted_envelope(out, event, cause);
        out += '\n';
        ++count;
    };
    tell(ended);
    if (attempt.result->failing_percent != 0) tell("webhook.delivery.failing");
    if (attempt.result->pauses) tell("webhook.delivery.paused");
    return count;
}

}  // namespace millrace::runtime
