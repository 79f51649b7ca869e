// What: one HTTP connection: bytes in, requests to the handler, answers in order, bytes out.
// Threads: the reactor's. Lifetime: owned and used again by HttpServerImpl's pool.
// Limits: HttpLimits; a head that is half there and what a stream's client has not read draw from
//       the reactor's room. Failure: an error answer, then a close that lets the client read it.
#pragma once

#include "core/buffer.h"
#include "io/byte_stream.h"
#include "io/client_room.h"
#include "io/fifo.h"
#include "io/http_chunked.h"
#include "io/http_head.h"
#include "io/http_server.h"
#include "io/idle_queue.h"
#include "io/reactor_impl.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace millrace::io {

class HttpServerImpl;

class HttpConnection final : public StreamHandler, private ClientRoom::Holder {
public:
    HttpConnection(HttpServerImpl& server, std::uint32_t index);

    // False when the reactor has no room.
    bool start(int socket, const Peer& peer, bool spare,
               std::unique_ptr<StreamTransform> transform);
    std::uint32_t index() const { return index_; }
    std::uint32_t generation() const { return generation_; }
    bool in_use() const { return in_use_; }
    const Peer& peer() const { return peer_; }
    bool late() const { return late_; }
    bool spare() const { return spare_; }
    // kNotIdle while something is under way or it is closing already. One that only waits for the
    // client to close counts as idle for ever.
    std::int64_t idle_since() const;
    void give_way();
    bool giving_way() const { return giving_way_; }

    bool waiting(std::uint32_t sequence) const;
    bool respond(std::uint32_t sequence, const ResponseHead& head,
                 std::span<const std::string_view> pieces);
    bool respond(std::uint32_t sequence, const ResponseHead& head, core::BufferRef body);
    bool start_stream(std::uint32_t sequence, const ResponseHead& head);
    bool start_upgrade(std::uint32_t sequence, const ResponseHead& head, std::string&& last_words);
    WriteOutcome stream_write(std::uint32_t sequence, std::string_view bytes);
    void end_stream(std::uint32_t sequence);
    void end_streams();
    bool keep_for_user(std::size_t bytes);

    void touch();  // something of the server's state changed: look again in the flush
    void abort();

    void on_bytes(char* data, std::size_t bytes) override;
    void on_filled(std::size_t bytes) override;
    void on_receive_end(int error) override;
    void on_receive_idle() override;
    void on_sent(std::size_t bytes) override;
    void on_send_failed(int error) override;
    void on_deadline() override;
    void on_flush() override;
    void on_closed() override;

private:
    // kDiscard: nothing more is read from this client; what comes is thrown away until it closes.
    // kUpgraded: what comes is no HTTP; or HTTP/2.
    enum class InState : std::uint8_t { kHead, kBody, kChunks, kDiscard, kUpgraded };
    enum class AnswerState : std::uint8_t { kWaiting, kReady, kStreaming, kStreamEnded };

    struct Answer {
        AnswerState state = AnswerState::kWaiting;
        bool head_only = false;  // HEAD: no body leaves
        bool keep_alive = true;
        bool chunked = false;  // a stream to a client that understands chunks
        bool wants_drain = false;
        bool version_10 = false;
        bool last = false;      // the connection closes behind it
        std::string lines{};    // HeadDecision::answer_lines
        std::size_t held = 0;   // bytes of first and second, in the server's count of all answers
        core::BufferRef first;  // kReady, kStreaming behind others: bytes that wait for their turn
        core::BufferRef second;
    };

    // Reading
    void process(core::BufferRef owner, std::string_view input);
    bool process_head(std::string_view& input);
    bool take_preface(std::string_view head);
    bool process_body(std::string_view& input);
    bool process_chunks(std::string_view& input);
    bool pass_on(std::string_view& input);
    void begin_request(std::string_view head, std::string_view& rest);
    void begin_body(std::string_view head, std::string_view& rest);
    void deliver();
    void deliver_kept();
    bool admit();
    void fill_request(Request& request);
    void append_body(std::string_view data);
    void keep(core::BufferRef& owner, std::string_view rest);
    void process_carry();
    bool may_process() const;
    void count_body(std::size_t bytes);
    void discard(std::size_t bytes);
    void refuse(const core::Error& error);
    void answer_error(std::uint32_t sequence, const core::Error& error);
    void update();
    void update_receive();
    void update_deadline();
    std::int64_t body_deadline() const;
    std::int64_t idle_ms_max() const;

    // What waits for the client
    void count_held();
    void count_stream(std::size_t added);
    bool half_head() const { return in_ == InState::kHead && header_started_ns_ != 0; }
    void refuse_half_head();
    void on_room() override { touch(); }
    std::int64_t stalled_since_ns() const override;
    void cut_off() override;

    // Writing
    Answer* answer_of(std::uint32_t sequence);
    Answer& push_answer();
    void emit(Answer& answer, std::string_view bytes);
    bool make_answer_room(std::uint32_t sequence, const ResponseHead& head, std::size_t bytes,
                          bool& answered);
    void hold(Answer& answer, std::size_t bytes);
    void unhold(Answer& answer);
    void begin_answer(Answer& answer, const ResponseHead& head, std::size_t body_bytes,
                      std::size_t room);
    void finish_answer(Answer& answer);
    void emit_chunk(Answer& answer, std::string_view bytes);
    void release_answers();
    void pop_answer();
    void offer_drain();
    void drop_answers();
    void finish_output();
    void close_now(StreamEnd end = StreamEnd::kTold);
    OutQueue& out() { return stream_.out(); }
    const OutQueue& out() const { return stream_.out(); }

    HttpServerImpl& server_;
    const std::uint32_t index_;
    std::uint32_t generation_ = 0;
    bool in_use_ = false;
    ByteStream stream_;
    Peer peer_;

    InState in_ = InState::kHead;
    bool eof_ = false;
    bool late_ = false;   // accepted in a drain: lives for one request
    bool spare_ = false;  // accepted when the server was full: lives for one request
    bool giving_way_ = false;
    bool closing_ = false;  // close() was called on the stream
    bool close_after_out_ = false;
    bool lingering_ = false;  // our side is shut down; waiting for the client's end
    bool http2_ = false;      // kUpgraded by its preface
    bool large_bodies_ =
        false;  // receives are armed one by one, so that bodies go straight to their place
    bool processing_ = false;
    bool owes_continue_ = false;  // 100 Continue, to be sent when the answers before it are out
    HeadScanner scanner_;
    core::BufferRef carry_;      // bytes that came and are not yet used
    core::BufferRef head_copy_;  // head of the request whose body is being read
    core::BufferRef body_;
    std::uint64_t body_left_ = 0;
    std::size_t body_counted_ = 0;  // in the server's count of what is coming in
    std::size_t stream_bytes_ = 0;  // of a stream: written and not yet sent
    std::size_t user_bytes_ = 0;    // of one that is upgraded: half a message, say
    std::int64_t received_ns_ = 0;  // while user_bytes_ is not 0
    bool asks_for_user_ = false;    // keep_for_user() is at it
    std::size_t body_bytes_max_ = 0;
    std::string answer_lines_;  // of the request being read
    ChunkedDecoder chunks_;
    std::int64_t header_started_ns_ = 0;
    std::int64_t body_started_ns_ = 0;
    std::int64_t idle_since_ns_ = 0;
    std::int64_t linger_until_ns_ = 0;
    std::size_t discarded_bytes_ = 0;
    std::string last_words_;  // of an upgraded connection

    std::uint32_t first_sequence_ = 1;  // of answers_.front()
    Fifo<Answer> answers_;
};

}  // namespace millrace::io
