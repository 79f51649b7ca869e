// What: does an event satisfy a predicate? First without regard to array elements, which settles
//       nearly all events; where arrays of objects were passed and conditions must combine, by a
//       search over the alternatives of each `or`.
// Threads: one owner. Lifetime: borrows the store, the event's fields and the scratch.
// Limits: alternatives and conditions are those of matcher/filter/limits.h; each condition is asked
//       about the event's values once.
// Failure: none. Allocates only to grow.
#pragma once

#include "core/field_table.h"
#include "matcher/index/eval_scratch.h"
#include "matcher/index/leaf_store.h"
#include "matcher/index/program.h"

#include <cstddef>
#include <cstdint>

namespace millrace::matcher {

class Evaluator {
public:
    Evaluator(const LeafStore& store, const core::FieldTable& fields, EvalScratch& scratch)
        : store_(store), fields_(fields), scratch_(scratch) {}

    bool holds(const Token* program);

private:
    using Known = EvalScratch::Known;
    // What is left to satisfy: a run of subtrees, then what comes behind it.
    struct Goal {
        const Token* program;
        std::uint32_t count;
        const Goal* next;
    };

    bool relaxed(const Token* program);
    bool closed(const Token* negation);
    bool scope(const Token* program);
    bool search(const Goal* goals);
    bool search_or(const Token* token, const Goal* next);
    bool pick(const Token* token, const Known& known, const Goal* next);
    bool combine();
    bool combine_by_bits();
    Known* known_of(const Token* token);
    const Known& condition(const Token* token);
    const Known& alternative(const Token* token, const Token* siblings, std::uint32_t count);
    Known::State collect(LeafId leaf);

    const LeafStore& store_;
    const core::FieldTable& fields_;
    EvalScratch& scratch_;
    const Token* root_ = nullptr;
    std::size_t picked_ = 0;   // where the scope's conditions begin on the stack
    bool has_choice_ = false;  // an `or` was met: conditions are combined more than once
};

}  // namespace millrace::matcher
