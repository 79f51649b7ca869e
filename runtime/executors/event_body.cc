#include "runtime/executors/event_body.h"

#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/cloudevents.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/trace_context.h"

namespace millrace::runtime {
namespace {

using Field = core::EnvelopeField;

std::string time_of(const OutgoingEvent& event) {
    if (event.envelope.has(Field::kTimestamp)) return std::string(event.envelope.timestamp);
    return core::format_timestamp(event.received_at_us);
}

std::string standard_body(const OutgoingEvent& event) {
    const core::Envelope& envelope = event.envelope;
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("type", envelope.pattern).field("timestamp", time_of(event));
    json.raw_field("data", envelope.payload.empty() ? "{}" : envelope.payload);
    json.field("id", event.event_id);
    if (!envelope.metadata.empty()) json.raw_field("metadata", envelope.metadata);
    json.end_object();
    return out;
}

}  // namespace

std::string webhook_body(const OutgoingEvent& event, WebhookBody form) {
    switch (form) {
        case WebhookBody::kEnvelope: return std::string(event.envelope.raw);
        case WebhookBody::kPayload:
            return std::string(event.envelope.payload.empty() ? "{}" : event.envelope.payload);
        case WebhookBody::kCloudEvent: {
            std::string out;
            const TraceTexts trace = trace_texts_of(event.fills);
            append_cloud_event(event.envelope,
                               {event.event_id, event.received_at_us, trace.parent, trace.state},
                               out);
            return out;
        }
        case WebhookBody::kStandard: break;
    }
    return standard_body(event);
}

std::string_view webhook_content_type(WebhookBody form) {
    return form == WebhookBody::kCloudEvent ? "application/cloudevents+json" : "application/json";
}

std::string full_envelope(const OutgoingEvent& event) {
    const core::Envelope& envelope = event.envelope;
    std::string filled;
    core::JsonWriter json(filled);
    json.begin_object();
    if (!envelope.has(Field::kEventId)) json.field("eventId", event.event_id);
    if (!envelope.has(Field::kVersion)) json.field("version", kDefaultVersion);
    if (!envelope.has(Field::kSource)) json.raw_field("source", kDefaultSourceJson);
    if (!envelope.has(Field::kTimestamp)) json.field("timestamp", time_of(event));
    json.end_object();
    std::string out(envelope.raw);
    while (!out.empty() && out.back() != '}') out.pop_back();
    if (filled.size() > 2 && !out.empty()) {
        out.pop_back();
        const std::size_t last = out.find_last_not_of(" \t\r\n");
        if (last != std::string::npos && out[last] != '{') out += ',';
        out.append(filled, 1);
    }
    return out;
}

}  // namespace millrace::runtime
