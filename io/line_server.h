// What: the raw NDJSON protocol over TCP and Unix sockets: a stream of envelopes, one a line,
//       answered by `{"ack":N,"durability":"fsync"}` (the first N lines of this connection are
//       done: durable, or rejected before) and `{"reject":{"line":N,"error":{...}}}`. Where some of
//       the N were known already, the ack says how many: `"duplicates":D`. The first line may be a
//       hello.
// Threads: the reactor's. Lifetime: reactor > server; handler outlives the server; batches handed
//       over must not outlive the reactor.
// Limits: LineLimits. A line above line_bytes_max, its line end (LF or CRLF) not counted, is
//       rejected and skipped; the connection lives on.
//       With more than unacked_lines_max or unacked_bytes_max not yet acked, the socket is not
//       read.
// Failure: who is refused (apiKey, no room, a first line that is no JSON object: a page may make a
//       browser send HTTP; nothing of it is taken) or idle for too long gets one `{"error":{...}}`
//       line, then the end.
//
// Lines are counted from 1 and each counts, also empty ones, which are handed over like all others;
// the hello is not counted. A last line without a line end counts when the client has closed its
// side.
#pragma once

#include "core/buffer.h"
#include "core/result.h"
#include "io/address.h"
#include "io/reactor.h"
#include "io/stream_transform.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace millrace::io {

struct LineLimits {
    std::size_t line_bytes_max = 1u << 20;
    std::size_t batch_bytes = 256u << 10;  // what one hand-over aims at when data is plenty
    std::size_t unacked_lines_max = 65'536;
    std::size_t unacked_bytes_max = 8u << 20;
    std::size_t out_bytes_max = 1u << 20;  // unsent acks and rejects at which reading stops
    // Beyond it the connection that has been idle longest makes room; where none is idle, further
    // ones are told and closed, so many at a time.
    std::size_t connections_max = 4096;
    std::size_t spare_connections_max = 64;
    std::int64_t idle_ms_max = 0;             // 0: idle connections are kept
    std::int64_t write_ms_max = 30'000;       // without any progress in sending
    std::int64_t drain_write_ms_max = 5'000;  // the same while it drains
};

enum class AckMode : std::uint8_t { kBatch, kNone };

// Names a connection; safe when it is gone.
struct LineToken {
    std::uint32_t connection = 0;
    std::uint32_t generation = 0;
    bool operator==(const LineToken&) const = default;
};

struct LineHello {
    bool sent = false;         // false: the client began with an event
    std::string_view api_key;  // empty when absent
    AckMode acks = AckMode::kBatch;
    // As Request::peer_names.
    std::span<const std::string> peer_names = {};
};

struct LineBatch {
    LineToken connection;
    core::BufferRef lines;         // complete lines, each with its '\n' (the very last one of a
                                   // connection may lack it); padded for simdjson
    std::uint64_t first_line = 1;  // number of the first line in here
    std::uint64_t line_count = 0;
};

class LineHandler {
public:
    virtual ~LineHandler() = default;
    // Before the first batch. An error refuses the client.
    virtual core::Status on_hello(LineToken, const LineHello&, const Peer&) = 0;
    virtual void on_lines(LineBatch&& batch) = 0;
    // After an accepted hello, in every case: what the connection has not been acked is nobody's
    // any more.
    virtual void on_line_close(LineToken) {}
    // When it is worth while to come again after a refusal for a lack of room.
    virtual std::int64_t busy_seconds() const { return 1; }
};

struct LineCounters {
    std::uint64_t made_room = 0;  // idle ones closed for others
    std::uint64_t accepted = 0, refused = 0, closed = 0, lines = 0, rejected_lines = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
};

class LineServerImpl;

class LineServer {
public:
    LineServer(Reactor& reactor, LineHandler& handler, const LineLimits& limits);
    LineServer(const LineServer&) = delete;
    LineServer& operator=(const LineServer&) = delete;
    ~LineServer();

    // As HttpServer::listen.
    core::Result<Address> listen(const Address& address, ListenRole role, TransformMaker make = {});

    // The first `lines` lines of the connection are done: durable, duplicate or rejected; a
    // rejected one by reject() before this. Never goes back. `duplicates`: how many of those that
    // the last ack did not cover were known already. Sent unless acks are none; opens the window in
    // any case.
    bool ack(LineToken connection, std::uint64_t lines, std::string_view durability,
             std::uint64_t duplicates = 0);
    // `found`: what else there is to say, a JSON array for details.errors; empty: nothing.
    bool reject(LineToken connection, std::uint64_t line, const core::Error& error,
                std::string_view found = {});
    bool alive(LineToken connection) const;

    void pause_ingest();
    void resume_ingest();
    // No new connections, no more reading; each closes when all it was read has been acked.
    void drain();
    void close_all();
    std::size_t connections() const;
    const LineCounters& counters() const;

private:
    std::unique_ptr<LineServerImpl> impl_;
};

}  // namespace millrace::io
