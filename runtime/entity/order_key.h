// What: what keeps events in an order among themselves: their partition key; for those that tell of
//       an entity's changes, the entity. They name no partition key: that would lead them to its
//       home, and they are to be in one commit with the change.
// Threads: pure. Lifetime: a view of the envelope. Limits: none.
// Failure: "": nothing does.
#pragma once

#include "core/event.h"
#include "runtime/entity/names.h"

#include <string_view>

namespace millrace::runtime {

// `own`: the server has made it. Whoever sends one in its words has no say in its order.
inline std::string_view order_key(const core::Envelope& envelope, bool own) {
    if (!envelope.partition_key.empty() || !own) return envelope.partition_key;
    const bool of_entity = envelope.source_id == kEntitySourceId &&
                           envelope.source_type == kEntitySourceType &&
                           envelope.pattern.starts_with(kEntityPatternPrefix);
    return of_entity ? envelope.context_id : std::string_view();
}

}  // namespace millrace::runtime
