// What: the regular expressions of filters: Hyperscan's subset of PCRE on UTF-8, `.` matches
//       newline too, found anywhere unless anchored; `^` and `$` are the ends of the whole text (no
//       multi-line).
// Threads: a Regex is used by one thread at a time (it owns its scratch); translation is pure.
// Lifetime: owns its database.
// Limits: kRegexBytesMax, kRegexPositionsMax.
// Failure: a refused expression is an Error with Hyperscan's reason and the byte position.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::matcher {

// What is handed to Hyperscan for `text`: `$` outside classes becomes \z; inline flags other than
// i and s, back references and whatever breaks the limits are refused.
core::Result<std::string> translate_regex(std::string_view text);

// Automaton positions that `text` (already accepted by translate_regex) unrolls to.
std::size_t regex_positions(std::string_view text);

// The flags for hs_compile: DOTALL | UTF8 | ALLOWEMPTY. One set for all, so that one database holds
// all.
unsigned regex_compile_flags();

// `*` wildcard text as an anchored expression for Hyperscan, all other bytes \xNN-escaped.
std::string wildcard_to_regex(std::string_view wildcard);

class Regex {
public:
    static core::Result<Regex> compile(std::string_view text);
    Regex(Regex&&) noexcept;
    Regex& operator=(Regex&&) noexcept;
    ~Regex();

    bool found_in(std::string_view text) const;

private:
    struct Impl;
    explicit Regex(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::matcher
