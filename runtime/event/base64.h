// What: base64 by RFC 4648 section 4, with padding and nothing else.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: find_bad_base64 names the place.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::runtime {

void append_base64(std::string& out, std::string_view bytes);

// The first byte that can't stand where it stands, the text's length when it ends too early; npos
// when all is good.
std::size_t find_bad_base64(std::string_view text);

// Appends the bytes; false, and nothing is appended, when the text is bad.
bool decode_base64(std::string_view text, std::string& out);

}  // namespace millrace::runtime
