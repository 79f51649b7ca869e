// What: where a JSON value stands among the tokens of a text that has been read and checked.
// Threads: values. Lifetime: borrows text and tokens.
// Limits: none. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::core {

struct JsonPlace {
    const char* base = nullptr;  // tokens count from here
    // Of the value's first byte; those of the rest of it follow, and one behind it. 8 bytes behind
    // the text are readable.
    const std::uint32_t* token = nullptr;
    std::size_t bytes = 0;  // of the value
};

}  // namespace millrace::core
