// What: one connection of the line protocol: received straight into the buffer that is handed over,
//       cut at line ends, counted, acked.
// Threads: the reactor's. Lifetime: owned and used again by LineServerImpl's pool.
// Limits: LineLimits; what is half there beyond kColdBytes draws from the reactor's room: where
//       there is none the socket is not read, and who does not go on is cut off with a line.
// Failure: a refused hello gets an error line; a broken socket just ends.
#pragma once

#include "core/buffer.h"
#include "io/byte_stream.h"
#include "io/client_room.h"
#include "io/connection_room.h"
#include "io/fifo.h"
#include "io/line_server.h"
#include "io/reactor_impl.h"
#include "io/transform_listener.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::io {

class LineServerImpl;

class LineConnection final : public StreamHandler, private ClientRoom::Holder {
public:
    LineConnection(LineServerImpl& server, std::uint32_t index);

    // `spare`: beyond connections_max; it is told so, and that is all.
    bool start(int socket, const Peer& peer, bool spare,
               std::unique_ptr<StreamTransform> transform);
    std::uint32_t index() const { return index_; }
    std::uint32_t generation() const { return generation_; }
    bool in_use() const { return in_use_; }
    bool spare() const { return spare_; }
    bool giving_way() const { return giving_way_; }
    std::int64_t idle_since() const;  // as HttpConnection's
    void give_way();

    void ack(std::uint64_t lines, std::string_view durability, std::uint64_t duplicates);
    void reject(std::uint64_t line, const core::Error& error, std::string_view found = {});
    void touch();
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
    // Lines that were handed over or rejected together, in order, until they are acked.
    struct Span {
        std::uint64_t last_line = 0;
        std::size_t bytes = 0;
        bool done = false;
    };

    void cut_lines();
    bool greet();
    void refuse_first_line(std::string_view why);
    bool too_long(std::string_view line) const;
    void append_ack();
    bool read_hello(std::string_view line, LineHello& hello, std::string& key);
    void hand_over(core::BufferRef lines);
    void split_long_lines(core::BufferRef lines);
    void skip_rest_of_line();
    bool make_room();
    std::size_t usable_bytes() const;
    core::BufferRef take_buffer(std::size_t bytes);
    core::BufferRef next_buffer();
    void count_buffer();
    void on_room() override { touch(); }
    std::int64_t stalled_since_ns() const override;
    void cut_off() override;
    void reject_long_line();
    void drop_partial_line();
    void finish_input();
    void settle();
    void refuse(const core::Error& error);
    void end_with(const core::Error& error);
    bool may_read() const;
    void update();
    void finish_output();
    void close_now(StreamEnd end = StreamEnd::kTold);
    OutQueue& out() { return stream_.out(); }
    const OutQueue& out() const { return stream_.out(); }
    LineToken token() const { return LineToken{index_, generation_}; }

    LineServerImpl& server_;
    const std::uint32_t index_;
    std::uint32_t generation_ = 0;
    bool in_use_ = false;
    ByteStream stream_;
    Peer peer_;
    AckMode acks_ = AckMode::kBatch;

    bool greeted_ = false;
    bool accepted_ = false;  // the handler took the hello: it hears of the close
    bool skipping_ = false;  // inside a line that is too long
    bool eof_ = false;
    bool discarding_ = false;  // nothing more is handed over
    bool lingering_ = false;
    bool spare_ = false;
    bool giving_way_ = false;
    bool closing_ = false;

    core::BufferRef buffer_;       // being received into; begins with a line's first byte
    std::size_t asked_bytes_ = 0;  // for it: pools round up, and what is touched is what counts
    bool reserved_ = false;        // has room for the longest line
    std::size_t searched_ = 0;     // bytes of it known to hold no line end
    std::size_t next_capacity_ = 0;
    std::uint64_t lines_ = 0;  // counted so far
    std::uint64_t acked_ = 0;
    std::uint64_t duplicates_ = 0;  // of the acked ones
    std::size_t unacked_bytes_ = 0;
    Fifo<Span> spans_;
    std::uint64_t ack_sent_ = 0;
    std::string durability_;
    std::int64_t last_active_ns_ = 0;
    std::int64_t linger_until_ns_ = 0;
};

class LineServerImpl final : public AcceptHandler {
public:
    LineServerImpl(Reactor& reactor, LineHandler& handler, const LineLimits& limits);
    ~LineServerImpl() override;
    void on_accept(int socket, const Peer& peer) override { accept(socket, peer, nullptr); }
    void accept(int socket, const Peer& peer, std::unique_ptr<StreamTransform> transform);
    core::Result<Address> listen(const Address& address, ListenRole role, TransformMaker make);
    void close_listeners();
    void give_back(LineConnection& connection);
    LineConnection* find(LineToken token) const;
    void touch_all();
    void close_all();

    ReactorImpl& reactor;
    LineHandler& handler;
    const LineLimits limits;
    SizedPools& pools;
    LineCounters counters;
    bool paused = false;
    bool draining = false;
    std::int64_t write_ms_max() const {
        return draining ? std::min(limits.write_ms_max, limits.drain_write_ms_max)
                        : limits.write_ms_max;
    }
    std::size_t open_connections() const { return room_.open(); }
    std::size_t out_bytes = 0;  // acks and rejects of all, not yet sent

private:
    std::vector<std::unique_ptr<LineConnection>> connections_;
    std::vector<std::uint32_t> free_;
    ConnectionRoom room_;
    std::deque<TransformListener> listeners_;
};

}  // namespace millrace::io
