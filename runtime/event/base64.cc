#include "runtime/event/base64.h"

#include <cstdint>

namespace millrace::runtime {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_digit(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group =
                group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
        }
    }
}

std::size_t find_bad_base64(std::string_view text) {
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits])) ++digits;
    const std::size_t filled = (digits + 3) / 4 * 4;
    // One digit of a group says six bits: less than a byte.
    if (digits % 4 == 1) return digits;
    for (std::size_t at = digits; at < filled; ++at) {
        if (at == text.size() || text[at] != '=') return at;
    }
    return text.size() == filled ? std::string_view::npos : filled;
}

bool decode_base64(std::string_view text, std::string& out) {
    if (find_bad_base64(text) != std::string_view::npos) return false;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const char c : text.substr(0, text.find('='))) {
        bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xFF);
    }
    return true;
}

}  // namespace millrace::runtime
