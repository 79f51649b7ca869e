#include "core/base64.h"

namespace millrace::core {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// -1: none of section 4's.
int digit_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

// What ends a text is left out: a group's padding, or some of it.
std::string_view without_padding(std::string_view text) {
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
    return text;
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
    const std::size_t begin = out.size();
    out.resize(begin + (bytes.size() + 2) / 3 * 4, '=');
    char* to = out.data() + begin;
    const auto put = [&](std::uint32_t group, unsigned digits) {
        for (unsigned j = 0; j < digits; ++j) to[j] = kDigits[group >> (18 - 6 * j) & 63];
        to += 4;
    };
    const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t left = bytes.size();
    for (; left >= 3; left -= 3, from += 3)
        put(std::uint32_t{from[0]} << 16 | std::uint32_t{from[1]} << 8 | from[2], 4);
    if (left == 1) put(std::uint32_t{from[0]} << 16, 2);
    if (left == 2) put(std::uint32_t{from[0]} << 16 | std::uint32_t{from[1]} << 8, 3);
}

std::string encode_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    append_base64(out, bytes);
    return out;
}

std::size_t find_bad_base64(std::string_view text) {
    std::size_t digits = 0;
    while (digits < text.size() && digit_of(text[digits]) >= 0) ++digits;
    const std::size_t filled = (digits + 3) / 4 * 4;
    // One digit of a group says six bits: less than a byte.
    if (digits % 4 == 1) return digits;
    for (std::size_t at = digits; at < filled; ++at) {
        if (at == text.size() || text[at] != '=') return at;
    }
    return text.size() == filled ? std::string_view::npos : filled;
}

std::optional<std::string> decode_base64(std::string_view text, Base64Form form) {
    if (form == Base64Form::kStrict && find_bad_base64(text) != std::string_view::npos)
        return std::nullopt;
    text = without_padding(text);
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (char c : text) {
        if (form == Base64Form::kAnyAlphabet) c = c == '-' ? '+' : c == '_' ? '/' : c;
        const int digit = digit_of(c);
        if (digit < 0) return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xffffffu;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
    }
    return out;
}

}  // namespace millrace::core
