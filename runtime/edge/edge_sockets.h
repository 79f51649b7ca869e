// What: event streams over WebSockets, as far as clients speak: the handshake's rules, and the
//       frames that keep a connection alive or end it. A stream takes no messages.
// Threads: a shard's. Lifetime: a decoder lives as long as its connection.
// Limits: one decoder a stream; those of io/web_socket.h.
// Failure: what breaks the protocol is closed with the code that says so.
#pragma once

#include "core/result.h"
#include "io/http_types.h"
#include "io/web_socket.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime {

class EdgeSockets {
public:
    static core::Status check_handshake(const io::Request& request);
    // What the handshake is answered with.
    static std::string accept_of(const io::Request& request);

    struct Reply {
        std::string bytes;  // to be written
        bool ends = false;  // and then the connection ends
    };
    Reply take(io::StreamToken stream, std::string_view bytes);
    void forget(io::StreamToken stream) { decoders_.erase(key_of(stream)); }

private:
    using Key = std::pair<std::uint32_t, std::uint32_t>;  // connection, generation
    static Key key_of(io::StreamToken stream) {
        return {stream.request.connection, stream.request.generation};
    }
    std::map<Key, io::WsDecoder> decoders_;
};

}  // namespace millrace::runtime
