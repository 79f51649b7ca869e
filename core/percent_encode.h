// What: a text as a part of a URL: in a path, or as a parameter's name or value. What is unreserved
//       there (RFC 3986: letters, digits, '-', '.', '_', '~') stays, every other byte is escaped.
// Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include <string>
#include <string_view>

namespace millrace::core {

void append_percent_encoded(std::string& out, std::string_view text);
std::string percent_encoded(std::string_view text);

}  // namespace millrace::core
