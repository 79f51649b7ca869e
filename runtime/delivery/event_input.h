// What: how a stored event and its delivery look to a handler, the same for a live run and for a
//       run in the shadow.
// Threads: pure functions. Lifetime: views of the event, the subscription and the script.
// Limits: none. Failure: none.
#pragma once

#include "core/event.h"
#include "runtime/delivery/script_types.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/tenant_names.h"
#include "runtime/registry/registry_types.h"
#include "store/log/event_block.h"

#include <cstdint>
#include <string_view>

namespace millrace::runtime {

// An event that no delivery brings: a rule's, a trial's, a test's. All else is read from its text.
inline EventInput event_input_of(std::string_view text, core::TenantId tenant,
                                 std::int64_t received_at_us) {
    EventInput input;
    input.text = text;
    input.tenant_id = tenant_name(tenant);
    input.version_fill = kDefaultVersion;
    input.source_fill = kDefaultSourceJson;
    input.received_at_us = received_at_us;
    return input;
}

// Without event_id, which only a server-made one needs. `payload_at`: see DeliveryItem.
inline EventInput event_input_of(const store::StoredEvent& event, std::uint32_t payload_at = 0) {
    EventInput input = event_input_of(event.raw, event.tenant, event.received_at_us);
    if (payload_at != 0 && payload_at < event.raw.size())
        input.payload = event.raw.substr(payload_at);
    input.pattern = event.pattern;
    return input;
}

// For DeliveryItem::payload_at.
inline std::uint32_t payload_place(const core::Envelope& envelope) {
    return envelope.payload.empty()
               ? 0
               : static_cast<std::uint32_t>(envelope.payload.data() - envelope.raw.data());
}

// Without the execution's id, the attempt and the replay.
inline InvocationContext invocation_context_of(const store::StoredEvent& event,
                                               const Subscription& subscription,
                                               const Script& script) {
    InvocationContext context;
    context.subscription_id = subscription.id;
    context.script_id = script.id;
    context.tenant_id = tenant_name(event.tenant);
    context.event_name = event.pattern;
    context.subscription_number = subscription.number.value;
    context.script_version = script.version;
    context.causation_depth = causation_depth_of(event.fills);
    return context;
}

}  // namespace millrace::runtime
