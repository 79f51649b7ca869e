// What: the regular expressions of an index, each one once: simple ones as automata of our own, the
//       others as Hyperscan databases.
// Threads: built by one thread; then read by any number, each with its own scratch.
// Lifetime: goes with its index; compiled expressions are shared between indexes.
// Limits: matcher/limits.h.
// Failure: add() refuses what Hyperscan refuses, with its reason. A scan that Hyperscan fails
//       counts as no
//          match of that expression.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace millrace::matcher {

struct EvalScratch;
struct CompiledRegex;
struct TextPivot;

class RegexSet {
public:
    RegexSet();
    ~RegexSet();
    RegexSet(const RegexSet&) = delete;
    RegexSet& operator=(const RegexSet&) = delete;

    core::Result<std::uint32_t> add(std::string_view text);
    std::uint32_t add(const RegexSet& other, std::uint32_t number);
    bool found_in(std::uint32_t number, std::string_view text, EvalScratch& scratch) const;
    std::size_t size() const { return regexes_.size(); }
    std::size_t bytes() const;
    // Literals to hang on; see SimpleRegex.
    bool pivots(std::uint32_t number, std::vector<TextPivot>& out) const;

    static void free_scratch(EvalScratch& scratch);

private:
    std::vector<std::shared_ptr<const CompiledRegex>> regexes_;
    std::unordered_map<std::string, std::uint32_t> by_text_;
};

}  // namespace millrace::matcher
