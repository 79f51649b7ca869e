// What: a stream whose bytes on the wire are not those that its user reads and writes: receives,
//       puts what came through a StreamTransform, and tells the user of the plaintext as the
//       reactor would; seals what the user sends.
// Threads: the reactor's. Lifetime: owned by its ByteStream; ends in the user's on_closed().
// Limits: kSealedBytesMax of plaintext are sealed at a time, so that a slow client does not make a
//       second copy of all that waits for it. A handshake has its time; a peer that makes the
//       transform speak and does not listen is cut off at kWireBytesMax.
// Failure: a broken handshake or record is a receive that ends with EPROTO, the peer being told and
//       given a moment to read it; a handshake that takes too long ends with ETIMEDOUT; a socket
//       that ends without the transform's own end is ECONNRESET.
#pragma once

#include "io/out_queue.h"
#include "io/reactor_impl.h"
#include "io/stream_transform.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace millrace::io {

enum class StreamEnd : std::uint8_t { kTold, kAtOnce };

class TransformedStream final : public StreamHandler {
public:
    TransformedStream(ReactorImpl& reactor, StreamHandler& user,
                      std::unique_ptr<StreamTransform> transform)
        : reactor_(reactor),
          user_(user),
          transform_(std::move(transform)),
          wire_(reactor.pools, wire_bytes_) {}
    void opened(StreamId id);

    // The user's side, as ReactorImpl's.
    void receive(ReceiveMode mode);
    void receive_into(char* at, std::size_t bytes);
    void stop_receive();
    bool receiving() const { return wanted_ != Wanted::kNothing; }
    bool receiving_into() const { return wanted_ == Wanted::kInto; }
    // Begins to send of `plain`, when the handshake is over; else the user's on_flush() comes then.
    void send(OutQueue& plain);
    void shutdown_send();
    void set_deadline(std::int64_t at_ns);  // 0: none
    void close(StreamEnd end);
    std::span<const std::string> peer_names() const { return transform_->peer_names(); }

    // The reactor's side.
    void on_bytes(char* data, std::size_t bytes) override;
    void on_filled(std::size_t) override {}
    void on_receive_end(int error) override;
    void on_receive_idle() override { deliver(nullptr, 0); }
    void on_sent(std::size_t bytes) override;
    void on_send_failed(int error) override;
    void on_deadline() override;
    void on_flush() override;
    void on_closed() override { user_.on_closed(); }  // nothing after it: this object is gone

private:
    static constexpr std::size_t kSealedBytesMax = 64u << 10;
    static constexpr std::size_t kScratchBytes = 16u << 10;
    static constexpr std::size_t kWireBytesMax = 256u << 10;
    // What a peer may still send, and how long it is waited for, behind what it got wrong.
    static constexpr std::size_t kDiscardBytesMax = 64u << 10;
    static constexpr std::int64_t kLingerNs = 2'000'000'000;

    enum class Wanted : std::uint8_t { kNothing, kOnce, kMany, kInto, kStopping };

    void want(Wanted what);
    void deliver(char* scratch, std::size_t scratch_bytes);
    bool deliver_once(char* scratch, std::size_t scratch_bytes);
    bool end_or_receive();
    void tell_end(int error);
    void linger();
    void settle_deadline();
    void send_wire();

    ReactorImpl& reactor_;
    StreamHandler& user_;
    const std::unique_ptr<StreamTransform> transform_;
    StreamId id_;
    Wanted wanted_ = Wanted::kNothing;
    char* into_ = nullptr;
    std::size_t into_bytes_ = 0;
    bool delivering_ = false;
    bool gone_ = false;     // the user has closed the stream
    bool closing_ = false;  // and the peer is being told
    bool wire_ended_ = false;
    bool told_end_ = false;
    bool ending_ = false;     // what is in wire_ is the last
    bool lingering_ = false;  // the transform has failed, and the peer has been told all
    std::size_t discarded_bytes_ = 0;
    std::int64_t user_deadline_ns_ = 0;  // 0: none, as in the next
    std::int64_t own_deadline_ns_ = 0;   // of the handshake, or of lingering
    int wire_error_ = 0;
    std::size_t sealed_ = 0;  // plaintext in wire_
    std::size_t wire_bytes_ = 0;
    OutQueue wire_;
    SendVector vector_;
};

}  // namespace millrace::io
