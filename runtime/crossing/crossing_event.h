// What: events on their way from the partition whose handlers made them to the one where their key
//       is, as they stand in the outbox and, one behind the other, in what is sent:
//
//         tenant SP depth SP trace_bytes SP event_bytes LF trace event LF
//
//       The tenant is named (each partition knows all of them by name), the event is the whole
//       envelope as it would have been taken here, with the id that follows from its cause.
// Threads: pure. Lifetime: what is read are views of the text.
// Limits: kCrossingHeadBytesMax, kCrossingTraceBytesMax, core::kEventBytesMax of an event and what
//         stands around it, kCrossingEventsMax of a batch.
// Failure: kValidation errors that say at which byte; nothing of such a batch is taken.
#pragma once

#include "core/limits.h"
#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::crossing {

inline constexpr std::size_t kCrossingHeadBytesMax = 512;
inline constexpr std::size_t kCrossingTraceBytesMax = 4096;
inline constexpr std::size_t kCrossingEventBytesMax = core::kEventBytesMax + (64u << 10);
inline constexpr std::size_t kCrossingEventsMax = 1000;

struct CrossingEvent {
    std::string_view tenant;
    std::uint8_t depth = 0;    // handlers between it and a client
    std::string_view trace{};  // as TraceHeaders tells it; empty: none
    std::string_view event;    // one line of JSON

    bool operator==(const CrossingEvent&) const = default;
};

// What a batch is answered with when all of it is durable.
std::string taken_text(std::size_t events);

void append_crossing(std::string& out, const CrossingEvent& event);
core::Result<std::vector<CrossingEvent>> read_crossing(std::string_view text);

}  // namespace millrace::runtime::crossing
