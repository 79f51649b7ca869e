// Goal: digits come out as they went in, leading zeros too.
#include "core/hex.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace millrace::core {
namespace {

TEST(Hex, ADigitOfEitherCaseIsReadAndNothingElse) {
    for (int value = 0; value < 16; ++value)
        EXPECT_EQ(hex_digit(kHexDigits[static_cast<std::size_t>(value)]), value);
    EXPECT_EQ(hex_digit('A'), 10);
    EXPECT_EQ(hex_digit('F'), 15);
    for (const char c : {'g', 'G', '/', ':', '@', '`', ' ', '\0', '\xff'})
        EXPECT_EQ(hex_digit(c), -1) << c;
}

TEST(Hex, NumbersHaveAllTheirDigits) {
    std::string out = "x";
    append_hex(out, 0xab);
    EXPECT_EQ(out, "x00000000000000ab");
    out.clear();
    append_hex(out, 0xfedcba9876543210, 8);
    EXPECT_EQ(out, "76543210");
    out.clear();
    append_hex(out, ~std::uint64_t{0});
    EXPECT_EQ(out, "ffffffffffffffff");
}

TEST(Hex, BytesAreTwoDigitsEach) {
    std::string out;
    append_hex(out, std::array<std::uint8_t, 3>{0x00, 0x7f, 0xf0});
    EXPECT_EQ(out, "007ff0");
    out.clear();
    append_hex_of(out, "\xff\n");
    EXPECT_EQ(out, "ff0a");
}

}  // namespace
}  // namespace millrace::core
