#include "runtime/schema/exact.h"

#include "matcher/filter/number.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <string>

namespace millrace::runtime::schema {

namespace {

// A number as digits * 10^exponent, without zeros at either end; zero has no digits.
struct Digits {
    std::string digits;
    std::int64_t exponent = 0;
    bool negative = false;
};

// What a number's text says. Exponents beyond the range are clamped: nothing tells them apart.
Digits digits_of(std::string_view text) {
    constexpr std::int64_t kExponentMax = 1'000'000'000'000;
    Digits out;
    out.negative = !text.empty() && text.front() == '-';
    if (out.negative) text.remove_prefix(1);
    const std::size_t mark = text.find_first_of("eE");
    if (mark != std::string_view::npos) {
        std::string_view power = text.substr(mark + 1);
        if (!power.empty() && power.front() == '+') power.remove_prefix(1);
        const auto read = std::from_chars(power.data(), power.data() + power.size(), out.exponent);
        if (read.ec == std::errc::result_out_of_range)
            out.exponent = power.front() == '-' ? -kExponentMax : kExponentMax;
        out.exponent = std::clamp(out.exponent, -kExponentMax, kExponentMax);
        text = text.substr(0, mark);
    }
    const std::size_t point = text.find('.');
    out.digits = text.substr(0, point);
    if (point != std::string_view::npos) {
        out.digits += text.substr(point + 1);
        out.exponent -= static_cast<std::int64_t>(text.size() - point - 1);
    }
    out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
    const std::size_t last = out.digits.find_last_not_of('0');
    const std::size_t kept = last == std::string::npos ? 0 : last + 1;
    out.exponent += static_cast<std::int64_t>(out.digits.size() - kept);
    out.digits.resize(kept);
    if (out.digits.empty()) out.exponent = 0;
    return out;
}

using Wide = unsigned __int128;

std::uint64_t power_of_ten(std::int64_t exponent, std::uint64_t modulus) {
    Wide result = 1 % modulus, base = 10 % modulus;
    for (; exponent > 0; exponent >>= 1) {
        if ((exponent & 1) != 0) result = result * base % modulus;
        base = base * base % modulus;
    }
    return static_cast<std::uint64_t>(result);
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    a ^= b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2);
    return a * 0xFF51AFD7ED558CCDu ^ (a >> 29);
}

std::uint64_t hash_number(std::string_view text) {
    const Digits digits = digits_of(text);
    return mix(std::hash<std::string>{}(digits.digits),
               static_cast<std::uint64_t>(digits.exponent) * 2 +
                   (digits.negative && !digits.digits.empty()));
}

// The depth of JSON is bounded (core/limits.h), and so is the recursion below.
bool equal_arrays(core::JsonElement a, core::JsonElement b) {
    const core::JsonArray left(a), right(b);
    if (left.size() != right.size()) return false;
    auto at = right.begin();
    for (const core::JsonElement item : left) {
        if (!equal(item, *at)) return false;
        ++at;
    }
    return true;
}

bool equal_objects(core::JsonElement a, core::JsonElement b) {
    const core::JsonMembers left(a), right(b);
    if (left.size() != right.size()) return false;
    for (const core::JsonMember member : left) {
        core::JsonElement other;
        if (!b.find(member.key, other) || !equal(member.value, other)) return false;
    }
    return true;
}

}  // namespace

bool is_integer(std::string_view number) {
    // Nearly all of them: digits alone.
    const bool plain = std::all_of(number.begin() + (number.starts_with('-') ? 1 : 0), number.end(),
                                   [](char c) { return c >= '0' && c <= '9'; });
    return plain || digits_of(number).exponent >= 0;
}

int compare_numbers(std::string_view a, std::string_view b) {
    matcher::NumberView left, right;
    (void)matcher::parse_number(a, left);
    (void)matcher::parse_number(b, right);
    const auto order = matcher::compare(left, right);
    return order < 0 ? -1 : order > 0 ? 1 : 0;
}

std::optional<Divisor> Divisor::parse(std::string_view number) {
    const Digits digits = digits_of(number);
    if (digits.negative || digits.digits.empty() || digits.digits.size() > kDivisorDigitsMax)
        return std::nullopt;
    Divisor out;
    out.exponent_ = digits.exponent;
    std::from_chars(digits.digits.data(), digits.digits.data() + digits.digits.size(), out.digits_);
    return out;
}

bool Divisor::divides(std::string_view number) const {
    const Digits digits = digits_of(number);
    if (digits.digits.empty()) return true;
    // Its last digit is no zero: no power of ten is in it that the divisor could have.
    if (digits.exponent < exponent_) return false;
    Wide rest = 0;
    for (const char c : digits.digits)
        rest = (rest * 10 + static_cast<unsigned>(c - '0')) % digits_;
    return rest * power_of_ten(digits.exponent - exponent_, digits_) % digits_ == 0;
}

bool Divisor::divides(const Decimal& number) const {
    const auto digits =
        static_cast<std::uint64_t>(number.digits < 0 ? -number.digits : number.digits);
    if (digits == 0) return true;
    const std::int64_t shift = -static_cast<std::int64_t>(number.places) - exponent_;
    if (shift >= 0) return Wide{digits % digits_} * power_of_ten(shift, digits_) % digits_ == 0;
    if (-shift > static_cast<std::int64_t>(kDecimalDigitsMax)) return false;
    return digits % (Wide{digits_} * kPowersOfTen[-shift]) == 0;
}

bool equal(core::JsonElement a, core::JsonElement b) {
    if (a.type() != b.type()) return false;
    switch (a.type()) {
        case core::JsonType::kNumber: return compare_numbers(a.raw(), b.raw()) == 0;
        case core::JsonType::kArray: return equal_arrays(a, b);
        case core::JsonType::kObject: return equal_objects(a, b);
        case core::JsonType::kString: {
            std::string_view left, right;
            return a.get(left) && b.get(right) && left == right;
        }
        default: return true;
    }
}

std::uint64_t hash(core::JsonElement value) {
    const auto type = static_cast<std::uint64_t>(value.type());
    switch (value.type()) {
        case core::JsonType::kNumber: return mix(type, hash_number(value.raw()));
        case core::JsonType::kString: {
            std::string_view text;
            (void)value.get(text);
            return mix(type, std::hash<std::string_view>{}(text));
        }
        case core::JsonType::kArray: {
            std::uint64_t all = type;
            for (const core::JsonElement item : core::JsonArray(value)) all = mix(all, hash(item));
            return all;
        }
        case core::JsonType::kObject: {
            std::uint64_t sum = type;
            for (const core::JsonMember member : core::JsonMembers(value))
                sum += mix(std::hash<std::string_view>{}(member.key), hash(member.value));
            return mix(sum, type);
        }
        default: return mix(type, 1);
    }
}

std::optional<std::uint64_t> small_count(core::JsonElement element) {
    if (!element.is_number()) return std::nullopt;
    const Digits digits = digits_of(element.raw());
    double value = 0;
    if (digits.negative || digits.exponent < 0 || !element.get(value) || value > 9e15)
        return std::nullopt;
    return static_cast<std::uint64_t>(value);
}

std::size_t code_points(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
    }));
}

}  // namespace millrace::runtime::schema
