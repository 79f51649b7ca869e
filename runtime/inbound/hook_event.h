// What: how a webhook becomes an event: its body the payload, the sender's id of the delivery the
//       eventId (so that a redelivery is a duplicate), what it is about the end of the pattern.
//         pattern  webhook.<source>.<kind>, or the source's own with {kind} in it
//         payload  a JSON object byte for byte; JSON that is no object as {"data":...}; a form as
//                  an object of its fields (GitHub's has its JSON in the field "payload", which is
//                  taken); other text as {"data":"..."}, other bytes as {"data_base64":"..."}
//         x-webhook {"scheme","kind","deliveryId","contentType"}
// Threads: pure. Lifetime: outputs own their bytes.
// Limits: those of the envelope, checked by the parser that reads the result. An id that is longer
//       than an eventId may be stands as its SHA-256.
// Failure: kValidation: a body that says it is JSON and is not.
#pragma once

#include "core/result.h"
#include "runtime/event/cloudevents.h"
#include "runtime/inbound/signature.h"

#include <string>
#include <string_view>

namespace millrace::runtime::inbound {

// What of a source decides how its events look.
struct EventForm {
    std::string_view source_id;
    Scheme scheme = Scheme::kNone;
    std::string_view pattern;              // empty: webhook.<source>.{kind}
    const FactPlace* id_from = nullptr;    // null: by the scheme
    const FactPlace* kind_from = nullptr;  // null: by the scheme
};

struct HookEvent {
    std::string text;  // the envelope
    std::string id;    // the sender's; empty: it gave none
    std::string kind;
    std::string pattern;
    PlaceMap places;
    // Slack's question whether somebody is there: what to answer; no event comes of it.
    std::string challenge;
};

core::Status make_hook_event(const EventForm& form, const Incoming& request, HookEvent& out);

// The payload alone: a JSON object's text. A body that is one is not copied: `out` is a view of it,
// else of `storage`.
core::Status payload_of(Scheme scheme, const Incoming& request, std::string& storage,
                        std::string_view& out);

// What may end a pattern: letters, digits and . _ - : as they are, '/' as '.', others as '_'.
std::string kind_text(std::string_view kind);

}  // namespace millrace::runtime::inbound
