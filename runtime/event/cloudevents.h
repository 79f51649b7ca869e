// What: CloudEvents 1.0 to envelopes and back. All three modes of the HTTP binding: structured,
//       batch, binary. Mapping:
//         id -> eventId, type -> pattern, source -> source {"type":"external","id":...},
//         time -> timestamp, partitionkey -> partitionKey, priority, scheduledat -> the same,
//         correlationid, causationid, contexttype and contextid -> metadata,
//         data (an object) -> payload, byte for byte; xmembers, a string that holds a JSON object
//         of "x-" members -> these.
//       What has no place in the envelope is kept in the member "x-ce": specversion, subject,
//       datacontenttype, dataschema, every other extension. Data that is no object is wrapped:
//       payload {"data":...} with "data":"value" in x-ce; data_base64 becomes payload
//       {"data_base64":...} with "data":"base64". Attributes that are null count as absent; those
//       of ours that mean nothing here (a priority of "high") are kept like any other extension.
// Threads: pure functions. Lifetime: outputs own their bytes.
// Limits: those of the envelope, checked by the parser that reads the result.
// Failure: kValidation errors that name the attribute and the place in what was sent. The result
//       still has to be parsed; what that finds is told by PlaceMap.
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "io/http_types.h"
#include "runtime/event/entry_bound.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

enum class CloudEventMode : std::uint8_t { kNone, kStructured, kBatch, kBinary };

// By Content-Type, else by the presence of a ce-specversion header.
CloudEventMode cloud_event_mode(std::string_view content_type,
                                std::span<const io::HeaderField> headers);

// Which bytes of a converted text are which of what was sent.
class PlaceMap {
public:
    void note(std::size_t out_at, std::size_t in_at, std::size_t bytes) {
        pieces_.push_back({out_at, in_at, bytes});
    }
    // Those of an entry that begins at `in_at`.
    void add(const PlaceMap& other, std::size_t in_at);
    // The error's place is one of the converted text.
    void tell_as_sent(core::Error& error) const;

private:
    struct Piece {
        std::size_t out_at;
        std::size_t in_at;
        std::size_t bytes;
    };
    std::vector<Piece> pieces_;  // by out_at
};

// One event in the JSON format; appends the envelope's text.
core::Status envelope_from_cloud_event(std::string_view text, std::string& out,
                                       PlaceMap* places = nullptr);

struct CloudEventBatch {
    struct Rejected {
        std::uint32_t entry = 0;  // index in the input
        core::Error error;
    };
    std::string text;  // a JSON array of envelopes
    PlaceMap places;
    std::vector<std::uint32_t> entries;  // for each of them: its index in the input
    std::vector<Rejected> rejected;
};

// An Error when the text is no array at all, or holds too many entries.
core::Status envelopes_from_cloud_event_batch(std::string_view text, EntryBound bound,
                                              CloudEventBatch& out);

// Attributes from ce- headers, data from the body by its content type: JSON as it is, text/* as a
// string, anything else as base64.
core::Status envelope_from_binary_cloud_event(std::span<const io::HeaderField> headers,
                                              std::string_view content_type, std::string_view body,
                                              std::string& out, PlaceMap* places = nullptr);

// What a stored event is shown with beside its own members.
struct CloudEventStamps {
    std::string_view event_id;  // the server's where the envelope has none
    std::int64_t received_at_us = 0;
    // What came beside it; its own extension wins. Empty: nothing did.
    std::string_view traceparent{};
    std::string_view tracestate{};
};

// The JSON format of an event, appended. Events that came as CloudEvents come out with the same
// attributes and data; others get source "/<type>/<id>".
void append_cloud_event(const core::Envelope& envelope, const CloudEventStamps& stamps,
                        std::string& out);

}  // namespace millrace::runtime
