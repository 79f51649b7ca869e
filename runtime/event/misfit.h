// What: what stands in the log for an event that did not fit a schema and was not to be lost: an
//       event of its own, pattern kMisfitPattern, from the same source, with an id that follows
//       from the other's. The id of the event that did not fit stays free, so that the event can
//       come in under it when it fits.
// Threads: pure. Lifetime: views point into the stand-in's text.
// Limits: none of its own. Failure: what is no stand-in gives none.
#pragma once

#include "core/event.h"
#include "core/ids.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::string_view kMisfitPattern = "system.schema.rejected";
// In a dead letter's row: what stands for an error's fingerprint.
inline constexpr std::string_view kMisfitFingerprint = "schema";

// A dead letter of no subscription: the event itself did not get in.
constexpr bool is_misfit_letter(core::SubscriptionId subscription) {
    return subscription.value == 0;
}

// The stand-in's id.
std::string misfit_id(std::string_view event_id);
// For an event without one; `salt` differs from event to event.
std::string made_event_id(std::string_view raw, std::uint64_t salt);

// Why it did not fit.
struct Misfit {
    std::string_view schema_id;
    std::string_view errors;  // JSON array
};
// The stand-in of an event with this id (its own, or the one made for it), which its text gets
// where it has none.
std::string misfit_event(const core::Envelope& envelope, std::string_view event_id,
                         const Misfit& why);

// What a stand-in says: the event as it was sent.
struct StandIn {
    std::string_view event;
    std::string_view schema_id;  // as JSON text
    std::string_view errors;
};
std::optional<StandIn> read_stand_in(std::string_view text);

}  // namespace millrace::runtime
