// What: the source of an event as identity, listings and handlers mean it: what the sender gave,
//       else the default one. Both halves are filled in together or not at all.
// Threads: pure. Lifetime: views of the envelope or of constants. Limits: none. Failure: none.
#pragma once

#include "core/event.h"
#include "runtime/event/event_defaults.h"

#include <string_view>

namespace millrace::runtime {

struct EventSource {
    std::string_view type;
    std::string_view id;
    bool operator==(const EventSource&) const = default;
};

inline EventSource source_of(const core::Envelope& envelope) {
    if (!envelope.has(core::EnvelopeField::kSource)) return {kDefaultSourceType, kDefaultSourceId};
    return {envelope.source_type, envelope.source_id};
}

}  // namespace millrace::runtime
