// Goal: numbers that are read as decimals say what their texts say.
// Method: random numbers of all lengths, asked both ways.
#include "runtime/schema/decimal.h"

#include "core/random.h"
#include "runtime/schema/exact.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::runtime::schema {
namespace {

std::string digits_of_some(core::Random& random, std::uint64_t most) {
    std::string out;
    for (std::uint64_t n = 1 + random.below(most); n > 0; --n)
        out += static_cast<char>('0' + (random.below(3) == 0 ? 0 : random.below(10)));
    return out;
}

std::string some_number(core::Random& random) {
    std::string whole = digits_of_some(random, random.below(4) == 0 ? 20 : 9);
    whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
    std::string out = random.below(3) == 0 ? "-" : "";
    out += whole;
    if (random.below(2) == 0) out += "." + digits_of_some(random, random.below(4) == 0 ? 20 : 4);
    if (random.below(10) == 0) out += "e" + std::to_string(random.below(3));
    return out;
}

TEST(Decimal, SaysWhatTheTextSays) {
    core::Random random(5);
    std::size_t known = 0;
    for (unsigned round = 0; round < 50'000; ++round) {
        const std::string a = some_number(random), b = some_number(random);
        const Decimal left = read_decimal(a), right = read_decimal(b);
        if (!left.is_known) continue;
        ++known;
        ASSERT_EQ(left.is_whole(), is_integer(a)) << a;
        if (right.is_known) {
            ASSERT_EQ(compare(left, right), compare_numbers(a, b)) << a << " " << b;
        }
        const auto divisor = Divisor::parse(b);
        if (divisor) {
            ASSERT_EQ(divisor->divides(left), divisor->divides(a)) << a << " " << b;
        }
    }
    EXPECT_GT(known, 20'000u);
}

TEST(Decimal, KnowsItsBounds) {
    EXPECT_TRUE(read_decimal("123456789012345678").is_known);
    EXPECT_EQ(read_decimal("123456789012345678").digits, 123456789012345678);
    EXPECT_FALSE(read_decimal("1234567890123456789").is_known);
    EXPECT_FALSE(read_decimal("1e2").is_known);
    EXPECT_FALSE(read_decimal("1.5E2").is_known);
    EXPECT_EQ(read_decimal("-12.50").digits, -1250);
    EXPECT_EQ(read_decimal("-12.50").places, 2u);
    EXPECT_EQ(compare(read_decimal("-0"), read_decimal("0.000")), 0);
    EXPECT_EQ(compare(read_decimal("999999999999999999"), read_decimal("0.000000000000000001")), 1);
}

}  // namespace
}  // namespace millrace::runtime::schema
