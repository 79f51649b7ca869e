// Goal: sums of decimals are exact, whatever their order, and what is written reads back.
#include "core/decimal.h"

#include "core/json_validate.h"
#include "core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

namespace millrace::core {
namespace {

std::string text_of(const Decimal& value) {
    std::string out;
    value.append_to(out);
    return out;
}
std::string read(std::string_view json) {
    Decimal value;
    return Decimal::parse(json, value) ? text_of(value) : "refused";
}
std::string sum(std::string_view a, std::string_view b) {
    Decimal x;
    Decimal y;
    EXPECT_TRUE(Decimal::parse(a, x)) << a;
    EXPECT_TRUE(Decimal::parse(b, y)) << b;
    return x.add(y) ? text_of(x) : "refused";
}

TEST(Decimal, ReadsJsonNumbersWhole) {
    EXPECT_EQ(read("0"), "0");
    EXPECT_EQ(read("-0.000"), "0");
    EXPECT_EQ(read("120"), "120");
    EXPECT_EQ(read("-1.50"), "-1.5");
    EXPECT_EQ(read("1e3"), "1000");
    EXPECT_EQ(read("1.25E1"), "12.5");
    EXPECT_EQ(read("12e-4"), "0.0012");
    EXPECT_EQ(read("100e-2"), "1");
    EXPECT_EQ(read("18446744073709551616"), "18446744073709551616");
    EXPECT_EQ(read("1e39"), "1" + std::string(39, '0'));
    EXPECT_EQ(read("1e40"), "refused");
    EXPECT_EQ(read("1e400"), "refused");
    EXPECT_EQ(read("5e-324"), "0." + std::string(323, '0') + "5");
    EXPECT_EQ(read("1e-345"), "refused");
    EXPECT_EQ(read("0e999999999999"), "0");
    for (const char* bad : {"", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1x", "\"1\"", "nan"})
        EXPECT_EQ(read(bad), "refused") << bad;
}

TEST(Decimal, AddsWithoutRounding) {
    EXPECT_EQ(sum("0.1", "0.2"), "0.3");
    EXPECT_EQ(sum("9007199254740993", "1"), "9007199254740994");
    EXPECT_EQ(sum("0.5", "-0.5"), "0");
    EXPECT_EQ(sum("1", "-0.001"), "0.999");
    EXPECT_EQ(sum("-3", "1.5"), "-1.5");
    EXPECT_EQ(sum("99.99", "0.01"), "100");
    EXPECT_EQ(sum("1e20", "1e-20"), "100000000000000000000.00000000000000000001");
    EXPECT_EQ(sum("9e39", "9e39"), "refused");
}

TEST(Decimal, KnowsWholeNumbers) {
    Decimal value;
    std::int64_t whole = 0;
    std::uint64_t large = 0;
    ASSERT_TRUE(Decimal::parse("-9223372036854775808", value));
    EXPECT_TRUE(value.get(whole));
    EXPECT_EQ(whole, std::numeric_limits<std::int64_t>::min());
    EXPECT_FALSE(value.get(large));
    ASSERT_TRUE(Decimal::parse("9223372036854775808", value));
    EXPECT_FALSE(value.get(whole));
    EXPECT_TRUE(value.get(large));
    EXPECT_EQ(large, 9223372036854775808u);
    ASSERT_TRUE(Decimal::parse("18446744073709551616", value));
    EXPECT_FALSE(value.get(large));
    ASSERT_TRUE(Decimal::parse("0.5", value));
    EXPECT_FALSE(value.get(whole));
    EXPECT_EQ(text_of(Decimal::of(std::int64_t{-42})), "-42");
}

TEST(Decimal, SumsDoNotDependOnTheirOrder) {
    Random random(5);
    for (int round = 0; round < 300; ++round) {
        std::vector<Decimal> parts;
        for (std::uint64_t i = 2 + random.below(20); i > 0; --i) {
            const double size = std::pow(10.0, static_cast<double>(random.below(40)) - 25.0);
            const double value = (static_cast<double>(random.below(2'000'001)) - 1e6) * size / 3;
            Decimal part;
            if (Decimal::of(value, part)) parts.push_back(part);
        }
        std::string first;
        for (int order = 0; order < 4; ++order) {
            Decimal total;
            Decimal later;
            const std::size_t half = random.below(parts.size() + 1);
            for (std::size_t i = 0; i < parts.size(); ++i)
                ASSERT_TRUE((i < half ? total : later).add(parts[i]));
            ASSERT_TRUE(total.add(later));
            const std::string text = text_of(total);
            if (order == 0) first = text;
            ASSERT_EQ(text, first);
            ASSERT_TRUE(json_validate(text)) << text;
            ASSERT_EQ(read(text), text);
            for (std::size_t i = parts.size(); i > 1; --i)
                std::swap(parts[i - 1], parts[random.below(i)]);
        }
    }
}

TEST(Decimal, HoldsEveryDoubleOfItsRange) {
    Random random(6);
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t bits = random.next();
        double value = 0;
        static_assert(sizeof value == sizeof bits);
        std::memcpy(&value, &bits, sizeof value);
        Decimal decimal;
        const bool held = Decimal::of(value, decimal);
        ASSERT_EQ(held, std::abs(value) < 1e40) << value;
        if (held) {
            ASSERT_EQ(std::strtod(text_of(decimal).c_str(), nullptr), value == 0 ? 0 : value);
        }
    }
}

}  // namespace
}  // namespace millrace::core
