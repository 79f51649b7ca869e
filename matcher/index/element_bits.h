// What: sets of array elements as bits, for predicates whose alternatives ask again and again
//       whether the same conditions can meet in one element: the answer is an intersection, 64
//       elements at a time. A set holds the elements that satisfy a condition and all that lie
//       inside them; conditions in one array of the root then agree where their sets meet.
// Threads: one owner. Lifetime: sets are valid until the next reset().
// Limits: decides unless one element holds two arrays that are passed, or the event was read by
//       subscripts, too: can_decide() says so.
// Failure: none. Allocates only to grow.
#pragma once

#include "core/field_table.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace::matcher {

class ElementBits {
public:
    static constexpr std::uint32_t kNone = 0xffffffffu;
    void reset() { is_set_up_ = false; }
    bool can_decide(const core::FieldTable& fields) {
        if (!is_set_up_) set_up(fields);
        return decides_;
    }
    // Number of a new set.
    std::uint32_t add(const core::FieldTable& fields, std::span<const std::uint32_t> elements);
    // Can one element of each array be chosen so that it is in all sets of that array?
    bool agree(std::span<const std::uint32_t> sets);

private:
    struct Set {
        std::uint32_t container;  // the array of the root its elements lie in
        std::uint32_t words;      // where they begin
    };
    void set_up(const core::FieldTable& fields);

    bool is_set_up_ = false;
    bool decides_ = false;
    bool is_flat_ = true;  // no arrays inside of elements
    std::uint32_t count_ = 0;
    std::vector<std::uint32_t> inner_;  // by element: the array inside it that was passed
    std::vector<std::uint32_t> outer_;  // by element: the array of the root it lies in
    std::vector<Set> sets_;
    std::vector<std::uint64_t> words_;
    std::vector<Set> asked_;
};

}  // namespace millrace::matcher
