// What: HTTP/1.1 on a reactor: keep-alive, pipelining (answers leave in the order of the requests,
//       whatever order they are given in), chunked bodies, Expect: 100-continue, HEAD, limits and
//       deadlines, streamed responses. All answers of one duty cycle of a connection leave in one
//       send. A connection that begins with HTTP/2's preface is the handler's, if it takes it.
// Threads: the reactor's, for everything. A reply that is made elsewhere comes back by the caller's
//       own queue.
// Lifetime: reactor > server; handler outlives the server.
// Limits: HttpLimits. Responses a client does not read are bounded by out_bytes_max: above it the
//       connection is not read any more; those of all clients by answers_bytes_max; unanswered
//       requests of a connection by pipeline_max. Heads that are half there, and what streams have
//       written and nobody has read, draw from the reactor's room for clients (client_room.h): a
//       stream waits for room, and a client that stalls is cut off when others wait for it.
// Failure: what breaks HTTP's grammar or a limit is answered here with the API's error body, and
//       the connection is closed where the framing is lost. A handler never sees it.
#pragma once

#include "core/buffer.h"
#include "core/result.h"
#include "io/body_writer.h"
#include "io/http_types.h"
#include "io/reactor.h"
#include "io/stream_transform.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::io {

struct HttpLimits {
    std::size_t request_line_bytes_max = 8192;  // 414
    std::size_t header_bytes_max = 16384;       // 431; names and values with their line ends
    std::size_t header_count_max = 64;          // 431
    std::size_t body_bytes_max = 16u << 20;  // 413, checked against Content-Length before reading
    std::size_t chunk_overhead_bytes_max = 16384;  // 400; chunk lines' extensions and trailers
    std::size_t pipeline_max = 64;                 // unanswered requests of a connection
    std::size_t out_bytes_max = 1u << 20;  // unsent bytes at which the connection is not read
    std::size_t stream_out_bytes_max = 256u << 10;  // unsent bytes at which stream_write says full
    // Beyond it the connection that has been idle longest makes room. Where none is idle, further
    // ones get 503; so many of them are held to be told so, and for requests that are answered
    // when_full.
    std::size_t connections_max = 16384;
    std::size_t spare_connections_max = 64;
    std::int64_t spare_ms_max = 5'000;  // idle_ms_max of those
    // Of all connections together, not yet sent: beyond it an answer becomes a 503, and beyond
    // twice as much a client that does not read is cut off.
    std::size_t answers_bytes_max = 64u << 20;
    // Of bodies that are coming in, of all connections together: beyond it no further request is
    // read until half of it has come. One body is taken in any case.
    std::size_t receiving_bytes_max = std::numeric_limits<std::size_t>::max();
    // Of all that came and has not left the reactor's buffers, on whatever thread it is: beyond it
    // a request with a body is refused (503) before the body is read.
    std::size_t buffered_bytes_max = std::numeric_limits<std::size_t>::max();
    std::size_t connections_per_peer_max = 16384;  // per IP address; Unix sockets are not counted
    std::int64_t header_ms_max =
        10'000;                          // 408; from the first byte of a request to its last header
    std::int64_t idle_ms_max = 75'000;   // between requests; closed without a word
    std::int64_t write_ms_max = 30'000;  // without any progress in sending
    std::int64_t drain_write_ms_max = 5'000;  // the same while it drains
    std::int64_t body_grace_ms = 10'000;      // a body may be slow for so long ...
    std::int64_t body_bytes_per_second_min =
        1024;  // ... and must then have come at this rate: else 408
};

// What on_head decided about a request before its body is read.
struct HeadDecision {
    std::size_t body_bytes_max;         // may be lowered or raised for this request
    std::optional<core::Error> reject;  // answered at once; the body is not read
    bool when_full = false;             // answered even on a connection beyond connections_max
    // Whole header lines that every answer to this request carries, errors and streams too; the
    // handler answers for what they hold.
    std::string answer_lines = {};
};

enum class WriteOutcome : std::uint8_t { kOk, kFull, kClosed };

