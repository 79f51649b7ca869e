// What: what the connections of one HTTP server share: handler, limits, pools, scratch, counters.
// Threads: the reactor's. Lifetime: owns the connections; they are closed before it goes.
// Limits: HttpLimits. Failure: none of its own.
#pragma once

#include "io/connection_room.h"
#include "io/http_connection.h"
#include "io/http_head.h"
#include "io/http_server.h"
#include "io/reactor_impl.h"
#include "io/sized_pools.h"
#include "io/transform_listener.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace::io {

class HttpServerImpl final : public AcceptHandler {
public:
    HttpServerImpl(Reactor& reactor, HttpHandler& handler, const HttpLimits& limits);
    ~HttpServerImpl() override;

    void on_accept(int socket, const Peer& peer) override { accept(socket, peer, nullptr); }
    void accept(int socket, const Peer& peer, std::unique_ptr<StreamTransform> transform);
    core::Result<Address> listen(const Address& address, ListenRole role, TransformMaker make);
    void close_listeners();
    void give_back(HttpConnection& connection);
    HttpConnection* find(RequestToken token) const;
    void drain();
    void close_all();
    void set_paused(bool paused);
    // False: too much of bodies is coming in. Who asked is told (touched) when there is room.
    bool may_begin_request();
    void count_receiving(std::size_t before, std::size_t now);
    std::size_t receiving_bytes() const { return receiving_bytes_; }

    // The response head of status, type, length and further headers, in memory that is used again.
    std::string_view format_head(const ResponseHead& head, std::size_t body_bytes,
                                 std::string_view framing, std::string_view connection,
                                 std::string_view lines);
    std::string_view date();

    HeadScanner::Limits head_limits() const {
        return {limits.request_line_bytes_max, limits.header_bytes_max, limits.header_count_max};
    }

    ReactorImpl& reactor;
    HttpHandler& handler;
    const HttpLimits limits;
    SizedPools& pools;
    ParsedHead parsed;  // of the request being delivered
    HttpCounters counters;
    bool paused = false;
    bool draining = false;
    bool closed = false;  // close_all() was called
    std::int64_t write_ms_max() const {
        return draining ? std::min(limits.write_ms_max, limits.drain_write_ms_max)
                        : limits.write_ms_max;
    }
    std::size_t open_connections() const { return room_.open(); }
    std::size_t late_connections = 0;  // of these: accepted in a drain
    std::size_t answer_bytes = 0;      // of all connections: answered and not yet sent
    std::size_t stream_bytes = 0;      // of these: of streams, which the room of clients bounds
    std::size_t waiting_answer_bytes() const { return answer_bytes - stream_bytes; }

private:
    using PeerKey = std::array<std::uint8_t, 16>;
    bool refuse_peer(const Peer& peer) const;
    HttpConnection& take_connection();

    std::vector<std::unique_ptr<HttpConnection>> connections_;
    std::vector<std::uint32_t> free_;
    std::size_t receiving_bytes_ = 0;
    bool held_back_ = false;  // somebody waits for it to become less
    std::map<PeerKey, std::size_t> per_peer_;
    ConnectionRoom room_;
    std::deque<TransformListener> listeners_;
    std::string head_;
    std::string date_;
    std::int64_t date_second_ = -1;
};

inline constexpr std::size_t kUnknownLength = ~std::size_t{0};

}  // namespace millrace::io
