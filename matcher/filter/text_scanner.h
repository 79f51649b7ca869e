// What: what the readers of JSON, paths and expressions share: character classes and quoted
//       strings.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: scan_quoted says false, the position of the offence and the reason.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::matcher {

inline bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_digit_char(char c) { return c >= '0' && c <= '9'; }
inline bool is_number_char(char c) {
    return is_digit_char(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}
inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Reads a string from behind its opening quote `quote` (" or ') to behind the closing one, by the
// rules of RFC 8259 and RFC 9535: control characters refused, UTF-8 checked, surrogates only in
// pairs; the quote itself may be escaped, the other quote may not. On failure `at` is the offending
// byte.
bool scan_quoted(std::string_view text, std::size_t& at, char quote, std::string& out,
                 std::string_view& reason);

// Length of the well-formed UTF-8 sequence at `at`, 0 when there is none.
std::size_t utf8_length(std::string_view text, std::size_t at);

void append_utf8(std::uint32_t code, std::string& out);

}  // namespace millrace::matcher
