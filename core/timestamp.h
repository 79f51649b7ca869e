// What: RFC 3339 text to microseconds since 1970-01-01T00:00:00Z and back.
// Threads: pure functions, any thread. Lifetime: none; no allocation but in the std::string form.
// Limits: years 0000 to 9999. Digits behind the microsecond are read and cut off. A leap second
//       (":60") is taken as the first instant of the next minute, which is what POSIX time does.
// Failure: parse_timestamp returns false and leaves the output alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::core {

// "2023-11-14T22:13:20.123456Z" and a spare.
inline constexpr std::size_t kTimestampBytesMax = 32;

// The whole text must be one date-time with an offset ("Z" or "+hh:mm"); 'T', 't' or one blank
// stands between date and time, as RFC 3339 section 5.6 allows.
bool parse_timestamp(std::string_view text, std::int64_t& us_since_1970) noexcept;

// Always in UTC with "Z". Three digits of fraction when the time is a whole millisecond, else six.
// Writes at most kTimestampBytesMax bytes and returns their count.
std::size_t format_timestamp(std::int64_t us_since_1970, char* out) noexcept;
std::string format_timestamp(std::int64_t us_since_1970);

}  // namespace millrace::core
