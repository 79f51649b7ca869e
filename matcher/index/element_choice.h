// What: conditions that values inside arrays satisfy: can one element of each array be chosen so
//       that all of them hold? Decided array by array from the outermost one in: work is the number
//       of elements listed, times the depth of arrays; nothing is tried twice but what lies inside
//       an array that some paths pass by subscript and others by choice.
// Threads: pure but for the scratch. Lifetime: borrows the event's fields.
// Limits: recursion as deep as the event's arrays. Failure: none. Allocates only to grow.
#pragma once

#include "core/field_table.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::matcher {

// One condition: the elements its values sit in, in the order of the text, at or below `base`.
// All values of a condition come by one path, so all of them at `base`, or all of them in one array
// right below it.
struct ChoiceCondition {
    std::uint32_t begin = 0;  // into ChoiceScratch::elements
    std::uint32_t end = 0;
    std::uint32_t base = core::kNoElement;
    std::uint32_t container = 0;  // the array below base; filled in by the choice
    std::uint32_t cursor = 0;
    std::uint32_t owner = 0;  // for whoever asks
};

struct ChoiceScratch {
    std::vector<std::uint32_t> elements;
    std::vector<ChoiceCondition> conditions;  // a stack; its owner keeps what it picked below
};

// Of the conditions from `first` to the top of the stack, which stays as it is.
bool can_choose(const core::FieldTable& fields, ChoiceScratch& scratch, std::size_t first);

}  // namespace millrace::matcher
