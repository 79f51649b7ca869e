#include "runtime/delivery/emitted_json.h"

#include "core/json_writer.h"
#include "core/timestamp.h"

namespace millrace::runtime {

std::string emitted_json(const EmittedEvent& event) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("pattern", event.pattern);
    json.raw_field("payload", event.payload.empty() ? "{}" : event.payload);
    if (!event.partition_key.empty()) json.field("partitionKey", event.partition_key);
    if (!event.version.empty()) json.field("version", event.version);
    if (!event.correlation_id.empty()) json.field("correlationId", event.correlation_id);
    if (!event.context_json.empty()) json.raw_field("context", event.context_json);
    if (event.scheduled_at_us != 0)
        json.field("scheduledAt", core::format_timestamp(event.scheduled_at_us));
    if (event.priority != 0) json.field("priority", event.priority);
    json.end_object();
    return out;
}

}  // namespace millrace::runtime
