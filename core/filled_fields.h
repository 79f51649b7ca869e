// What: puts envelope members that the server fills in (source, version, ...) into the fields of
//       an event that came without them, so that filters see the event as handlers will.
// Threads: pure but for the table. Lifetime: the texts outlive the table's use.
// Limits: members without a path in the plan cost nothing. Failure: none.
#pragma once

#include "core/event.h"
#include "core/field_plan.h"
#include "core/field_table.h"

#include <string_view>

namespace millrace::core {

// Empty: not filled in.
struct FilledMembers {
    std::string_view event_id;
    std::string_view version;
    std::string_view source_type;
    std::string_view source_id;
    std::string_view timestamp;
    std::string_view tenant_id;
};

// After the event was parsed with `plan` into `fields`; only what the envelope lacks is added.
void fill_fields(const FieldPlan& plan, const Envelope& envelope, const FilledMembers& filled,
                 FieldTable& fields);

}  // namespace millrace::core
