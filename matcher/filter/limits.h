// What: the bounds of one subscription's filter, so that compiling and matching it stay cheap
//       whatever a client sends. Each refusal names the bound it broke.
// Threads: constants. Lifetime: none. Failure: a broken relation does not compile.
#pragma once

#include <cstddef>

namespace millrace::matcher {

// The text of pattern, filters and filter together. 1 MiB holds a list of 30,000 values.
inline constexpr std::size_t kFilterBytesMax = 1u << 20;
// and/or/not/parentheses inside one another, objects inside an event-shaped filter.
inline constexpr std::size_t kFilterDepthMax = 32;
// Conditions (leaves) of one subscription; each is evaluated at most once per event.
inline constexpr std::size_t kFilterLeavesMax = 512;
// Values of one list (in, notIn, anything-but) and of all lists of one subscription.
inline constexpr std::size_t kFilterValuesMax = 10'000;
// One string operand. Longer ones are payloads, not conditions.
inline constexpr std::size_t kOperandBytesMax = 8'192;
// Digits of a number operand: exact comparison reads them all.
inline constexpr std::size_t kNumberBytesMax = 512;
// Names and subscripts of one path, and its text.
inline constexpr std::size_t kPathStepsMax = 32;
inline constexpr std::size_t kPathBytesMax = 2'048;
// Wildcards: event-ruler measured 14 times less throughput at 34 live wildcards than at 1.
inline constexpr std::size_t kWildcardBytesMax = 1'024;
inline constexpr std::size_t kWildcardStarsMax = 16;
// Regular expressions: Hyperscan's own bound is 16,000 bytes, where compiling takes minutes.
inline constexpr std::size_t kRegexBytesMax = 1'024;
// Positions of the automaton a regular expression unrolls to (a{1,50}b counts 51).
inline constexpr std::size_t kRegexPositionsMax = 2'000;
// Alternatives that and-of-ors multiply out to (conditions on one path under one `or` count as
// one): deciding array elements for them is a search, and this bounds it: an event of 700 KB that
// is made to fit no alternative takes 1.5 ms, or 50 ms where each element holds two arrays that
// conditions look into (bench/matcher_results.md).
inline constexpr std::size_t kFilterClausesMax = 256;
// Sum of the costs of all conditions of one subscription; see complexity.h.
inline constexpr std::size_t kComplexityMax = 10'000;

static_assert(kWildcardBytesMax <= kOperandBytesMax && kRegexBytesMax <= kOperandBytesMax);

}  // namespace millrace::matcher
