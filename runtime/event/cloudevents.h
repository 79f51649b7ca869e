// What: CloudEvents 1.0 to envelopes and back. All three modes of the HTTP binding: structured,
//       batch, binary. Mapping:
//         id -> eventId, type -> pattern, source -> source {"type":"external","id":...},
//         time -> timestamp, partitionkey -> partitionKey,
//         correlationid, causationid -> metadata, data (an object) -> payload, byte for byte.
//       What has no place in the envelope is kept in the member "x-ce": specversion, subject,
//       datacontenttype, dataschema, every other extension. Data that is no object is wrapped:
//       payload {"data":...} with "data":"value" in x-ce; data_base64 becomes payload
//       {"data_base64":...} with "data":"base64". Attributes that are null count as absent.
// Threads: pure functions. Lifetime: outputs own their bytes.
// Limits: those of the envelope, checked by the parser that reads the result.
// Failure: kValidation errors that name the attribute. The result still has to be parsed: a
//       converted text is balanced but its data is not validated here.
#pragma once

#include "core/event.h"
#include "core/result.h"
#include "io/http_types.h"

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

// One event in the JSON format; appends the envelope's text.
core::Status envelope_from_cloud_event(std::string_view text, std::string& out);

struct CloudEventBatch {
    struct Rejected {
        std::uint32_t entry = 0;  // index in the input
        core::Error error;
    };
    std::string text;                    // a JSON array of envelopes
    std::vector<std::uint32_t> entries;  // for each of them: its index in the input
    std::vector<Rejected> rejected;
};

// An Error when the text is no array at all.
core::Status envelopes_from_cloud_event_batch(std::string_view text, CloudEventBatch& out);

// Attributes from ce- headers, data from the body by its content type: JSON as it is, text/* as a
// string, anything else as base64.
core::Status envelope_from_binary_cloud_event(std::span<const io::HeaderField> headers,
                                              std::string_view content_type, std::string_view body,
                                              std::string& out);

// What a stored event is shown with beside its own members.
struct CloudEventStamps {
    std::string_view event_id;  // the server's where the envelope has none
    std::int64_t received_at_us = 0;
};

// The JSON format of an event, appended. Events that came as CloudEvents come out with the same
// attributes and data; others get source "/<type>/<id>".
void append_cloud_event(const core::Envelope& envelope, const CloudEventStamps& stamps,
                        std::string& out);

}  // namespace millrace::runtime
