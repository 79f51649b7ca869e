// What: SHA-1 (FIPS 180-4), for protocols that name it where nothing has to be safe: the handshake
//       of WebSocket. What must be safe takes digest.h.
// Threads: any. Lifetime: none. Limits: none. Failure: an OpenSSL without it ends the process.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::core::crypto {

std::array<std::uint8_t, 20> sha1(std::string_view text);

}  // namespace millrace::core::crypto
