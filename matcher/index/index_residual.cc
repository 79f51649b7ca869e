// The third part of Index: what remains to be checked of an entry whose pivot was met.
#include "matcher/index/index_asking.h"

#include <algorithm>

namespace millrace::matcher {

bool Index::combines(const Entry& entry, Asking& asking) const {
    if (entry.residual == Residual::kProgram) return true;
    Evaluator evaluator(leaves_, asking.fields, asking.eval);
    return evaluator.holds(tokens_.data() + subscriptions_[entry.number].program);
}

bool Index::rest_holds(const Entry& entry, Asking& asking) const {
    switch (entry.residual) {
        case Residual::kNone: return true;
        case Residual::kNumber:
            for (const core::FieldValue* v = asking.fields.first(entry.what); v;
                 v = asking.fields.next(*v)) {
                if (v->type != core::FieldType::kNumber) continue;
                if (!v->number_is_short && v->number_approx == entry.bound) {
                    if (leaves_.holds(entry.leaf, asking.fields, asking.eval)) return true;
                    continue;
                }
                if ((entry.accepts >> side_of(v->number_approx, entry.bound) & 1) != 0) return true;
            }
            return false;
        case Residual::kLeaf: return leaf_holds(entry.what, asking);
        case Residual::kLeaves: return rests_hold(entry.what, asking);
        case Residual::kProgram: {
            Evaluator evaluator(leaves_, asking.fields, asking.eval);
            return evaluator.holds(tokens_.data() + subscriptions_[entry.number].program);
        }
    }
    return false;
}

bool Index::rests_hold(std::uint32_t number, Asking& asking) const {
    const RestList& list = rests_[number];
    std::uint32_t* known = nullptr;
    if (list.memo != LeafStore::kNoMemo) {
        known = &asking.scratch.known[list.memo];
        if (*known >> 1 == asking.scratch.epoch) return (*known & 1) != 0;
    }
    const LeafId* leaves = residuals_.data() + list.begin;
    const bool hold = std::all_of(leaves, leaves + list.count,
                                  [&](LeafId leaf) { return leaf_holds(leaf, asking); });
    if (known) *known = asking.scratch.epoch << 1 | static_cast<std::uint32_t>(hold);
    return hold;
}

// Conditions that several subscriptions share are asked once per event.
bool Index::leaf_holds(LeafId leaf, Asking& asking) const {
    const std::uint32_t memo = leaves_.record(leaf).memo;
    if (memo == LeafStore::kNoMemo) return leaves_.holds(leaf, asking.fields, asking.eval);
    std::uint32_t& known = asking.scratch.known[memo];
    if (known >> 1 == asking.scratch.epoch) return (known & 1) != 0;
    const bool holds = leaves_.holds(leaf, asking.fields, asking.eval);
    known = asking.scratch.epoch << 1 | static_cast<std::uint32_t>(holds);
    return holds;
}

}  // namespace millrace::matcher
