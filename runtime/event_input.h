// What: how a stored event and its delivery look to a handler, the same for a live run and for a
//       run in the shadow.
// Threads: pure functions. Lifetime: views of the event, the subscription and the script.
// Limits: none. Failure: none.
#pragma once

#include "runtime/event_defaults.h"
#include "runtime/lua_types.h"
#include "runtime/registry_types.h"
#include "store/event_block.h"

#include <string_view>

namespace millrace::runtime {

// Without event_id, which only a server-made one needs.
inline EventInput event_input_of(const store::StoredEvent& event) {
    EventInput input;
    input.text = event.raw;
    input.pattern = event.pattern;
    input.tenant_id = kDefaultTenantName;
    input.version_fill = kDefaultVersion;
    input.source_fill = kDefaultSourceJson;
    input.received_at_us = event.received_at_us;
    return input;
}

// Without the execution's id, the attempt and the replay.
inline InvocationContext invocation_context_of(const store::StoredEvent& event,
                                               const Subscription& subscription,
                                               const Script& script) {
    InvocationContext context;
    context.subscription_id = subscription.id;
    context.script_id = script.id;
    context.tenant_id = kDefaultTenantName;
    context.event_name = event.pattern;
    context.subscription_number = subscription.number.value;
    context.script_version = script.version;
    context.causation_depth = causation_depth_of(event.fills);
    return context;
}

}  // namespace millrace::runtime
