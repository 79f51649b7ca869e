#include "matcher/filter/text_scanner.h"

#include "core/hex.h"
#include "core/json_writer.h"
#include "core/utf8.h"

namespace millrace::matcher {
namespace {

bool hex4(std::string_view text, std::size_t at, std::uint32_t& out) {
    if (at + 4 > text.size()) return false;
    out = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
        const int digit = core::hex_digit(text[i]);
        if (digit < 0) return false;
        out = out * 16 + static_cast<std::uint32_t>(digit);
    }
    return true;
}

// `at` is behind "\u".
bool scan_unicode_escape(std::string_view text, std::size_t& at, std::string& out,
                         std::string_view& reason) {
    std::uint32_t code = 0;
    reason = "expected four hexadecimal digits after \\u";
    if (!hex4(text, at, code)) return false;
    reason = "surrogate without its pair in a string";
    if (code >= 0xDC00 && code < 0xE000) return false;
    std::size_t next = at + 4;
    if (code >= 0xD800 && code < 0xDC00) {
        std::uint32_t low = 0;
        if (text.substr(next, 2) != "\\u" || !hex4(text, next + 2, low) || low < 0xDC00 ||
            low >= 0xE000) {
            return false;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        next += 6;
    }
    append_utf8(code, out);
    at = next;
    return true;
}

// `at` is behind the backslash.
bool scan_escape(std::string_view text, std::size_t& at, char quote, std::string& out,
                 std::string_view& reason) {
    reason = "unknown escape in a string";
    if (at >= text.size()) return false;
    const char c = text[at];
    switch (c) {
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'n': out += '\n'; break;
        case 'r': out += '\r'; break;
        case 't': out += '\t'; break;
        case '/':
        case '\\': out += c; break;
        case 'u': ++at; return scan_unicode_escape(text, at, out, reason);
        default:
            if (c != quote) return false;
            out += c;
    }
    ++at;
    return true;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
    return core::utf8_sequence_bytes(text, at);
}

void append_utf8(std::uint32_t code, std::string& out) {
    const auto push = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
        push(code);
    } else if (code < 0x800) {
        push(0xC0u | (code >> 6));
        push(0x80u | (code & 0x3Fu));
    } else if (code < 0x10000) {
        push(0xE0u | (code >> 12));
        push(0x80u | ((code >> 6) & 0x3Fu));
        push(0x80u | (code & 0x3Fu));
    } else {
        push(0xF0u | (code >> 18));
        push(0x80u | ((code >> 12) & 0x3Fu));
        push(0x80u | ((code >> 6) & 0x3Fu));
        push(0x80u | (code & 0x3Fu));
    }
}

bool scan_quoted(std::string_view text, std::size_t& at, char quote, std::string& out,
                 std::string_view& reason) {
    while (at < text.size()) {
        const char c = text[at];
        if (c == quote) {
            ++at;
            return true;
        }
        if (c == '\\') {
            ++at;
            if (!scan_escape(text, at, quote, out, reason)) return false;
            continue;
        }
        if (static_cast<unsigned char>(c) < 0x20) {
            reason = "unescaped control character in a string";
            return false;
        }
        const std::size_t length = utf8_length(text, at);
        if (length == 0) {
            reason = "invalid UTF-8 in a string";
            return false;
        }
        out.append(text, at, length);
        at += length;
    }
    reason = "unterminated string";
    return false;
}

}  // namespace millrace::matcher
