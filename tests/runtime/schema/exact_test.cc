// Goal: numbers and values are compared by what they mean, to the last digit.
// Method: pairs of texts.
#include "runtime/schema/exact.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::schema {
namespace {

TEST(Exact, KnowsIntegers) {
    for (const char* text : {"0", "-0", "1", "1.0", "1e2", "10e-1", "1.50e1", "1e400", "0.0"})
        EXPECT_TRUE(is_integer(text)) << text;
    for (const char* text : {"0.1", "1e-1", "15e-1", "1.05e1"})
        EXPECT_FALSE(is_integer(text)) << text;
}

TEST(Exact, ComparesToTheLastDigit) {
    EXPECT_EQ(compare_numbers("1", "1.0"), 0);
    EXPECT_EQ(compare_numbers("9007199254740993", "9007199254740992"), 1);
    EXPECT_EQ(compare_numbers("1e400", "1e399"), 1);
    EXPECT_EQ(compare_numbers("-0.0", "0"), 0);
    EXPECT_EQ(compare_numbers("0.1", "0.10000000000000000000001"), -1);
}

TEST(Exact, DividesWithoutRounding) {
    const auto divides = [](const char* divisor, const char* number) {
        return Divisor::parse(divisor)->divides(number);
    };
    EXPECT_TRUE(divides("0.01", "19.99"));
    EXPECT_TRUE(divides("0.0001", "0.0075"));
    EXPECT_FALSE(divides("0.0001", "0.00751"));
    EXPECT_TRUE(divides("1.5", "4.5"));
    EXPECT_FALSE(divides("1.5", "35"));
    EXPECT_TRUE(divides("0.5", "1e308"));
    EXPECT_TRUE(divides("1e-8", "12391239123"));
    EXPECT_TRUE(divides("7", "0"));
    EXPECT_TRUE(divides("20", "1e3"));
    EXPECT_FALSE(divides("30", "1e300"));
    EXPECT_FALSE(Divisor::parse("0"));
    EXPECT_FALSE(Divisor::parse("-1"));
    EXPECT_FALSE(Divisor::parse("1.2345678901234567891"));
}

TEST(Exact, EqualValuesAreEqualInAnyOrder) {
    core::JsonDom a, b;
    const auto same = [&](const char* left, const char* right) {
        const auto x = a.parse(left);
        const auto y = b.parse(right);
        const bool is = equal(*x, *y);
        EXPECT_TRUE(!is || hash(*x) == hash(*y)) << left;
        return is;
    };
    EXPECT_TRUE(same(R"({"a":1,"b":[1.0,"x"]})", R"({"b":[1,"\u0078"],"a":1e0})"));
    EXPECT_FALSE(same("[1,2]", "[2,1]"));
    EXPECT_FALSE(same("1", "true"));
    EXPECT_FALSE(same("0", "false"));
    EXPECT_FALSE(same("null", "\"null\""));
    EXPECT_TRUE(same("100", "1e2"));
}

TEST(Exact, CountsCodePoints) {
    EXPECT_EQ(code_points("\xF0\x9F\x92\xA9\xC3\xA4x"), 3u);
    EXPECT_EQ(code_points(""), 0u);
}

}  // namespace
}  // namespace millrace::runtime::schema
