// What: a subscription's predicate as a run of 32-bit tokens over interned conditions, and its
//       evaluation. A token is a kind and a number: a condition, or how many operands follow.
// Threads: pure; an evaluator belongs to one thread.
// Lifetime: borrows the store and the event's fields.
// Limits: matcher/limits.h; the search for array elements stops at kSearchStepsMax and says no.
// Failure: encoding refuses what LeafStore::add() refuses.
#pragma once

#include "core/field_table.h"
#include "core/result.h"
#include "matcher/leaf_store.h"
#include "matcher/predicate.h"

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

class Evaluator {
public:
    Evaluator(const LeafStore& store, const core::FieldTable& fields, EvalScratch& scratch)
        : store_(store), fields_(fields), scratch_(scratch) {}

    bool holds(const Token* program);

private:
    struct Goal {
        const Token* program;
        const Goal* next;
    };
    // One condition under the search: the elements that values satisfying it sit in.
    struct Candidates {
        std::vector<std::uint32_t> elements;
    };

    bool relaxed(const Token* program);
    bool search(const Goal* goals);
    bool combine();
    bool combine_below(std::uint32_t parent, std::vector<Candidates> candidates);
    bool combine_pairs(std::size_t next);
    bool combine_in_array(std::uint32_t parent, const std::vector<Candidates>& group);
    bool combine_containers(std::uint32_t parent, std::vector<Candidates>& candidates);
    bool collect(LeafId leaf, Candidates& out);
    std::uint32_t step_towards(std::uint32_t element, std::uint32_t parent) const;

    const LeafStore& store_;
    const core::FieldTable& fields_;
    EvalScratch& scratch_;
    std::vector<Candidates> picked_;
    std::vector<std::uint32_t> chosen_;
    std::size_t steps_ = 0;
};

}  // namespace millrace::matcher
