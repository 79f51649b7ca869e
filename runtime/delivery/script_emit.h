// What: the identity and the envelope of an event that a handler emits. The id is a hash of
//       (cause's
//       event id, subscription, index in the run), so that a repeated delivery emits the same id
//       and deduplication makes it one event.
// Threads: pure functions, any thread. Lifetime: the caller's buffers.
// Limits: an id is kDerivedEventIdBytes long. Failure: none.
#pragma once

#include "runtime/delivery/script_types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kDerivedEventIdBytes = 35;  // "ed_" and 32 hex digits

struct DerivedEventId {
    std::array<char, kDerivedEventIdBytes> text;
    std::string_view view() const { return {text.data(), text.size()}; }
};
DerivedEventId derive_event_id(std::string_view cause_id, std::uint64_t subscription_number,
                               std::uint32_t index);

// What the envelope of an emitted event takes over from the event that caused it.
struct EmitCause {
    std::string_view event_id;        // becomes metadata.causationId
    std::string_view correlation_id;  // unescaped; empty: the cause's own id begins the chain
    std::string_view context_json;    // raw JSON of metadata.context; empty: none
    std::string_view source_id;       // the script's id; source.type is "task"
    std::int64_t now_us = 0;          // becomes timestamp
};

// Appends the whole envelope as one line of JSON text.
void append_emitted_envelope(std::string& out, const EmittedEvent& event, const EmitCause& cause);

}  // namespace millrace::runtime
