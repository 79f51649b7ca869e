// What: TLS between a socket and a protocol on a client's side: OpenSSL over two buffers in memory.
//       It looks at whom it speaks to: a certificate of this time, for this host, from somebody who
//       is trusted. And the same rules for a library that brings a context of its own.
// Threads: one owner. Lifetime: one connection's.
// Limits: what is put into it is its user's to bound; OpenSSL's own on messages of the handshake.
// Failure: error() says why nothing more goes through; certificates in the words of OpenSSL.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace millrace::io {

// Certificates (PEM) of those who are trusted; kValidation: the text holds none.
core::Status check_authorities(std::string_view pem);

// TLS 1.2 on, and a peer that is `host` (a name or an address) by somebody in `authorities`; empty:
// by whom this machine trusts. `why` is told what is wrong with a certificate; it outlives the
// context.
core::Status set_client_rules(ssl_ctx_st* context, const std::string& host,
                              std::string_view authorities, std::string* why);

class ClientTls {
public:
    // `authorities` as for set_client_rules().
    ClientTls(const std::string& host, std::string_view authorities);
    ClientTls(const ClientTls&) = delete;
    ClientTls& operator=(const ClientTls&) = delete;
    ~ClientTls();

    // What has come. Nothing comes out before the handshake is over.
    void take(std::string_view wire);
    // Appends what was said to us.
    void read(std::string& plain);
    // Only while open().
    void write(std::string_view plain);
    // What is to be sent; whoever sends it takes it away.
    std::string& wire() { return out_; }

    bool open() const { return open_ && error_.empty(); }
    bool ended() const { return ended_; }  // the peer will say no more
    const std::string& error() const { return error_; }

private:
    void shake_hands();
    void note(int returned);
    void collect();

    ssl_ctx_st* context_ = nullptr;
    ssl_st* ssl_ = nullptr;
    bool open_ = false, ended_ = false;
    std::string out_, error_, why_;
};

}  // namespace millrace::io
