// What: one delivery's record as API clients see it.
// Threads: the API thread. Lifetime: none. Limits: none. Failure: a part that is gone is null.
#pragma once

#include "core/json_writer.h"
#include "runtime/api/services.h"
#include "store/rows/executions.h"

#include <string_view>

namespace millrace::runtime::api {

std::string_view delivery_status_text(store::DeliveryStatus status);

// `event_id` is empty when the event itself is gone. One that has begun a run of a workflow shows
// how far that has come, step by step. Any thread.
void append_execution(core::JsonWriter& json, Services& services, const store::Execution& execution,
                      std::string_view event_id);

// The id of the event at a position; empty when it is gone.
std::string event_id_at(Services& services, core::LogPosition position);

}  // namespace millrace::runtime::api
