// What: the regular expressions of one path that have no literal to hang on, asked all at once: one
//       scan of a text by one Hyperscan database instead of one scan for each expression. Beyond
//       kBankExpressions there are several databases: one of 10,000 needs 8 s to compile and 5 us a
//       scan, ten of 1,000 need a fifth of that to scan (bench/matcher_results.md).
// Threads: built by one; then read by any number, each with its own scratch.
// Lifetime: borrows the set. Databases are shared between the banks of following indexes.
// Limits: none of its own.
// Failure: what Hyperscan cannot compile together, or cannot scan, is asked one by one.
#pragma once

#include "matcher/regex/regex_set.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace::matcher {

inline constexpr std::size_t kBankExpressions = 1000;

class RegexBank {
public:
    // Building: a number of the set, each once.
    void add(std::uint32_t regex) { loose_.push_back(regex); }
    // Compiling takes milliseconds for each expression: in the background only. A bank that was not
    // compiled asks its expressions one by one.
    void compile(const RegexSet& set);

    // Appends the numbers of the expressions found in the text.
    void find(const RegexSet& set, std::string_view text, EvalScratch& scratch,
              std::vector<std::uint32_t>& out) const;
    std::size_t size() const { return loose_.size() + together_; }
    // Asked one by one.
    std::size_t loose() const { return loose_.size(); }
    std::size_t bytes() const;

private:
    struct Part {
        std::shared_ptr<const RegexDatabase> database;
        // The set's number of each of the database's expressions; kGone: not in this set any more.
        std::vector<std::uint32_t> numbers;
    };
    static constexpr std::uint32_t kGone = 0xffffffffu;

    void reuse(const RegexSet& set);
    bool scan(const Part& part, std::string_view text, EvalScratch& scratch,
              std::vector<std::uint32_t>& out) const;

    std::vector<std::uint32_t> loose_;
    std::vector<Part> parts_;
    std::size_t together_ = 0;
};

}  // namespace millrace::matcher
