// The client's side of TLS for tests, over OpenSSL with buffers in memory; and certificates that
// are made when they are asked for.
#pragma once

#include "io/tls/tls_context.h"
#include "tests/io/wire_transform.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;
struct bio_st;

namespace millrace::io {

struct TestPair {
    std::string certificate;  // PEM
    std::string key;
};

// `names`: subject alternative names as OpenSSL's configuration writes them, "DNS:a,URI:b:c".
// `issuer`: null: it signs itself, and may sign others.
TestPair make_test_pair(std::string_view common_name, const std::string& names = "",
                        const TestPair* issuer = nullptr, long valid_seconds = 3600);

// Of a server with one pair for all tests of the process.
const TestPair& server_pair();
TlsMaterial server_material();

struct TlsClientOptions {
    int version_min = 0, version_max = 0;  // 0: as OpenSSL likes
    std::string ciphers12 = {};
    std::vector<std::string> protocols = {};
    const TestPair* identity = nullptr;
    ssl_session_st* session = nullptr;  // to come back with; borrowed
};

class TlsClientTransform final : public WireTransform {
public:
    explicit TlsClientTransform(const TlsClientOptions& options = {});
    ~TlsClientTransform() override;

    State state() const override { return state_; }
    void take(std::string_view wire) override;
    std::size_t read(char* at, std::size_t bytes) override;
    // Before the handshake is over: kept for then.
    void write(std::string_view plain) override;
    void end() override;
    void pull(OutQueue& wire) override;
    std::string take_wire() override;

    std::string version() const;
    std::string protocol() const;
    std::string failure() const { return failure_; }
    bool resumed() const;
    ssl_session_st* take_session();  // the caller's
    bool update_keys();
    int renegotiate();

private:
    void shake_hands();

    ssl_ctx_st* context_ = nullptr;
    ssl_st* ssl_ = nullptr;
    bio_st* in_ = nullptr;  // of ssl_
    bio_st* out_ = nullptr;
    State state_ = State::kHandshake;
    std::string waiting_;
    bool ends_ = false;
    std::string failure_;
};

}  // namespace millrace::io
