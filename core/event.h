// What: the envelope of one event as views into the text it was parsed from. Filled by
//       core/event_parser; read by admission, the matcher, the log and the handlers' lazy view.
// Threads: values. Lifetime: the views live as long as the text (or the parser's arena for the
//       few strings that had escapes: see EventParser).
// Limits: core/limits.h. Failure: none.
#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::core {

// The envelope's members in the order of the outside contract. `present` has bit (1 << field).
enum class EnvelopeField : std::uint8_t {
    kEventId,
    kPattern,
    kVersion,
    kSource,
    kSourceType,
    kSourceId,
    kTimestamp,
    kPayload,
    kMetadata,
    kCorrelationId,
    kCausationId,
    kContext,
    kContextType,
    kContextId,
    kPartitionKey,
    kPriority,
    kScheduledAt,
    kTenantId,
};

struct Envelope {
    std::string_view raw;  // the whole object, as it came
    // Strings are unescaped; absent ones are empty and their `present` bit is 0.
    std::string_view event_id;
    std::string_view pattern;
    std::string_view version;
    std::string_view source_type;  // workflow | task | integration | external
    std::string_view source_id;
    std::string_view timestamp;  // RFC 3339 text
    std::string_view payload;    // raw JSON text of the object; empty when absent
    std::string_view metadata;   // raw JSON text of the object; empty when absent
    std::string_view correlation_id;
    std::string_view causation_id;
    std::string_view context_type;  // client | user | global
    std::string_view context_id;
    std::string_view partition_key;
    std::string_view scheduled_at;  // RFC 3339 text
    std::string_view tenant_id;
    std::int64_t timestamp_us = 0;  // microseconds since 1970; valid when kTimestamp is present
    std::int64_t scheduled_at_us = 0;
    std::int32_t priority = 0;
    std::uint32_t present = 0;

    bool has(EnvelopeField field) const { return (present >> static_cast<unsigned>(field)) & 1u; }
};

}  // namespace millrace::core
