// What: the regular expressions people write for event patterns, as an automaton of at most 64
//       positions that is built in microseconds: literals, classes, groups, alternatives, repeats,
//       ^ at the start and $ at the end. Others are left to Hyperscan, which needs a hundred times
//       as long to compile one; the two agree on what they both read
//       (tests/matcher/regex/simple_regex_test.cc).
// Threads: immutable once compiled.
// Lifetime: value. Limits: 64 positions after unrolling; kPivotsMax literals.
// Failure: compile() says nothing when the expression is beyond it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

struct TextPivot;

class SimpleRegex {
public:
    static std::optional<SimpleRegex> compile(std::string_view text);

    // Work is proportional to bytes times live positions.
    bool found_in(std::string_view text) const;
    // Literals of which one is in every text that matches; false when there are none worth looking
    // for.
    bool pivots(std::vector<TextPivot>& out) const;
    std::size_t bytes() const;

private:
    friend class SimpleRegexBuilder;
    friend class RegexTable;
    // Which characters a position takes: ASCII ones by bit, all others together.
    struct Class {
        std::uint64_t bits[2] = {0, 0};
        bool beyond_ascii = false;
        bool has(unsigned char c) const { return (bits[c >> 6] >> (c & 63)) & 1; }
        bool operator==(const Class&) const = default;
    };
    enum class PivotForm : std::uint8_t { kNone, kEquals, kPrefix, kSuffix, kContains };

    std::vector<Class> classes_;
    std::vector<std::uint8_t> class_of_;  // by position
    std::vector<std::uint64_t> follow_;   // by position
    std::uint64_t first_ = 0;
    std::uint64_t last_ = 0;
    bool nullable_ = false;
    bool at_start_ = false;
    bool at_end_ = false;
    PivotForm pivot_form_ = PivotForm::kNone;
    bool pivot_is_all_ = false;  // the literals are the whole expression
    std::vector<std::string> literals_;
};

}  // namespace millrace::matcher
