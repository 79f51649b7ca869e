// What: a simple expression as a table of states, for those who ask one expression about many
//       texts: a step a byte, where the automaton takes one for each live position. The two agree
//       (tests/matcher/regex/regex_table_test.cc).
// Threads: immutable once made.
// Lifetime: value. Limits: kStatesMax states.
// Failure: make() says nothing when there would be more.
#pragma once

#include "matcher/regex/simple_regex.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace millrace::matcher {

class RegexTable {
public:
    static constexpr std::size_t kStatesMax = 128;

    static std::optional<RegexTable> make(const SimpleRegex& regex);

    // Of valid UTF-8, as SimpleRegex::found_in().
    bool found_in(std::string_view text) const {
        std::size_t row = start_;
        for (const char c : text) {
            row = next_[row + column_[static_cast<unsigned char>(c)]];
            if (row <= settled_) break;
        }
        return fits_[row] != 0;
    }

private:
    // Rows are told by where they begin in `next_`; the first two end the work: that of texts in
    // which it is not, whatever follows, and that of those in which it is.
    std::array<std::uint8_t, 256> column_{};
    std::size_t start_ = 0;
    std::size_t settled_ = 0;
    std::vector<std::uint16_t> next_;
    std::vector<std::uint8_t> fits_;  // by row: a text that ends here does
};

}  // namespace millrace::matcher
