#include "core/json_string.h"

#include "core/hex.h"

#include <cstdint>
#include <cstring>

namespace millrace::core {

namespace {

// Four hex digits, or -1.
std::int32_t hex4(const char* p, const char* end) {
    if (end - p < 4) return -1;
    std::int32_t value = 0;
    for (int i = 0; i < 4; ++i) {
        const int digit = hex_digit(p[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

bool is_high_surrogate(std::int32_t c) { return c >= 0xd800 && c <= 0xdbff; }
bool is_low_surrogate(std::int32_t c) { return c >= 0xdc00 && c <= 0xdfff; }

// `p` is behind "\u". Sets the code point; returns the end, or nullptr.
const char* read_unicode(const char* p, const char* end, std::int32_t& code) {
    code = hex4(p, end);
    if (code < 0 || is_low_surrogate(code)) return nullptr;
    p += 4;
    if (!is_high_surrogate(code)) return p;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return nullptr;
    const std::int32_t low = hex4(p + 2, end);
    if (!is_low_surrogate(low)) return nullptr;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    return p + 6;
}

char* put_utf8(std::int32_t code, char* out) {
    const auto byte = [](std::int32_t v) { return static_cast<char>(v); };
    if (code < 0x80) {
        *out++ = byte(code);
    } else if (code < 0x800) {
        *out++ = byte(0xc0 | (code >> 6));
        *out++ = byte(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = byte(0xe0 | (code >> 12));
        *out++ = byte(0x80 | ((code >> 6) & 0x3f));
        *out++ = byte(0x80 | (code & 0x3f));
    } else {
        *out++ = byte(0xf0 | (code >> 18));
        *out++ = byte(0x80 | ((code >> 12) & 0x3f));
        *out++ = byte(0x80 | ((code >> 6) & 0x3f));
        *out++ = byte(0x80 | (code & 0x3f));
    }
    return out;
}

// What a one-letter escape stands for; 0 when it is none.
char simple_escape(char c) {
    switch (c) {
        case '"': return '"';
        case '\\': return '\\';
        case '/': return '/';
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        default: return 0;
    }
}

const char* find_backslash(const char* begin, const char* end) {
    const void* at = std::memchr(begin, '\\', static_cast<std::size_t>(end - begin));
    return at ? static_cast<const char*>(at) : end;
}

}  // namespace

const char* check_escapes(const char* begin, const char* end) {
    for (const char* p = find_backslash(begin, end); p < end; p = find_backslash(p, end)) {
        const char* escape = p++;
        if (p == end) return escape;
        if (*p == 'u') {
            std::int32_t code = 0;
            p = read_unicode(p + 1, end, code);
            if (!p) return escape;
        } else {
            if (!simple_escape(*p)) return escape;
            ++p;
        }
    }
    return nullptr;
}

std::size_t unescape(const char* begin, const char* end, char* out) {
    char* const start = out;
    const char* p = begin;
    while (p < end) {
        const char* next = find_backslash(p, end);
        std::memcpy(out, p, static_cast<std::size_t>(next - p));
        out += next - p;
        if (next == end) break;
        p = next + 1;
        if (*p == 'u') {
            std::int32_t code = 0;
            p = read_unicode(p + 1, end, code);
            if (!p) break;
            out = put_utf8(code, out);
        } else {
            *out++ = simple_escape(*p++);
        }
    }
    return static_cast<std::size_t>(out - start);
}

}  // namespace millrace::core
