// Fuzzes the readers of numbers against each other: core's grammar, the matcher's, exact decimals.
// What a decimal prints reads back as itself, and a sum does not depend on the order.
#include "core/assert.h"
#include "core/decimal.h"
#include "core/json_number.h"
#include "matcher/filter/number.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace millrace;

bool is_number(std::string_view text) {
    const std::string padded = std::string(text) + std::string(64, ' ');
    if (text.empty() || (text[0] != '-' && !core::is_digit(text[0]))) return false;
    return core::scan_number(padded.data()) == padded.data() + text.size();
}

std::string printed(const core::Decimal& value) {
    std::string out;
    value.append_to(out);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    const std::size_t cut = text.find(' ');
    const std::string_view first = text.substr(0, cut);
    const std::string_view second =
        cut == std::string_view::npos ? std::string_view("1") : text.substr(cut + 1);
    matcher::NumberView view;
    MR_ASSERT(matcher::parse_number(first, view) == is_number(first));
    core::Decimal a;
    core::Decimal b;
    if (!core::Decimal::parse(first, a)) return 0;
    MR_ASSERT(is_number(first));
    core::Decimal again;
    MR_ASSERT(core::Decimal::parse(printed(a), again) && printed(again) == printed(a));
    if (!core::Decimal::parse(second, b)) return 0;
    core::Decimal ab = a;
    core::Decimal ba = b;
    const bool fits = ab.add(b);
    MR_ASSERT(fits == ba.add(a));
    MR_ASSERT(!fits || printed(ab) == printed(ba));
    return 0;
}
