// What: bytes that do not pack. Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include "core/random.h"

#include <cstddef>
#include <string>

namespace millrace::test {

inline std::string noise(std::size_t bytes) {
    core::Random random(bytes);
    std::string out(bytes, 0);
    for (char& c : out) c = static_cast<char>(random.next());
    return out;
}

}  // namespace millrace::test
