// What: the messages of millrace.v2 (tools/clients/proto/millrace/v2/events.proto): what clients
//       send becomes the text that POST /v2/events takes, what streams tell becomes an Event.
// Threads: pure. Lifetime: none. Limits: those of FrameReader, and of whoever reads the text.
// Failure: a message that does not read is an Error, which ends its call; an event that can be none
//       is refused for itself.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::grpc {

struct RefusedEvent {
    std::uint32_t entry = 0;
    core::Error error;
};

// Appends a line of NDJSON for each event of a PublishRequest, and says how many. The first of them
// is entry `first`; of one that is refused the line is an empty object.
core::Result<std::uint32_t> append_lines(std::string_view publish_request, std::uint32_t first,
                                         std::string& lines, std::vector<RefusedEvent>& refused);

struct SubscribeAsk {
    std::string pattern, pattern_prefix, filter, after;
    bool json = false;
};
core::Result<SubscribeAsk> read_subscribe(std::string_view message);

// The Event of what the REST calls show; `whole`: with all of it in Event.json.
void append_event(std::string& out, std::string_view position, std::string_view json, bool whole);

// Of one event of a PublishRequest.
struct OutcomeFields {
    std::string_view event_id = {};
    std::uint32_t shard = 0;
    std::uint64_t offset = 0;
    bool duplicate = false;
    const core::Error* error = nullptr;  // null: it was taken
};
void append_ack_head(std::string& out, std::uint64_t index, std::string_view durability);
void append_outcome(std::string& out, const OutcomeFields& outcome);

// Of messages that hold one text in their field 1, and nothing else that is looked at.
core::Result<std::string> read_text_message(std::string_view message);

}  // namespace millrace::runtime::grpc
