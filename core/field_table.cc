#include "core/field_table.h"

namespace millrace::core {

// Two chains of elements are at odds exactly when they hold different elements of one array. An array
// sits in one element of every array around it, so the chains share arrays only where they fork: walk
// up from both (ids grow downwards) until they meet and look at the two elements below.
bool FieldTable::consistent_slow(std::uint32_t a, std::uint32_t b) const {
    std::uint32_t below_a = a;
    std::uint32_t below_b = b;
    while (a != b) {
        if (a > b) {
            below_a = a;
            a = elements_[a].parent;
        } else {
            below_b = b;
            b = elements_[b].parent;
        }
    }
    if (a == below_a || b == below_b) return true;  // one chain holds the other
    return elements_[below_a].container != elements_[below_b].container;
}

}  // namespace millrace::core
