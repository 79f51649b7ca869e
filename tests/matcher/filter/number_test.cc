// Goal: numbers compare exactly. Method: chosen hard pairs, and random decimals against integer
// arithmetic on their digits.
#include "matcher/filter/number.h"

#include "core/random.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::matcher {
namespace {

int order_of(const std::string& a, const std::string& b) {
    NumberView x;
    NumberView y;
    EXPECT_TRUE(parse_number(a, x)) << a;
    EXPECT_TRUE(parse_number(b, y)) << b;
    const auto fast = compare(x, y);
    EXPECT_EQ(fast, compare_digits(a, b))
        << a << " " << b;  // the doubles never contradict the digits
    return fast < 0 ? -1 : fast > 0 ? 1 : 0;
}

TEST(Number, RefusesWhatJsonRefuses) {
    NumberView view;
    for (const char* text : {"", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x1", "1 ", " 1",
                             "NaN", "Infinity", "1.e5", "1..2", "--1", "1e5.5", "1a"}) {
        EXPECT_FALSE(parse_number(text, view)) << text;
    }
}

TEST(Number, EqualInEverySpelling) {
    for (const char* text :
         {"5", "5.0", "5e0", "0.5e1", "50e-1", "5.0000000000000000000000", "500e-2"}) {
        EXPECT_EQ(order_of(text, "5"), 0) << text;
    }
    for (const char* text : {"0", "-0", "0.0", "-0.0", "0e5", "-0e-5", "0.000e400"}) {
        EXPECT_EQ(order_of(text, "0"), 0) << text;
    }
}

TEST(Number, OrdersWhatDoublesCannotTell) {
    EXPECT_EQ(order_of("9007199254740992", "9007199254740993"), -1);
    EXPECT_EQ(order_of("0.1", "0.1000000000000000055511151231257827"), -1);
    EXPECT_EQ(order_of("1e400", "1e308"), 1);
    EXPECT_EQ(order_of("1e400", "1e401"), -1);
    EXPECT_EQ(order_of("-1e400", "-1e401"), 1);
    EXPECT_EQ(order_of("1e-400", "0"), 1);
    EXPECT_EQ(order_of("-1e-400", "0"), -1);
    EXPECT_EQ(order_of("1e-400", "1e-401"), 1);
    EXPECT_EQ(order_of("1e99999999999999999999", "1e400"), 1);
    EXPECT_EQ(order_of("10e399", "1e400"), 0);
    EXPECT_EQ(order_of("5e-324", "4.9e-324"), 1);
    EXPECT_EQ(order_of("1.7976931348623157e308", "1.7976931348623158e308"), -1);
}

// mantissa * 10^exponent written with the point at a random place.
std::string spelled(std::int64_t mantissa, int exponent, core::Random& random) {
    std::string digits = std::to_string(mantissa < 0 ? -mantissa : mantissa);
    const auto zeros = random.below(3);
    digits.append(zeros, '0');
    exponent -= static_cast<int>(zeros);
    const std::size_t point = 1 + random.below(digits.size());
    exponent += static_cast<int>(digits.size() - point);
    std::string out = mantissa < 0 ? "-" : "";
    out += point == 1 || digits[0] != '0' ? digits.substr(0, point) : "0";
    if (digits[0] == '0' && point > 1) {
        return std::string(mantissa < 0 ? "-" : "") + "0e" + std::to_string(exponent);
    }
    if (point < digits.size()) out += "." + digits.substr(point);
    if (exponent != 0 || random.below(2) == 0) out += "e" + std::to_string(exponent);
    return out;
}

TEST(Number, AgreesWithIntegerArithmetic) {
    core::Random random(7);
    for (int i = 0; i < 200'000; ++i) {
        const auto near = [&] {
            const std::int64_t base = std::int64_t{1} << (40 + random.below(20));
            return (random.below(2) ? base : -base) + static_cast<std::int64_t>(random.below(5)) -
                   2;
        };
        const std::int64_t a =
            random.below(2) ? near() : static_cast<std::int64_t>(random.below(9)) - 4;
        const std::int64_t b =
            random.below(2) ? a + static_cast<std::int64_t>(random.below(3)) - 1 : near();
        const int exponent = static_cast<int>(random.below(700)) - 350;
        const int want = a < b ? -1 : a > b ? 1 : 0;
        ASSERT_EQ(order_of(spelled(a, exponent, random), spelled(b, exponent, random)), want)
            << a << " " << b << " e" << exponent;
    }
}

}  // namespace
}  // namespace millrace::matcher
