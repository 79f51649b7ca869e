// What: comparing secrets: how long it takes says nothing about where two texts differ.
// Threads: pure. Lifetime: none. Limits: none; that lengths differ can be seen.
// Failure: none.
#pragma once

#include <cstddef>
#include <string_view>

namespace millrace::core::crypto {

inline bool constant_time_equal(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    // Volatile: the compiler may not leave the loop early.
    volatile unsigned char difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference = static_cast<unsigned char>(
            difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
    return difference == 0;
}

}  // namespace millrace::core::crypto
