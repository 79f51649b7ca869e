// Goal: a key's text is known by its form alone, and a wrong digit anywhere is seen.
// Method: texts of chosen bits, each digit changed.
#include "runtime/identity/key_text.h"

#include <gtest/gtest.h>

#include <regex>

namespace millrace::runtime::identity {
namespace {

TEST(KeyText, HasPrefixDigitsAndCheck) {
    KeyBits bits{};
    for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint8_t>(i * 7 + 1);
    const std::string text = make_key_text(bits);
    EXPECT_EQ(text.size(), kKeyTextBytes);
    EXPECT_TRUE(std::regex_match(text, std::regex("mr_live_[0-9A-Za-z]{49}")));
    EXPECT_TRUE(is_key_text(text));
}

TEST(KeyText, HoldsAllBits) {
    EXPECT_EQ(make_key_text(KeyBits{}).substr(8, 43), std::string(43, '0'));
    KeyBits most;
    most.fill(0xff);
    EXPECT_EQ(make_key_text(most).substr(8, 43), "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1")
        << "2^256 - 1 in base 62";
}

TEST(KeyText, SeesEveryWrongDigit) {
    KeyBits bits{};
    bits[31] = 77;
    const std::string text = make_key_text(bits);
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string wrong = text;
        wrong[i] = wrong[i] == 'a' ? 'b' : 'a';
        EXPECT_FALSE(is_key_text(wrong)) << wrong;
    }
    EXPECT_FALSE(is_key_text(text.substr(0, text.size() - 1)));
    EXPECT_FALSE(is_key_text(text + "0"));
    EXPECT_FALSE(is_key_text(""));
}

}  // namespace
}  // namespace millrace::runtime::identity
