// What: an event as it goes out: the forms of a webhook's body, and the envelope that a command
//       reads. Made of what is stored alone, so that each attempt has the same bytes.
// Threads: pure. Lifetime: values. Limits: those of an event.
// Failure: none; a stored event has been parsed before.
#pragma once

#include "core/event.h"
#include "runtime/registry/executor_specs.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// An event and what the server says of it.
struct OutgoingEvent {
    core::Envelope envelope;
    std::string_view event_id;  // its own, or the server's
    std::int64_t received_at_us = 0;
    std::string_view fills{};  // trace_context.h
};

// What it belongs to: its correlation, else itself begins one.
inline std::string_view chain_of(const OutgoingEvent& event) {
    const std::string_view correlation = event.envelope.correlation_id;
    return correlation.empty() ? event.event_id : correlation;
}

std::string webhook_body(const OutgoingEvent& event, WebhookBody form);
std::string_view webhook_content_type(WebhookBody form);
// The envelope as it was sent, with the members that the server filled in.
std::string full_envelope(const OutgoingEvent& event);

}  // namespace millrace::runtime
