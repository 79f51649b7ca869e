// What: the text of a listing's cursor: one number per shard (or one key), checked when it comes
//       back.
// Threads: pure. Lifetime: none. Limits: none. Failure: false for text that is no cursor of ours.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

// "n" or "o" (the order), then the numbers in hex, parted by dots.
std::string encode_cursor_numbers(char kind, const std::vector<std::uint64_t>& numbers);
bool decode_cursor_numbers(char kind, std::string_view text, std::vector<std::uint64_t>& numbers);

// A key in hex.
std::string encode_cursor_key(std::string_view key);
bool decode_cursor_key(std::string_view text, std::string& key);

}  // namespace millrace::store
