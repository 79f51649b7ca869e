// What: a subscription's predicate as a run of 32-bit tokens over interned conditions. A token is a
//       kind and a number: a condition, or how many operands follow. matcher/index/evaluator.h asks
//       it.
// Threads: pure. Lifetime: borrows the store. Limits: matcher/filter/limits.h.
// Failure: encoding refuses what LeafStore::add() refuses.
#pragma once

#include "core/result.h"
#include "matcher/filter/predicate.h"
#include "matcher/index/leaf_store.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace millrace::matcher {

using Token = std::uint32_t;

enum class TokenKind : std::uint32_t { kTrue, kFalse, kAnd, kOr, kNot, kLeaf };

inline constexpr unsigned kTokenShift = 29;
inline constexpr Token kTokenNumber = (1u << kTokenShift) - 1;

inline Token make_token(TokenKind kind, std::uint32_t number) {
    return (static_cast<Token>(kind) << kTokenShift) | number;
}
inline TokenKind kind_of(Token token) { return static_cast<TokenKind>(token >> kTokenShift); }
inline std::uint32_t number_of(Token token) { return token & kTokenNumber; }

// Behind the subtree that begins at `program`.
const Token* skip_subtree(const Token* program);
// Conditions outside any kNot.
std::size_t positive_leaves(const Token* program);

// Interns the conditions; `slot_of` gives the slot of a path.
core::Status encode(const Predicate& predicate, LeafStore& store,
                    const std::function<std::uint32_t(const Path&)>& slot_of,
                    HugeVector<Token>& out);

}  // namespace millrace::matcher
