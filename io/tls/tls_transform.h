// What: TLS between a socket and a protocol: OpenSSL over two buffers in memory, the server's side.
// Threads: the shard's. Lifetime: one connection's; shares the context that it began with.
// Limits: what the peer has sent and nobody has read yet, and what is to be sent: a receive or two;
//       OpenSSL's own on messages of the handshake. Both buffers are given back when empty.
// Failure: kFailed, with OpenSSL's alert for the peer, or the service's own words for somebody who
//       speaks without TLS.
#pragma once

#include "io/stream_transform.h"
#include "io/tls/tls_context.h"
#include "io/tls/tls_service.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;

namespace millrace::io {

class TlsTransform final : public StreamTransform {
public:
    TlsTransform(std::shared_ptr<TlsContext> context, const TlsService& service);
    ~TlsTransform() override;

    State state() const override { return state_; }
    void take(std::string_view wire) override;
    std::size_t read(char* at, std::size_t bytes) override;
    void write(std::string_view plain) override;
    void end() override;
    void pull(OutQueue& wire) override;
    std::int64_t handshake_ms_max() const override { return context_->handshake_ms_max(); }
    std::span<const std::string> peer_names() const override { return names_; }

    const TlsService& service() const { return service_; }
    // OpenSSL's side of the buffers.
    std::size_t read_wire(char* at, std::size_t bytes);
    void write_wire(std::string_view wire);

private:
    bool speaks_plain(std::string_view wire);
    void shake_hands();
    void note_outcome(int returned);
    void note_peer();
    void release_input();

    const std::shared_ptr<TlsContext> context_;
    const TlsService& service_;
    ssl_st* ssl_ = nullptr;
    State state_ = State::kHandshake;
    bool begun_ = false;  // the first byte has come
    std::string in_, out_;
    std::size_t in_at_ = 0;  // what of in_ OpenSSL has read
    std::vector<std::string> names_;
};

}  // namespace millrace::io
