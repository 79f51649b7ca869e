// What: the escapes of JSON strings: checking and resolving them.
// Threads: pure. Lifetime: none. Limits: none.
// Failure: check_escapes names the bad byte. A surrogate without its other half is refused: it has
//       no UTF-8 form.
#pragma once

#include <cstddef>

namespace millrace::core {

// The text between the quotes. nullptr when every escape is good, else the place of the bad one.
const char* check_escapes(const char* begin, const char* end);

// Writes the text with its escapes resolved; `out` has room for end - begin bytes. Returns the
// count. The text must be good by check_escapes().
std::size_t unescape(const char* begin, const char* end, char* out);

}  // namespace millrace::core
