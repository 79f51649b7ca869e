// What: a text at a path of members in a JSON body, found without parsing the rest.
// Threads: pure. Lifetime: the answer owns its bytes.
// Limits: kBodyTextBytesMax: what is longer is not taken. Failure: an empty answer.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime::inbound {

inline constexpr std::size_t kBodyTextBytesMax = 1024;

// A string without its escapes, or a number as it stands; empty: neither is there.
std::string body_text(std::string_view json, std::span<const std::string_view> path);
std::string body_text(std::string_view json, std::span<const std::string> path);

}  // namespace millrace::runtime::inbound
