// What: what a sink sends of an event, beside its text.
// Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include "runtime/event/event_defaults.h"
#include "runtime/executors/event_body.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kLinkSendsNoHeaders =
    "it returned headers; a link sends a body only";

// Id and source: what no other event has.
inline std::string identity_of(const OutgoingEvent& event) {
    const bool has_source = event.envelope.has(core::EnvelopeField::kSource);
    std::string out(has_source ? event.envelope.source_type : kDefaultSourceType);
    out.append("/").append(has_source ? event.envelope.source_id : kDefaultSourceId);
    out.append("/").append(event.event_id);
    return out;
}

}  // namespace millrace::runtime
