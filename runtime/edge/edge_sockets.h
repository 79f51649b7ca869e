// What: streams over WebSockets, as far as clients speak: the handshake's rules, and the frames
//       that keep a connection alive or end it. A stream of events takes no messages; GraphQL's are
//       handed on.
// Threads: a shard's. Lifetime: a decoder lives as long as its connection.
// Limits: one decoder a stream; those of io/web_socket.h; kMessageBytesMax of one that takes
//         messages.
// Failure: what breaks the protocol is closed with the code that says so.
#pragma once

#include "core/result.h"
#include "io/http_types.h"
#include "io/web_socket.h"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

class EdgeSockets {
public:
    static constexpr std::size_t kMessageBytesMax = 64u << 10;

    static core::Status check_handshake(const io::Request& request);
    // What the handshake is answered with.
    static std::string accept_of(const io::Request& request);
    // The client knows that subprotocol.
    static bool offers(const io::Request& request, std::string_view protocol);

    struct Reply {
        std::string bytes;                       // to be written
        bool ends = false;                       // and then the connection ends
        std::vector<std::string> messages = {};  // to be handed on
        std::size_t held_bytes = 0;              // of a message that is half there
    };
    // What this connection sends are messages, once it is open.
    void take_messages(io::StreamToken stream);
    Reply take(io::StreamToken stream, std::string_view bytes);
    void forget(io::StreamToken stream) { clients_.erase(key_of(stream)); }
    // Nothing is left of a connection.
    void forget(std::uint32_t connection) {
        clients_.erase(clients_.lower_bound({connection, 0}),
                       clients_.upper_bound({connection, ~0u}));
    }

private:
    using Key = std::pair<std::uint32_t, std::uint32_t>;  // connection, generation
    static Key key_of(io::StreamToken stream) {
        return {stream.request.connection, stream.request.generation};
    }
    struct Client {
        io::WsDecoder decoder;
        bool takes_messages = false;
    };
    std::map<Key, Client> clients_;
};

}  // namespace millrace::runtime
