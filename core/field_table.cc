#include "core/field_table.h"

namespace millrace::core {

// Chains are as long as arrays are nested, so comparing all pairs is cheap.
bool FieldTable::consistent_slow(std::uint32_t a, std::uint32_t b) const {
    for (; a != kNoElement; a = elements_[a].parent) {
        for (std::uint32_t other = b; other != kNoElement; other = elements_[other].parent) {
            if (other == a) return true;  // from here on up they are one chain
            if (elements_[other].container == elements_[a].container &&
                elements_[other].index != elements_[a].index) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace millrace::core
