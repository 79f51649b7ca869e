#include "matcher/filter/case_fold.h"

#include "matcher/filter/text_scanner.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace millrace::matcher {
namespace {

struct FoldRange {
    std::uint32_t first;
    std::uint32_t last;
    std::uint32_t stride;
    std::int32_t delta;
};

constexpr FoldRange kFoldRanges[] = {
#include "matcher/filter/case_fold_table.inc"
};

std::uint32_t fold_code_point(std::uint32_t code) {
    const auto* range =
        std::lower_bound(std::begin(kFoldRanges), std::end(kFoldRanges), code,
                         [](const FoldRange& r, std::uint32_t value) { return r.last < value; });
    if (range == std::end(kFoldRanges) || code < range->first) return code;
    if ((code - range->first) % range->stride != 0) return code;
    return static_cast<std::uint32_t>(static_cast<std::int64_t>(code) + range->delta);
}

// Length of the well-formed sequence at `i` and its code point; 0 when it is none.
std::size_t decode(std::string_view text, std::size_t i, std::uint32_t& code) {
    const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
    const unsigned lead = byte(0);
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (length == 0 || lead > 0xF4 || i + length > text.size()) return 0;
    code = lead & (0x7Fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
        if ((byte(k) & 0xC0u) != 0x80u) return 0;
        code = (code << 6) | (byte(k) & 0x3Fu);
    }
    return length;
}

}  // namespace

void append_folded(std::string_view text, std::string& out) {
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        if (static_cast<unsigned char>(c) < 0x80) {
            out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
            ++i;
            continue;
        }
        std::uint32_t code = 0;
        const std::size_t length = decode(text, i, code);
        if (length == 0) {
            out.push_back(c);
            ++i;
            continue;
        }
        append_utf8(fold_code_point(code), out);
        i += length;
    }
}

std::string folded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    append_folded(text, out);
    return out;
}

bool is_folded_ascii(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
    });
}

}  // namespace millrace::matcher
