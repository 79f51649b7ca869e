// What: the two-way stream of bytes that a protocol speaks over: its id in the reactor, what still
//       has to be sent, its deadlines. HTTP and lines know nothing else of a socket. Without a
//       transform the bytes are the socket's and the reactor calls the protocol itself; with one
//       (TLS) a TransformedStream stands between.
// Threads: the reactor's. Lifetime: a member of a connection, used again for the next; the user
//       outlives it.
// Limits: the user's, by out().bytes(). One receive and one send under way.
// Failure: told to the user as by the reactor (StreamHandler).
#pragma once

#include "io/out_queue.h"
#include "io/reactor_impl.h"
#include "io/transformed_stream.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace millrace::io {

inline constexpr std::int64_t kNoDeadline = std::numeric_limits<std::int64_t>::max();

class ByteStream final {
public:
    // `all_out_bytes`: see OutQueue.
    ByteStream(ReactorImpl& reactor, StreamHandler& user, std::size_t& all_out_bytes)
        : reactor_(reactor), user_(user), out_(reactor.pools, all_out_bytes) {}

    // Without a transform the bytes go as they are. False: the reactor has no room.
    bool open(int socket, std::unique_ptr<StreamTransform> transform);

    // As ReactorImpl's. One test each for those without a transform.
    void receive(ReceiveMode mode) {
        transformed_ ? transformed_->receive(mode) : reactor_.receive(id_, mode);
    }
    void receive_into(char* at, std::size_t bytes) {
        transformed_ ? transformed_->receive_into(at, bytes)
                     : reactor_.receive_into(id_, at, bytes);
    }
    void stop_receive() {
        transformed_ ? transformed_->stop_receive() : reactor_.stop_receive(id_);
    }
    bool receiving() const {
        return transformed_ ? transformed_->receiving() : reactor_.receiving(id_);
    }
    bool receiving_into() const {
        return transformed_ ? transformed_->receiving_into() : reactor_.receiving_into(id_);
    }

    OutQueue& out() { return out_; }
    const OutQueue& out() const { return out_; }
    // Sends what is queued, unless a send is under way. on_sent() follows.
    void flush() {
        if (out_.empty() || out_.sending()) return;
        last_sent_ns_ = reactor_.now_ns();
        if (transformed_) return transformed_->send(out_);
        out_.begin_send(vector_);
        reactor_.send(id_, vector_);
    }
    // The user's first step in on_sent().
    void sent(std::size_t bytes) {
        out_.sent(bytes);
        last_sent_ns_ = reactor_.now_ns();
    }
    // When the peer will have taken too long to read what is being sent to it.
    std::int64_t send_deadline_ns(std::int64_t write_ms_max) const {
        return out_.sending() ? last_sent_ns_ + write_ms_max * 1'000'000 : kNoDeadline;
    }

    // Since when the peer has taken nothing of what is being sent to it.
    std::int64_t taking_nothing_since_ns() const {
        return out_.sending() ? last_sent_ns_ : kNoDeadline;
    }

    void mark_dirty() { reactor_.mark_dirty(id_); }
    void set_deadline(std::int64_t at_ns) {
        const std::int64_t at = at_ns == kNoDeadline ? 0 : at_ns;
        transformed_ ? transformed_->set_deadline(at) : reactor_.set_deadline(id_, at);
    }
    // Who the peer has proved to be, by the transform; empty: nobody in particular.
    std::span<const std::string> peer_names() const {
        return transformed_ ? transformed_->peer_names() : std::span<const std::string>{};
    }
    // Our side has said all; behind what is queued already.
    void shutdown_send() {
        transformed_ ? transformed_->shutdown_send() : reactor_.shutdown_send(id_);
    }
    // Nothing comes to the user any more but on_closed(). kTold: by a transform the peer hears of
    // the end, where it listens; kAtOnce: there is nobody to tell.
    void close(StreamEnd end) { transformed_ ? transformed_->close(end) : reactor_.close(id_); }
    // In on_closed().
    void clear() {
        out_.clear();
        transformed_.reset();
    }

private:
    ReactorImpl& reactor_;
    StreamHandler& user_;
    StreamId id_;
    OutQueue out_;
    SendVector vector_;
    std::int64_t last_sent_ns_ = 0;
    std::unique_ptr<TransformedStream> transformed_;
};

}  // namespace millrace::io
