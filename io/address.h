// What: a place to listen at or a peer: IPv4, IPv6 or the path of a Unix socket.
// Threads: values. Lifetime: owns its text.
// Limits: a Unix path has at most 107 bytes (sockaddr_un).
// Failure: parse() names the text and the forms it takes: 127.0.0.1:7070, [::1]:7070, :7070 (every
//          address), unix:/run/millrace.sock. Names are not looked up; "localhost" is 127.0.0.1.
#pragma once

#include "core/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::io {

struct Address {
    enum class Family : std::uint8_t { kIpv4, kIpv6, kUnix };

    Family family = Family::kIpv4;
    std::array<std::uint8_t, 16> ip{};  // network order; the first 4 for IPv4
    std::uint16_t port = 0;
    std::string path;  // kUnix only

    static core::Result<Address> parse(std::string_view text);
    std::string to_string() const;
    bool is_loopback() const;  // a Unix socket counts as loopback
};

// The other end of a connection, small enough to copy per request.
struct Peer {
    Address::Family family = Address::Family::kUnix;
    std::array<std::uint8_t, 16> ip{};
    std::uint16_t port = 0;

    bool is_loopback() const;  // 127/8, ::1, ::ffff:127/104 and Unix sockets
    std::string to_string() const;
};

}  // namespace millrace::io
