// What: the server's side of one HTTP/2 connection over memory: bytes of the peer are put in,
//       requests and their bodies come out; answers are put in, bytes for the peer come out.
//       Frames, header compression and the protocol's rules are libnghttp2's; limits and what a
//       client may make us do for nothing are ours.
// Threads: one owner, the reactor's thread. Lifetime: the handler outlives the session.
// Limits: Http2Limits. What comes on a stream is the peer's to send again only when it is given
//       room (give_room); what is to be sent on one is the user's to bound, by unsent_bytes().
// Failure: what breaks the protocol or a limit makes take() false: what pull() has still to give
//       (a GOAWAY that says why) is the last of the connection.
#pragma once

#include "io/http_types.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_session;

namespace millrace::io {

struct Http2Limits {
    std::uint32_t streams_max = 256;       // of one connection; a client that passes it is ended
    std::size_t header_bytes_max = 16384;  // of one request, by RFC 9113 10.5.1's count
    std::size_t header_count_max = 64;
    std::uint32_t stream_window_bytes = 256u << 10;
    std::uint32_t window_bytes = 1u << 20;  // of the connection
    // Frames that ask for work and bring nothing (PING, SETTINGS, PRIORITY, RST_STREAM, empty
    // DATA): so many at once, and so many a second.
    std::int64_t idle_frames_burst = 1000;
    std::int64_t idle_frames_per_second = 200;
    std::size_t continuations_max = 8;  // of one block of headers
};

enum class Http2Error : std::uint32_t {
    kNone = 0,
    kProtocol = 1,
    kInternal = 2,
    kRefusedStream = 7,
    kCancel = 8,
    kEnhanceYourCalm = 11,
};

// Why sessions were ended, and what came.
struct Http2Counters {
    std::uint64_t requests = 0;
    std::uint64_t resets = 0;             // streams that the peer reset
    std::uint64_t floods = 0;             // sessions ended for frames that bring nothing
    std::uint64_t header_floods = 0;      // for headers without an end
    std::uint64_t protocol_errors = 0;    // for what is no HTTP/2
    std::uint64_t headers_too_large = 0;  // requests
};

struct Http2Request {
    std::string method, path, authority;
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
    bool too_large = false;  // beyond header_bytes_max or header_count_max: the rest was dropped
};

class Http2Handler {
public:
    virtual ~Http2Handler() = default;
    virtual void on_request(std::uint32_t stream, Http2Request&& request) = 0;
    virtual void on_data(std::uint32_t stream, std::string_view bytes) = 0;
    // The peer has said all.
    virtual void on_end(std::uint32_t stream) = 0;
    // unsent_bytes() has become less than was asked for with want_room().
    virtual void on_room(std::uint32_t stream) = 0;
    // Nothing is left of it: answered to the end, or reset by either side.
    virtual void on_closed(std::uint32_t stream) = 0;
};

class Http2Session {
public:
    Http2Session(Http2Handler& handler, const Http2Limits& limits, Http2Counters& counters);
    Http2Session(const Http2Session&) = delete;
    Http2Session& operator=(const Http2Session&) = delete;
    ~Http2Session();

    // Bytes of the peer, cut anywhere, from the preface on. False: the connection ends.
    bool take(std::string_view bytes, std::int64_t now_ns);
    // Appends what is to be sent, whole frames, until there are `most` bytes or more.
    void pull(std::string& out, std::size_t most);
    // Whether pull() would give something.
    bool wants_write() const;
    // Neither side has anything to say any more.
    bool over() const;

    using Fields = std::span<const HeaderField>;
    // Each is false when the stream is gone. The head of an answer, once; data may follow.
    bool respond(std::uint32_t stream, Fields head);
    bool write(std::uint32_t stream, std::string_view data);
    // Behind what was written: trailers, or, when nothing was answered yet, all of the answer.
    bool end(std::uint32_t stream, Fields trailers);
    bool responded(std::uint32_t stream) const;
    std::size_t unsent_bytes(std::uint32_t stream) const;
    // Of all streams together.
    std::size_t unsent_bytes() const { return unsent_; }
    // on_room() is called once, when at most `bytes` are unsent.
    void want_room(std::uint32_t stream, std::size_t bytes);
    void reset(std::uint32_t stream, Http2Error why);
    // The peer may send so many bytes more on the stream; what it sent counts until then.
    void give_room(std::uint32_t stream, std::size_t bytes);
    std::size_t streams() const { return streams_.size(); }

    void ping();
    // Of pings that the peer has not answered.
    std::size_t pings_unanswered() const { return pings_; }
    // No new streams; those that are there go on.
    void go_away(Http2Error why, std::string_view words);

private:
    struct Calls;  // libnghttp2's side
    struct Stream {
        Http2Request request;
        std::size_t header_bytes = 0;
        std::size_t held_bytes = 0;  // came, and no room was given for them yet
        std::string out;
        std::size_t out_at = 0;
        std::size_t room_wanted = 0;
        bool wants_room = false;
        bool whole_head = false;
        bool responded = false;
        bool waits = false;  // libnghttp2 was told that there is nothing
        bool ended = false;
        bool peer_ended = false;
        std::vector<std::pair<std::string, std::string>> trailers;

        std::size_t unsent() const { return out.size() - out_at; }
        void compact();
        void take_field(std::string_view name, std::string_view value, const Http2Limits& limits);
    };
    Stream* find(std::uint32_t stream);
    const Stream* find(std::uint32_t stream) const;
    bool spend_idle_frame(std::int64_t now_ns);
    void end_for(Http2Error why, std::string_view words);
    void tell_rooms();
    bool has_ended();

    Http2Handler& handler_;
    const Http2Limits limits_;
    Http2Counters& counters_;
    nghttp2_session* session_ = nullptr;
    std::map<std::uint32_t, Stream> streams_;
    std::vector<std::uint32_t> rooms_;  // whose on_room() is due
    std::int64_t idle_frames_ = 0;      // in thousandths
    std::int64_t idle_frames_ns_ = 0;
    std::int64_t now_ns_ = 0;
    std::size_t pings_ = 0;
    std::size_t unsent_ = 0;
    bool flooded_ = false;          // by frames that bring nothing, while bytes are taken
    bool headers_flooded_ = false;  // by headers
    bool leaving_ = false;          // either side has said that it ends
    bool ended_ = false;
    bool broken_ = false;
    std::string last_words_;  // behind all that libnghttp2 has said
};

}  // namespace millrace::io
