// Fuzzes the plain JSON reader against the event parser's validator: written apart, they must agree
// on every text; and what was read prints to a text that reads as the same.
#include "core/assert.h"
#include "core/json_validate.h"
#include "matcher/filter/json_value.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    using namespace millrace;
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    const auto tree = matcher::parse_json(text);
    const auto valid = core::json_validate(text);
    MR_ASSERT(tree.has_value() == valid.has_value());
    if (!tree) return 0;
    const std::string printed = matcher::to_json(*tree);
    const auto again = matcher::parse_json(printed);
    MR_ASSERT(again.has_value());
    MR_ASSERT(matcher::to_json(*again) == printed);
    return 0;
}
