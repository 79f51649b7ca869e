#include "matcher/regex/simple_regex.h"

#include "matcher/index/pivot_chooser.h"
#include "matcher/regex/simple_regex_builder.h"

#include <bit>

namespace millrace::matcher {

std::optional<SimpleRegex> SimpleRegex::compile(std::string_view text) {
    SimpleRegex regex;
    if (!SimpleRegexBuilder(text).build(regex)) return std::nullopt;
    return regex;
}

bool SimpleRegex::found_in(std::string_view text) const {
    if (nullable_ && (!at_end_ || !at_start_ || text.empty())) return true;
    std::uint64_t live = 0;
    bool begin = true;
    for (std::size_t i = 0; i < text.size(); begin = false) {
        const auto c = static_cast<unsigned char>(text[i++]);
        // One code point beyond ASCII is one character; valid UTF-8 is what the parser lets in.
        if (c >= 0x80) {
            while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) ++i;
        }
        std::uint64_t next = begin || !at_start_ ? first_ : 0;
        for (std::uint64_t bits = live; bits != 0; bits &= bits - 1) {
            next |= follow_[static_cast<std::size_t>(std::countr_zero(bits))];
        }
        live = 0;
        for (std::uint64_t bits = next; bits != 0; bits &= bits - 1) {
            const auto position = static_cast<std::size_t>(std::countr_zero(bits));
            const Class& chars = classes_[class_of_[position]];
            if (c < 0x80 ? chars.has(c) : chars.beyond_ascii) live |= bits & (~bits + 1);
        }
        if (!at_end_ && (live & last_) != 0) return true;
        if (live == 0 && at_start_) return false;
    }
    return at_end_ && (live & last_) != 0;
}

bool SimpleRegex::pivots(std::vector<TextPivot>& out) const {
    if (pivot_form_ == PivotForm::kNone) return false;
    const Op op = pivot_form_ == PivotForm::kEquals   ? Op::kEquals
                  : pivot_form_ == PivotForm::kPrefix ? Op::kPrefix
                  : pivot_form_ == PivotForm::kSuffix ? Op::kSuffix
                                                      : Op::kContains;
    out.assign(literals_.size(), {});
    for (std::size_t i = 0; i < literals_.size(); ++i) {
        if (!text_pivot(op, literals_[i], out[i])) return false;
        out[i].is_exact = out[i].is_exact && pivot_is_all_;
    }
    return true;
}

std::size_t SimpleRegex::bytes() const {
    std::size_t sum = sizeof(SimpleRegex) + classes_.size() * sizeof(Class) + class_of_.size() +
                      follow_.size() * 8;
    for (const std::string& literal : literals_) sum += sizeof(std::string) + literal.size();
    return sum;
}

}  // namespace millrace::matcher
