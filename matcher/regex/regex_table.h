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
#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

// What many expressions of identifiers say: the texts that begin so, behind which there is nothing
// but from `least` to `most` characters of one range of ASCII: "^INV-[0-9]+$".
struct CharRun {
    static constexpr std::size_t kNoEnd = ~std::size_t{0};
    std::string head;
    char low = 0, high = 0;
    std::size_t least = 0, most = 0;
};

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

    // None: the expression says something else.
    std::optional<CharRun> as_run() const;

private:
    // What a state goes on with.
    struct Exit {
        bool is_known = false;  // a range of ASCII, which leads to one state
        char low = 0, high = 0;
        std::size_t row = 0;  // 0: nothing leads out of it
        bool operator==(const Exit&) const = default;
    };
    std::vector<std::uint64_t> share_columns(const SimpleRegex& regex);
    Exit exit_of(std::size_t row) const;

    // Rows are told by where they begin in `next_`; the first two end the work: that of texts in
    // which it is not, whatever follows, and that of those in which it is.
    std::array<std::uint8_t, 256> column_{};
    std::size_t start_ = 0;
    std::size_t settled_ = 0;
    std::vector<std::uint16_t> next_;
    std::vector<std::uint8_t> fits_;  // by row: a text that ends here does
};

}  // namespace millrace::matcher
