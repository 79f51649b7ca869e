#include "runtime/identity/key_text.h"

#include <algorithm>

namespace millrace::runtime::identity {
namespace {

constexpr std::string_view kBase62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// The CRC-32 of zip and Ethernet, as the scanners of code hosts expect it.
std::uint32_t crc32(std::string_view text) {
    std::uint32_t crc = ~0u;
    for (const char c : text) {
        crc ^= static_cast<std::uint8_t>(c);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

void append_check(std::string& text) {
    std::uint32_t left = crc32(text);
    std::array<char, kKeyCheckDigits> digits{};
    for (std::size_t i = digits.size(); i-- > 0; left /= 62) digits[i] = kBase62[left % 62];
    text.append(digits.data(), digits.size());
}

}  // namespace

std::string make_key_text(const KeyBits& bits) {
    KeyBits left = bits;
    std::array<char, kKeyDigits> digits{};
    for (std::size_t i = digits.size(); i-- > 0;) {  // long division by 62
        std::uint32_t rest = 0;
        for (std::uint8_t& byte : left) {
            const std::uint32_t value = rest << 8 | byte;
            byte = static_cast<std::uint8_t>(value / 62);
            rest = value % 62;
        }
        digits[i] = kBase62[rest];
    }
    std::string text(kKeyPrefix);
    text.append(digits.data(), digits.size());
    append_check(text);
    return text;
}

bool is_key_text(std::string_view text) {
    if (text.size() != kKeyTextBytes || !text.starts_with(kKeyPrefix)) return false;
    const std::string_view digits = text.substr(kKeyPrefix.size());
    if (!std::all_of(digits.begin(), digits.end(),
                     [](char c) { return kBase62.find(c) != std::string_view::npos; }))
        return false;
    std::string again(text.substr(0, kKeyTextBytes - kKeyCheckDigits));
    append_check(again);
    return again == text;
}

}  // namespace millrace::runtime::identity
