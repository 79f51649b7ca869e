// What: base64 by RFC 4648: section 4's alphabet with padding; for handlers and keys that people
//       paste also without padding or with section 5's alphabet. The one place that knows it.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: find_bad_base64 names the place; the decoders give nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::core {

void append_base64(std::string& out, std::string_view bytes);
std::string encode_base64(std::string_view bytes);

// Section 4 to the letter. The first byte that can't stand where it stands, the text's length when
// it ends too early; npos when all is good.
std::size_t find_bad_base64(std::string_view text);

enum class Base64Form : std::uint8_t {
    kStrict,         // section 4 to the letter
    kPaddingOrNone,  // its alphabet
    kAnyAlphabet,    // '-' and '_' too, padding or none
};
std::optional<std::string> decode_base64(std::string_view text, Base64Form form);

}  // namespace millrace::core