class HttpHandler {
public:
    virtual ~HttpHandler() = default;
    // The head has come, the body has not (Request::body is null). For checks that spare reading
    // it.
    virtual void on_head(const Request&, HeadDecision&) {}
    // Complete. Answer now or later with respond(), or with start_stream().
    virtual void on_request(Request& request) = 0;
    // A stream that was full has room again.
    virtual void on_stream_drain(StreamToken) {}
    // The client of a stream is gone. Not called after end_stream().
    virtual void on_stream_close(StreamToken) {}
    // What the client of an upgraded connection sends; in pieces, as it comes.
    virtual void on_stream_bytes(StreamToken, std::string_view) {}
    // The connection begins with the preface of HTTP/2. True: it is taken, as if it had been
    // upgraded: the preface is the first that comes to on_stream_bytes, end_stream() closes it.
    virtual bool on_preface(StreamToken, const Peer&, std::span<const std::string> /*peer_names*/) {
        return false;
    }
    // Of one that was taken: the server drains. The handler ends it when what is under way is
    // done.
    virtual void on_going_away(StreamToken) {}
    // When it is worth while to come again after a 503 for a lack of room: Retry-After.
    virtual std::int64_t busy_seconds() const { return 1; }
    // Nothing is left of the connection with this number (RequestToken::connection).
    virtual void on_connection_closed(std::uint32_t) {}
};

struct HttpCounters {
    std::uint64_t accepted = 0, refused = 0, closed = 0;
    std::uint64_t turned_away = 0;  // 503 for a lack of room
    std::uint64_t made_room = 0;    // idle ones closed for others
    std::uint64_t cut_off = 0;      // stalled ones closed for others: see client_room.h
    std::uint64_t requests = 0, responses = 0, errors_4xx = 0, timeouts = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::array<std::uint64_t, 6> responses_by_class{};  // [2]: 2xx
};

class HttpServerImpl;

class HttpServer {
public:
    HttpServer(Reactor& reactor, HttpHandler& handler, const HttpLimits& limits);
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    ~HttpServer();

    // The address bound, with the real port where 0 was asked for: hand that to the shards that
    // join. A Unix socket is served by the one that listened first: joining it succeeds and does
    // nothing. `make`: what each connection's bytes go through, TLS say; none: as they are.
    core::Result<Address> listen(const Address& address, ListenRole role, TransformMaker make = {});

    // Answers. False when the connection died meanwhile (nothing to do about it).
    bool respond(RequestToken token, const ResponseHead& head, std::string_view body);
    bool respond(RequestToken token, const ResponseHead& head,
                 std::span<const std::string_view> pieces);
    bool respond(RequestToken token, const ResponseHead& head, BodyWriter&& body);
    // Nobody writes to the body any more: several answers may have the same one.
    bool respond(RequestToken token, const ResponseHead& head, core::BufferRef body);
    bool respond_error(RequestToken token, const core::Error& error);
    BodyWriter body_writer();

    // Streamed answers: the head leaves at once (all of it for a HEAD: nullopt), then every write.
    std::optional<StreamToken> start_stream(RequestToken token, const ResponseHead& head);
    // 101: from here on the connection is no HTTP. What is written leaves as it is, what comes goes
    // to on_stream_bytes, and the end of the stream closes it; a drain says `last_words` first.
    // nullopt: other requests of this connection wait for their answers, or it is gone.
    std::optional<StreamToken> start_upgrade(RequestToken token, const ResponseHead& head,
                                             std::string last_words);
    // Takes all or nothing: kFull takes nothing, and on_stream_drain follows.
    WriteOutcome stream_write(StreamToken stream, std::string_view bytes);
    void end_stream(StreamToken stream);
    // What its user keeps of what this stream's client has sent and not finished: counted in the
    // room of clients. False: that is full, and no more should be kept.
    bool keep_for_stream(StreamToken stream, std::size_t bytes);
    bool alive(RequestToken token) const;

    // An overloaded edge stops reading its sockets; what is read already is still handled.
    void pause_ingest();
    void resume_ingest();
    bool ingest_paused() const;
    std::size_t receiving_bytes() const;

    // Graceful end: idle connections close, streams end; the others close after their last answer,
    // which says `Connection: close`. Done when undrained() is 0. New connections are still taken,
    // one request each, for those who ask how the server is: until stop_listening(). close_all()
    // ends the patience.
    void drain();
    void stop_listening();
    void close_all();
    std::size_t connections() const;
    // Those that were there before drain().
    std::size_t undrained() const;
    const HttpCounters& counters() const;

private:
    std::unique_ptr<HttpServerImpl> impl_;
};

}  // namespace millrace::io
