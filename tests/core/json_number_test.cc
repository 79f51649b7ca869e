// Goal: the nearest double, always.
// Method: random digits and exponents, compared with std::from_chars bit by bit; middles between
//       doubles.
#include "core/json_number.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <string>

namespace millrace::core {
namespace {

double nearest(const std::string& text) {
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value == 0 ? 0 : value;
}

void check(const std::string& text) {
    ASSERT_EQ(scan_number((text + " ").c_str()) != nullptr, true) << text;
    const JsonNumber decoded = decode_number(text.data(), text.data() + text.size());
    EXPECT_EQ(decoded.approx, nearest(text)) << text;
    // The way that reads and decodes in one must say the same, whatever stands behind.
    for (const char* behind : {",", "}", " ", "]"}) {
        const std::string padded = text + behind + "12345678.12345678";
        JsonNumber number;
        ASSERT_EQ(read_number(padded.data(), number), padded.data() + text.size()) << padded;
        EXPECT_EQ(number.approx, decoded.approx) << text;
        EXPECT_EQ(number.is_short, decoded.is_short) << text;
    }
}

TEST(JsonNumber, GivesTheNearestDouble) {
    Random random(11);
    for (int i = 0; i < 200'000 && !::testing::Test::HasFailure(); ++i) {
        std::string text = random.below(2) == 0 ? "-" : "";
        text += static_cast<char>('1' + random.below(9));
        for (std::uint64_t n = random.below(20); n > 0; --n)
            text += static_cast<char>('0' + random.below(10));
        if (random.below(3) != 0) {
            text += '.';
            for (std::uint64_t n = 1 + random.below(17); n > 0; --n)
                text += static_cast<char>('0' + random.below(10));
        }
        if (random.below(3) == 0)
            text += "e" + std::to_string(static_cast<int>(random.below(80)) - 40);
        check(text);
    }
}

// Doubles have 53 bits: a 17-digit integer between 2^53 and 2^54 lies on one or in the middle of
// two.
TEST(JsonNumber, RoundsMiddlesToEven) {
    Random random(12);
    for (int i = 0; i < 50'000; ++i) {
        const std::uint64_t odd = (1ULL << 53) + random.below(1ULL << 53);
        check(std::to_string(odd));
        check(std::to_string(odd) + "e3");
        const std::string digits = std::to_string(odd);
        check(digits.substr(0, 3) + "." + digits.substr(3));
        check("0.000" + digits);
    }
    for (const char* text :
         {"9007199254740993", "9007199254740992.5", "0.1", "1e22", "1e23", "5e-324"})
        check(text);
}

TEST(JsonNumber, RefusesWhatIsNone) {
    for (const char* text : {"-", "01", "1.", "1.e3", ".5", "1e", "1e+", "+1", "1.2.3", "--1",
                             "0x1", "1a", "12345678a", "0.12345678a", "-.1"}) {
        const std::string padded = std::string(text) + ",               ";
        JsonNumber number;
        EXPECT_EQ(scan_number(padded.data()), nullptr) << text;
        EXPECT_EQ(read_number(padded.data(), number), nullptr) << text;
    }
}

}  // namespace
}  // namespace millrace::core
