// What: the identity and the envelope of an event that a handler emits. The id is a hash of
//       (the cause's whole identity, subscription, index in the run), so that a repeated delivery
//       emits the same id and deduplication makes it one event, and that events of two sources with
//       one id cause two.
// Threads: pure functions, any thread. Lifetime: the caller's buffers.
// Limits: an id is kDerivedEventIdBytes long. Failure: none.
#pragma once

#include "core/event.h"
#include "core/ids.h"
#include "runtime/delivery/script_types.h"
#include "runtime/event/event_source.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// The shortest finished event is longer: its id alone is 35 bytes, its timestamp 27.
inline constexpr std::size_t kEmittedEnvelopeBytesMin = 160;
inline constexpr std::size_t kDerivedEventIdBytes = 35;  // "ed_" and 32 hex digits

struct DerivedEventId {
    std::array<char, kDerivedEventIdBytes> text;
    std::string_view view() const { return {text.data(), text.size()}; }
};
// What is no event (a call, a dead letter) has an id of its own and no source.
CauseKey cause_key(core::TenantId tenant, const EventSource& source, std::string_view event_id);
DerivedEventId derive_event_id(const CauseKey& cause, std::uint64_t subscription_number,
                               std::uint32_t index);

// The cause as the envelope of the event that is handled says it; `context` keeps what has to be
// written for it.
EmitCause emit_cause_of(core::TenantId tenant, const core::Envelope& envelope,
                        std::string_view event_id, std::string& context);

// Appends the whole envelope as one line of JSON text.
void append_emitted_envelope(std::string& out, const EmittedEvent& event, const EmitCause& cause);

}  // namespace millrace::runtime
