// What: events as the older document's createEvent() writes them ({"name","type","data",
//       "scheduled_at",...}), as envelopes. Members that only it has are turned into ours:
//         name, event_type -> pattern; data, event_data -> payload; scheduled_at -> scheduledAt;
//         event_id, partition_key, tenant_id -> the same in camelCase;
//         type -> metadata.class, or the pattern of an event that says no other (an event that has
//         a pattern has neither type nor data);
//         trigger_type, correlation_id, causation_id -> metadata; priority "high" -> "HIGH".
//       All else, and every value, stays as it is.
// Threads: pure functions. Lifetime: outputs own their bytes. Limits: the parser's, which reads the
//       result.
// Failure: a member that is said twice, in both spellings, is an entry of `rejected` that names
//       both; a text that is no events is false: whoever read it first says why.
#pragma once

#include "core/event_parser.h"
#include "core/result.h"
#include "runtime/event/cloudevents.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

// A member of such events that ours have not.
bool is_older_event_member(std::string_view name);

struct OlderEvents {
    struct Rejected {
        std::uint32_t entry = 0;  // index in the input
        core::Error error;
    };
    std::string text;  // envelopes in the format of the input
    PlaceMap places;
    std::vector<std::uint32_t> entries;  // for each of them: its index in the input
    std::vector<Rejected> rejected;
};

bool envelopes_from_older_events(std::string_view text, core::BatchFormat format, OlderEvents& out);

}  // namespace millrace::runtime
