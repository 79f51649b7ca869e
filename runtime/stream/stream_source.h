// What: who streams are asked of, and what is asked: a server's own log (event_tail.h), or those of
//       all a cluster's partitions, at its front (runtime/node/front_tail.h); and the words in
//       which what they tell is written where no voice speaks.
// Threads: its own. Lifetime: outlives whoever has streams of it.
// Limits: its own. Failure: open() is 0, and whoever asked has been told why.
#pragma once

#include "core/ids.h"
#include "io/http_types.h"
#include "runtime/identity/principal.h"
#include "runtime/stream/stream_voice.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime {

enum class StreamKind : std::uint8_t { kEvents, kDeadLetters, kExecutions };

// What a client asked for, copied out of its request.
struct StreamRequest {
    core::ShardId edge;
    io::RequestToken token;
    identity::Principal principal;
    std::string pattern;
    std::string pattern_prefix;
    std::string filter;
    std::string from;           // a moment, a position, "beginning" or empty
    std::string last_event_id;  // wins over `from`
    // Of a WebSocket: what its handshake is answered with. Empty: Server-Sent Events.
    std::string accept;
    // Speaks in place of both.
    std::shared_ptr<StreamVoice> voice = {};
    // One of several on a connection that is open and stays so.
    bool joined = false;
    StreamKind kind = StreamKind::kEvents;
    // For a front that makes one stream of several partitions': an event "place" says where this
    // one is, at its beginning and when there was nothing to tell for a while.
    bool places = false;
};

class StreamSource {
public:
    virtual ~StreamSource() = default;
    // Its number, for stop(); 0: it was refused, which whoever asked has been told.
    virtual std::uint64_t open(StreamRequest&& request) = 0;
    virtual void stop(std::uint64_t number) = 0;
};

// `name`: "event", "reset", "place" or "error"; `data`: JSON. Server-Sent Events, or with an
// `accept` {"id":position,"event":{...}} over a WebSocket; what ends a stream has no place to come
// back to.
void append_stream_message(std::string& out, const StreamRequest& request, std::string_view name,
                           std::string_view position, std::string_view data);

}  // namespace millrace::runtime
