#include "core/decimal.h"

#include "core/json_chars.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace millrace::core {

namespace {

// Exponents beyond this leave the limits whatever the digits are.
constexpr std::int64_t kExponentClamp = 1'000'000;

struct Scanned {
    const char* digits = nullptr;  // mantissa, with a point somewhere
    const char* end = nullptr;
    std::int64_t exponent = 0;
    bool negative = false;
};

// By the grammar of scan_number(), for a text that ends where the number does.
bool scan(std::string_view json, Scanned& out) {
    const char* p = json.data();
    const char* const end = p + json.size();
    const auto digits = [&] {
        const char* from = p;
        while (p < end && is_digit(*p)) ++p;
        return p - from;
    };
    out.negative = p < end && *p == '-';
    if (out.negative) ++p;
    out.digits = p;
    const bool zero = p < end && *p == '0';
    const auto whole = digits();
    if (whole == 0 || (zero && whole > 1)) return false;
    if (p < end && *p == '.') {
        ++p;
        if (digits() == 0) return false;
    }
    out.end = p;
    if (p < end && (*p | 0x20) == 'e') {
        ++p;
        const bool negative = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) ++p;
        const char* from = p;
        if (digits() == 0) return false;
        for (; from < p; ++from)
            out.exponent = std::min(out.exponent * 10 + (*from - '0'), kExponentClamp);
        if (negative) out.exponent = -out.exponent;
    }
    return p == end;
}

}  // namespace

int Decimal::digit(std::ptrdiff_t place) const {
    const auto at =
        static_cast<std::ptrdiff_t>(digits_) - 1 - static_cast<std::ptrdiff_t>(scale_) - place;
    if (at < 0 || at >= static_cast<std::ptrdiff_t>(digits_)) return 0;
    return text_[at];
}

void Decimal::trim() {
    std::size_t zeros = 0;
    while (zeros < digits_ && text_[zeros] == 0) ++zeros;
    if (zeros != 0) {
        std::memmove(text_, text_ + zeros, digits_ - zeros);
        digits_ = static_cast<std::uint16_t>(digits_ - zeros);
    }
    while (scale_ > 0 && digits_ > 0 && text_[digits_ - 1] == 0) {
        --digits_;
        --scale_;
    }
    if (digits_ == 0) {
        scale_ = 0;
        negative_ = false;
    }
}

bool Decimal::parse(std::string_view json, Decimal& out) {
    Scanned number;
    if (!scan(json, number)) return false;
    // The first and the last digit that count, and the place of the last.
    const char* first = number.digits;
    while (first < number.end && (*first == '0' || *first == '.')) ++first;
    if (first == number.end) {
        out = Decimal();
        return true;
    }
    const void* point_at =
        std::memchr(number.digits, '.', static_cast<std::size_t>(number.end - number.digits));
    const char* point = point_at ? static_cast<const char*>(point_at) : number.end;
    const char* last = number.end - 1;
    while (*last == '0' || *last == '.') --last;
    std::int64_t place = last < point ? point - last - 1 : point - last;
    place += number.exponent;
    std::int64_t count = last - first + 1;
    if (first < point && point < last) --count;
    const std::int64_t zeros = std::max<std::int64_t>(place, 0);
    if (count + place > static_cast<std::int64_t>(kDecimalWholeDigitsMax) ||
        -place > static_cast<std::int64_t>(kDecimalFractionDigitsMax)) {
        return false;
    }
    out.negative_ = number.negative;
    out.digits_ = 0;
    for (const char* p = first; p <= last; ++p) {
        if (*p != '.') out.text_[out.digits_++] = static_cast<char>(*p - '0');
    }
    for (std::int64_t i = 0; i < zeros; ++i) out.text_[out.digits_++] = 0;
    out.scale_ = static_cast<std::uint16_t>(place < 0 ? -place : 0);
    return true;
}

bool Decimal::of(double value, Decimal& out) {
    if (!std::isfinite(value)) return false;
    char text[40];
    const auto end = std::to_chars(text, text + sizeof text, value);
    return parse({text, static_cast<std::size_t>(end.ptr - text)}, out);
}

Decimal Decimal::of(std::int64_t value) {
    char text[24];
    const auto end = std::to_chars(text, text + sizeof text, value);
    Decimal out;
    (void)parse({text, static_cast<std::size_t>(end.ptr - text)}, out);  // 19 digits fit
    return out;
}

int Decimal::compare_size(const Decimal& other) const {
    const auto whole = static_cast<std::ptrdiff_t>(std::max(whole_digits(), other.whole_digits()));
    const std::ptrdiff_t lowest = -static_cast<std::ptrdiff_t>(std::max(scale_, other.scale_));
    for (std::ptrdiff_t place = whole - 1; place >= lowest; --place) {
        const int a = digit(place);
        const int b = other.digit(place);
        if (a != b) return a < b ? -1 : 1;
    }
    return 0;
}

bool Decimal::add(const Decimal& other) {
    const bool same_sign = negative_ == other.negative_;
    const int order = same_sign ? 1 : compare_size(other);
    const Decimal& large = order >= 0 ? *this : other;
    const Decimal& small = order >= 0 ? other : *this;
    Decimal sum;
    sum.negative_ = large.negative_;
    sum.scale_ = std::max(scale_, other.scale_);
    const std::size_t whole = std::max(whole_digits(), other.whole_digits()) + 1;
    const std::size_t count = whole + sum.scale_;
    char digits[kDigitsMax + 1];
    int carry = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto place = static_cast<std::ptrdiff_t>(i) - static_cast<std::ptrdiff_t>(sum.scale_);
        int value = large.digit(place) + carry;
        value += same_sign ? small.digit(place) : -small.digit(place);
        carry = value < 0 ? -1 : value > 9 ? 1 : 0;
        digits[count - 1 - i] = static_cast<char>(value - 10 * carry);
    }
    const std::size_t skipped = digits[0] == 0 ? 1 : 0;
    if (whole - skipped > kDecimalWholeDigitsMax) return false;
    std::memcpy(sum.text_, digits + skipped, count - skipped);
    sum.digits_ = static_cast<std::uint16_t>(count - skipped);
    sum.trim();
    *this = sum;
    return true;
}

bool Decimal::whole_value(std::uint64_t& out) const {
    if (scale_ != 0 || digits_ > 20) return false;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < digits_; ++i) {
        const std::uint64_t next = static_cast<unsigned char>(text_[i]);
        if (__builtin_mul_overflow(value, std::uint64_t{10}, &value) ||
            __builtin_add_overflow(value, next, &value)) {
            return false;
        }
    }
    out = value;
    return true;
}

bool Decimal::get(std::uint64_t& out) const { return !negative_ && whole_value(out); }

bool Decimal::get(std::int64_t& out) const {
    std::uint64_t size = 0;
    if (!whole_value(size)) return false;
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (size > kMax + (negative_ ? 1 : 0)) return false;
    out = static_cast<std::int64_t>(negative_ ? ~size + 1 : size);
    return true;
}

void Decimal::append_to(std::string& out) const {
    if (digits_ == 0) {
        out += '0';
        return;
    }
    if (negative_) out += '-';
    const std::size_t whole = whole_digits();
    if (whole == 0) out += '0';
    for (std::size_t i = 0; i < whole; ++i) out += static_cast<char>('0' + text_[i]);
    if (scale_ == 0) return;
    out += '.';
    out.append(scale_ - (digits_ - whole), '0');
    for (std::size_t i = whole; i < digits_; ++i) out += static_cast<char>('0' + text_[i]);
}

}  // namespace millrace::core
