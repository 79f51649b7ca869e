// What: an http or https URL, read strictly: what two readers might understand differently (a
//       backslash, a blank, a user before the host, another alphabet) is refused, so that the host
//       that was looked at is the one that is called.
// Threads: pure. Lifetime: owns its texts. Limits: kUrlBytesMax; a host name has 253 bytes at most.
// Failure: kValidation errors that say what is wrong and where.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::core {

inline constexpr std::size_t kUrlBytesMax = 8192;

struct HttpUrl {
    bool tls = false;
    std::string host;  // lower-case, without brackets and without a last dot
    std::uint16_t port = 0;

    bool same_origin(const HttpUrl& other) const {
        return tls == other.tls && host == other.host && port == other.port;
    }
    static Result<HttpUrl> parse(std::string_view text);
};

}  // namespace millrace::core
