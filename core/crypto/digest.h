// What: SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), over OpenSSL.
// Threads: any; each has its own context, fetched at its first call. Lifetime: none.
// Limits: none of its own. Failure: none that a caller could do something about: an OpenSSL without
//         SHA-256 ends the process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::core::crypto {

inline constexpr std::size_t kDigestBytes = 32;
using Digest = std::array<std::uint8_t, kDigestBytes>;

Digest sha256(std::string_view text);
Digest hmac_sha256(std::string_view key, std::string_view text);

}  // namespace millrace::core::crypto
