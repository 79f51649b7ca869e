// What: what stands in the log for an event that did not fit a schema and was not to be lost: an
//       event of its own, pattern kMisfitPattern, from the same source, with an id that follows
//       from the other's. The id of the event that did not fit stays free, so that the event can
//       come in under it when it fits.
//       What can be no event, or can not stand inside of one (it is too deep), stands there by its
//       bytes, as base64.
// Threads: pure. Lifetime: views point into the stand-in's text.
// Limits: kStandInBytesMax, which all bytes of the largest event fit into; of what is longer
//         kPoisonBytesKept. Failure: what is no stand-in gives none.
#pragma once

#include "core/base64.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/json_writer.h"
#include "core/limits.h"
#include "runtime/event/event_source.h"

#include <algorithm>
#include <cstddef>
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

// Bytes that are kept as they came.
inline constexpr std::size_t kPoisonBytesKept = core::kEventBytesMax + 1024;  // and an id for it
inline constexpr std::size_t kStandInBytesMax = 2 * core::kEventBytesMax;
static_assert(kPoisonBytesKept / 3 * 4 + (512u << 10) <= kStandInBytesMax);

struct Poison {
    std::string_view event_id;  // of the event that it would have been
    std::string_view pattern;   // of the stand-in
    EventSource source;
    std::string_view schema_id{};  // that has refused it; empty: none
    std::string_view why;
    std::string_view place;  // the member that holds the bytes
    std::string_view bytes;
    std::uint64_t whole_bytes = 0;  // so many came
};
// Appends the stand-in. No pattern stands beside the bytes: nothing takes it before somebody says
// what it is. `about` writes what else is known of them.
template <typename About>
void append_poison_event(std::string& out, const Poison& poison, const About& about) {
    core::JsonWriter json(out);
    const auto source = [&] {
        json.key("source").begin_object().field("type", poison.source.type);
        json.field("id", poison.source.id).end_object();
    };
    json.begin_object().field("eventId", misfit_id(poison.event_id));
    json.field("pattern", poison.pattern);
    source();
    json.key("payload").begin_object().key("schemaId");
    poison.schema_id.empty() ? json.value(nullptr) : json.value(poison.schema_id);
    json.key("errors").begin_array().begin_object().field("message", poison.why);
    json.end_object().end_array();
    json.key("event").begin_object().field("eventId", poison.event_id);
    source();
    json.key(poison.place).begin_object();
    about(json);
    const std::string_view kept =
        poison.bytes.substr(0, std::min(kPoisonBytesKept, poison.bytes.size()));
    json.field("bytes", poison.whole_bytes).field("base64", core::encode_base64(kept));
    json.end_object().end_object().end_object().end_object();
}
// The stand-in of an event that can not stand inside of another, by its bytes.
std::string misfit_bytes_event(const core::Envelope& envelope, std::string_view event_id,
                               std::string_view schema_id, std::string_view why);

// What a stand-in says: the event as it was sent.
struct StandIn {
    std::string_view event;
    std::string_view schema_id;  // as JSON text
    std::string_view errors;
};
std::optional<StandIn> read_stand_in(std::string_view text);
// The event of misfit_bytes_event(), whole; none: it stands there by itself, or is cut.
std::optional<std::string> event_by_bytes(std::string_view stand_in_event);

}  // namespace millrace::runtime
