// What: one shard's TLS: certificate, rules and what OpenSSL would look up again and again, fetched
//       once; makes the transform of each connection. TLS 1.2 and 1.3 with forward secrecy and
//       authenticated ciphers; no compression, no renegotiation, no data before the handshake is
//       over. Sessions are kept by the clients alone, in tickets.
// Threads: made by any, used by one: the shard's.
// Lifetime: shared by its connections, so that those of before a reload end as they began; the
//       ticket keys outlive all.
// Limits: kSpareBuffersMax buffers are kept between uses.
// Failure: make() says what OpenSSL did not take.
#pragma once

#include "core/result.h"
#include "io/stream_transform.h"
#include "io/tls/ticket_keys.h"
#include "io/tls/tls_material.h"
#include "io/tls/tls_service.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct ssl_ctx_st;
struct evp_cipher_st;

namespace millrace::io {

class TlsContext : public std::enable_shared_from_this<TlsContext> {
public:
    static core::Result<std::shared_ptr<TlsContext>> make(const TlsMaterial& material,
                                                          TicketKeys& tickets);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

    std::unique_ptr<StreamTransform> accept(const TlsService& service);

    // For its transforms.
    ssl_ctx_st* ssl() const { return ssl_; }
    TicketKeys& tickets() const { return tickets_; }
    const evp_cipher_st* ticket_cipher() const { return ticket_cipher_; }
    std::int64_t handshake_ms_max() const { return handshake_ms_max_; }
    bool asks_clients() const { return asks_clients_; }
    // Buffers that are used again: an idle connection holds none.
    std::string take_buffer();
    void give_back(std::string&& buffer);

private:
    static constexpr std::size_t kSpareBuffersMax = 32;
    static constexpr std::size_t kSpareBufferBytesMax = 128u << 10;

    explicit TlsContext(TicketKeys& tickets) : tickets_(tickets) {}
    core::Status set_rules();
    core::Status take(const TlsMaterial& material);
    core::Status ask_clients(const TlsMaterial& material);

    TicketKeys& tickets_;
    ssl_ctx_st* ssl_ = nullptr;
    evp_cipher_st* ticket_cipher_ = nullptr;
    std::int64_t handshake_ms_max_ = 0;
    bool asks_clients_ = false;
    std::vector<std::string> spare_;
};

}  // namespace millrace::io
