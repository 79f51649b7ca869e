// What: IP addresses and blocks of them, v4 and v6.
// Threads: values. Lifetime: none. Limits: none; nothing allocates.
// Failure: false on text that is no address or block.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace millrace::matcher {

struct IpAddress {
    bool is_v6 = false;
    std::array<std::uint8_t, 16> bytes{};  // v4 uses the first four
};

struct CidrBlock {
    IpAddress address;  // host bits are 0
    unsigned prefix_bits = 0;

    // v4 blocks hold v4 addresses only, v6 blocks v6 only; ::ffff:a.b.c.d is v6.
    bool contains(const IpAddress& ip) const;
};

// Dotted decimal without leading zeros; RFC 4291 text for v6 (no zone).
bool parse_ip(std::string_view text, IpAddress& out);
// "10.0.0.0/8", "2001:db8::/32"; a bare address is a block of one.
bool parse_cidr(std::string_view text, CidrBlock& out);

}  // namespace millrace::matcher
