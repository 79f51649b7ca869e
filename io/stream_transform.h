// What: what stands between the bytes of a socket and those that a protocol reads and writes: TLS,
//       say. It knows no socket and no reactor: bytes of the peer are put in, plaintext comes out,
//       and the other way round, as with OpenSSL over memory BIOs.
// Threads: the reactor's. Lifetime: one stream's, from accept to close.
// Limits: what it keeps inside is what was taken and not yet read: a receive or two.
// Failure: kFailed; what it has to tell the peer about it is still pulled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace millrace::io {

class OutQueue;

class StreamTransform {
public:
    enum class State : std::uint8_t {
        kHandshake,  // nothing can be written yet
        kOpen,
        kPeerEnded,  // the peer has said that it writes no more; we still may
        kFailed,     // what came is not what it should be
    };

    virtual ~StreamTransform() = default;
    virtual State state() const = 0;
    // Bytes of the peer, cut anywhere. They are not needed after the call.
    virtual void take(std::string_view wire) = 0;
    // Plaintext of what was taken; 0: none until more is taken.
    virtual std::size_t read(char* at, std::size_t bytes) = 0;
    // Plaintext for the peer, from kOpen on; all of it is taken.
    virtual void write(std::string_view plain) = 0;
    // Nothing more will be written: the peer is to be told.
    virtual void end() = 0;
    // Appends what has to go to the peer: records, and what a handshake says.
    virtual void pull(OutQueue& wire) = 0;

    // How long the handshake may take; 0: there is none, or it takes what it takes.
    virtual std::int64_t handshake_ms_max() const { return 0; }
    // Who the peer has proved to be: names of its certificate, as "DNS:name" and the like.
    virtual std::span<const std::string> peer_names() const { return {}; }
};

using TransformMaker = std::function<std::unique_ptr<StreamTransform>()>;

}  // namespace millrace::io
