#include "runtime/delivery/script_emit.h"

#include "core/json_writer.h"
#include "core/timestamp.h"

#include <xxhash.h>

namespace millrace::runtime {

// Each part goes in through the next one's seed: nothing to join, and no two ways to cut a text.
CauseKey cause_key(core::TenantId tenant, const EventSource& source, std::string_view event_id) {
    const std::uint64_t type =
        XXH3_64bits_withSeed(source.type.data(), source.type.size(), tenant.value);
    const std::uint64_t id = XXH3_64bits_withSeed(source.id.data(), source.id.size(), type);
    const XXH128_hash_t hash = XXH3_128bits_withSeed(event_id.data(), event_id.size(), id);
    return {hash.high64, hash.low64};
}

DerivedEventId derive_event_id(const CauseKey& cause, std::uint64_t subscription_number,
                               std::uint32_t index) {
    const std::uint64_t seed = (subscription_number * 0x9e3779b97f4a7c15ULL) ^
                               (static_cast<std::uint64_t>(index) + 1) * 0xd6e8feb86659fd93ULL;
    const XXH128_hash_t hash = XXH3_128bits_withSeed(&cause, sizeof cause, seed);
    DerivedEventId id;
    id.text[0] = 'e';
    id.text[1] = 'd';
    id.text[2] = '_';
    constexpr char kHex[] = "0123456789abcdef";
    for (std::size_t i = 0; i < 32; ++i) {
        const std::uint64_t half = i < 16 ? hash.high64 : hash.low64;
        id.text[3 + i] = kHex[(half >> (60 - 4 * (i % 16))) & 15];
    }
    return id;
}

EmitCause emit_cause_of(core::TenantId tenant, const core::Envelope& envelope,
                        std::string_view event_id, std::string& context) {
    EmitCause cause;
    cause.key = cause_key(tenant, source_of(envelope), event_id);
    cause.event_id = event_id;
    cause.correlation_id = envelope.correlation_id;
    if (envelope.context_id.empty() && envelope.context_type.empty()) return cause;
    context.clear();
    core::JsonWriter json(context);
    json.begin_object();
    if (!envelope.context_type.empty()) json.field("type", envelope.context_type);
    if (!envelope.context_id.empty()) json.field("id", envelope.context_id);
    json.end_object();
    cause.context_json = context;
    return cause;
}

void append_emitted_envelope(std::string& out, const EmittedEvent& event, const EmitCause& cause) {
    char time[core::kTimestampBytesMax];
    core::JsonWriter json(out);
    json.begin_object();
    json.field("eventId", event.event_id);
    json.field("pattern", event.pattern);
    json.field("version", event.version.empty() ? std::string_view("1.0") : event.version);
    json.key("source")
        .begin_object()
        .field("type", "task")
        .field("id", cause.source_id)
        .end_object();
    json.field("timestamp", std::string_view(time, core::format_timestamp(cause.now_us, time)));
    if (!event.partition_key.empty()) json.field("partitionKey", event.partition_key);
    if (event.priority != 0) json.field("priority", event.priority);
    if (event.scheduled_at_us != 0) {
        json.field("scheduledAt",
                   std::string_view(time, core::format_timestamp(event.scheduled_at_us, time)));
    }
    json.raw_field("payload", event.payload);
    json.key("metadata").begin_object();
    std::string_view correlation = event.correlation_id;
    if (correlation.empty()) correlation = cause.correlation_id;
    if (correlation.empty()) correlation = cause.event_id;
    json.field("correlationId", correlation);
    json.field("causationId", cause.event_id);
    const std::string_view context =
        event.context_json.empty() ? cause.context_json : event.context_json;
    if (!context.empty()) json.raw_field("context", context);
    json.end_object();
    json.end_object();
}

}  // namespace millrace::runtime
