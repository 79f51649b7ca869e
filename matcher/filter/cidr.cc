#include "matcher/filter/cidr.h"

#include "core/hex.h"

#include <algorithm>

namespace millrace::matcher {
namespace {

// A decimal number of at most three digits without a leading zero; false otherwise.
bool read_small(std::string_view text, unsigned limit, unsigned& out) {
    if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return false;
    out = 0;
    for (char c : text) {
        if (c < '0' || c > '9') return false;
        out = out * 10 + static_cast<unsigned>(c - '0');
    }
    return out <= limit;
}

bool parse_v4(std::string_view text, std::uint8_t* out) {
    for (int part = 0; part < 4; ++part) {
        const std::size_t dot = text.find('.');
        if ((dot == std::string_view::npos) != (part == 3)) return false;
        unsigned value = 0;
        if (!read_small(text.substr(0, dot), 255, value)) return false;
        out[part] = static_cast<std::uint8_t>(value);
        if (part < 3) text.remove_prefix(dot + 1);
    }
    return true;
}

// Groups of one side of "::" into `out`; the number of bytes written, or -1. Only the last group of
// the whole address may be dotted decimal.
int parse_groups(std::string_view text, bool v4_allowed, std::uint8_t* out) {
    int bytes = 0;
    if (text.empty()) return 0;
    while (true) {
        const std::size_t colon = text.find(':');
        const std::string_view group = text.substr(0, colon);
        if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
            if (!v4_allowed || bytes > 12 || !parse_v4(group, out + bytes)) return -1;
            return bytes + 4;
        }
        if (group.empty() || group.size() > 4 || bytes > 14) return -1;
        unsigned value = 0;
        for (char c : group) {
            if (core::hex_digit(c) < 0) return -1;
            value = value * 16 + static_cast<unsigned>(core::hex_digit(c));
        }
        out[bytes++] = static_cast<std::uint8_t>(value >> 8);
        out[bytes++] = static_cast<std::uint8_t>(value & 0xFF);
        if (colon == std::string_view::npos) return bytes;
        text.remove_prefix(colon + 1);
    }
}

bool parse_v6(std::string_view text, std::array<std::uint8_t, 16>& out) {
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) return parse_groups(text, true, out.data()) == 16;
    const std::string_view right = text.substr(gap + 2);
    if (right.find("::") != std::string_view::npos) return false;
    std::array<std::uint8_t, 16> tail{};
    const int left_bytes = parse_groups(text.substr(0, gap), false, out.data());
    const int right_bytes = parse_groups(right, true, tail.data());
    if (left_bytes < 0 || right_bytes < 0 || left_bytes + right_bytes > 14) return false;
    std::fill(out.begin() + left_bytes, out.end(), std::uint8_t{0});
    std::copy_n(tail.begin(), right_bytes, out.end() - right_bytes);
    return true;
}

}  // namespace

bool CidrBlock::contains(const IpAddress& ip) const {
    if (ip.is_v6 != address.is_v6) return false;
    const unsigned whole = prefix_bits / 8;
    if (!std::equal(ip.bytes.begin(), ip.bytes.begin() + whole, address.bytes.begin()))
        return false;
    const unsigned rest = prefix_bits % 8;
    if (rest == 0) return true;
    const unsigned mask = 0xFFu << (8 - rest);
    return ((ip.bytes[whole] ^ address.bytes[whole]) & mask & 0xFFu) == 0;
}

bool parse_ip(std::string_view text, IpAddress& out) {
    out = {};
    if (text.size() > 45) return false;  // the longest v6 text
    out.is_v6 = text.find(':') != std::string_view::npos;
    return out.is_v6 ? parse_v6(text, out.bytes) : parse_v4(text, out.bytes.data());
}

bool parse_cidr(std::string_view text, CidrBlock& out) {
    const std::size_t slash = text.find('/');
    if (!parse_ip(text.substr(0, slash), out.address)) return false;
    const unsigned bits_max = out.address.is_v6 ? 128 : 32;
    out.prefix_bits = bits_max;
    if (slash != std::string_view::npos &&
        !read_small(text.substr(slash + 1), bits_max, out.prefix_bits)) {
        return false;
    }
    for (unsigned bit = out.prefix_bits; bit < bits_max; ++bit) {
        auto& byte = out.address.bytes[bit / 8];
        byte = static_cast<std::uint8_t>(byte & ~(0x80u >> (bit % 8)));
    }
    return true;
}

}  // namespace millrace::matcher
