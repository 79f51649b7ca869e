// What: what a listener's TLS is made of: the texts of its files, read and tried once, so that all
//       shards are given the same, whatever becomes of the files meanwhile.
// Threads: any; a value. Lifetime: none. The private key's text is wiped when the last copy goes.
// Limits: kTlsFileBytesMax a file.
// Failure: kValidation that names the setting and says what is wrong with its file.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace::io {

inline constexpr std::size_t kTlsFileBytesMax = 4u << 20;

enum class ClientAuth : std::uint8_t {
    kOff,       // nobody is asked
    kOptional,  // whoever shows a certificate shows one that client_ca vouches for
    kRequired,  // everybody does
};

struct TlsSettings {
    std::string certificate;  // paths; PEM, the chain behind the server's own
    std::string key;
    std::string client_ca;
    ClientAuth client_auth = ClientAuth::kOff;
    std::int64_t handshake_ms_max = 10'000;
};

struct TlsMaterial {
    TlsMaterial() = default;
    TlsMaterial(const TlsMaterial&) = default;
    TlsMaterial& operator=(const TlsMaterial&) = default;
    TlsMaterial(TlsMaterial&&) = default;
    TlsMaterial& operator=(TlsMaterial&&) = default;
    ~TlsMaterial();

    std::string chain_pem;
    std::string key_pem;
    std::string client_ca_pem;  // empty: clients are not asked
    ClientAuth client_auth = ClientAuth::kOff;
    std::int64_t handshake_ms_max = 10'000;
    // For the log.
    std::string subject;
    std::string not_after;
    bool out_of_time = false;  // over, or not begun yet
};

// Reads the files and holds key against certificate.
core::Result<TlsMaterial> read_tls_material(const TlsSettings& settings);
// The same of texts; `name` of files in errors is the setting's.
core::Result<TlsMaterial> check_tls_material(TlsMaterial material);

}  // namespace millrace::io
