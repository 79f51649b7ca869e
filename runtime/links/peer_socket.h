// What: a TCP connection to a peer that never blocks: bytes out of a buffer, bytes into one, by TLS
//       where that is wanted (io/tls/client_tls.h). The address that the rules have judged is the
//       one connected to; a certificate has to be for the host by the name that it was called by.
// Threads: the links'; looking up a host's name holds up the other links.
// Lifetime: closed with it.
// Limits: kConnectNs to connect; a turn reads kReadBytes at most. What goes out is bounded by
//         whoever puts it there (unsent()).
// Failure: error() says why it can not be used any more.
#pragma once

#include "core/clock.h"
#include "io/tls/client_tls.h"
#include "runtime/courier/address_rules.h"
#include "runtime/links/file_access.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <poll.h>

namespace millrace::runtime {

struct PeerTls {
    bool on = false;
    std::string authorities{};  // who is trusted, PEM; empty: whom this machine trusts
};

// As people write it: host:port, [2001:db8::1]:port.
std::string peer_text(const std::string& host, std::int64_t port);

class PeerSocket {
public:
    static constexpr std::int64_t kConnectNs = 5'000'000'000;
    static constexpr std::size_t kReadBytes = 256u << 10;
    static constexpr std::size_t kSentBytesKept = 256u << 10;

    PeerSocket(const core::Clock& clock, const courier::AddressRules& rules,
               const std::string& host, std::int64_t port, const PeerTls& tls = {});

    // From here on, where the protocol has both sides agree on it: what was put into out() before
    // has to be on its way.
    void begin_tls(const PeerTls& tls);

    // What is to be sent: whoever has something puts it at its end.
    std::string& out() { return out_; }
    std::size_t unsent() const { return out_.size() - sent_ + wire_.size() - wire_sent_; }
    // Sends what it takes, and reads: what came, until the next call.
    std::string_view turn();
    // Sends what it takes, and reads nothing.
    void push() {
        if (connected_ && error_.empty()) flush();
    }
    const std::string& error() const { return error_; }
    bool connected() const { return connected_; }
    void waits_for(pollfd& fd) const {
        fd = {fd_.get(), static_cast<short>(POLLIN | (wants_to_send() ? POLLOUT : 0)), 0};
    }

private:
    void connect(const courier::AddressRules& rules, const std::string& host, std::int64_t port);
    void finish_connect();
    // What waits for the peer's part of a handshake can not be sent now.
    bool wants_to_send() const {
        if (!connected_ || wire_.size() > wire_sent_) return true;
        return out_.size() > sent_ && (!tls_ || tls_->open());
    }
    void flush();
    bool send_some(std::string& bytes, std::size_t& sent);
    void take_wire();
    void fail(std::string_view what, int code);
    void fail_tls();

    const core::Clock& clock_;
    const std::string host_, peer_;
    OwnedFd fd_;
    bool connected_ = false;
    std::int64_t give_up_ns_ = 0;
    std::string out_, in_, error_;
    std::size_t sent_ = 0;  // of out_, from its beginning
    std::unique_ptr<io::ClientTls> tls_;
    std::string wire_;  // of TLS, to be sent
    std::size_t wire_sent_ = 0;
};

}  // namespace millrace::runtime
