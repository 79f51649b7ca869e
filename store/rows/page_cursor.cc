#include "store/rows/page_cursor.h"

#include "core/hex.h"

#include <charconv>

namespace millrace::store {

std::string encode_cursor_numbers(char kind, const std::vector<std::uint64_t>& numbers) {
    std::string out(1, kind);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        char text[20];
        const auto end = std::to_chars(text, text + sizeof(text), numbers[i], 16);
        if (i > 0) out.push_back('.');
        out.append(text, end.ptr);
    }
    return out;
}

bool decode_cursor_numbers(char kind, std::string_view text, std::vector<std::uint64_t>& numbers) {
    numbers.clear();
    if (text.empty() || text.front() != kind) return false;
    text.remove_prefix(1);
    for (;;) {
        std::uint64_t number = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, 16);
        if (parsed.ec != std::errc{}) return false;
        numbers.push_back(number);
        text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
        if (text.empty()) return true;
        if (text.front() != '.') return false;
        text.remove_prefix(1);
    }
}

std::string encode_cursor_key(std::string_view key) {
    std::string out = "k";
    core::append_hex_of(out, key);
    return out;
}

bool decode_cursor_key(std::string_view text, std::string& key) {
    key.clear();
    if (text.empty() || text.front() != 'k' || text.size() % 2 == 0) return false;
    for (std::size_t i = 1; i < text.size(); i += 2) {
        const int high = core::hex_digit(text[i]);
        const int low = core::hex_digit(text[i + 1]);
        if (high < 0 || low < 0) return false;
        key.push_back(static_cast<char>(high * 16 + low));
    }
    return true;
}

}  // namespace millrace::store
