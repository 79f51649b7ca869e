// What: where a JSON value stands among the tokens of a text that has been read and checked.
// Threads: values. Lifetime: borrows text and tokens.
// Limits: none. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::core {

struct JsonPlace {
    const char* base = nullptr;  // tokens count from here
    // Of the value's first byte; those of the rest of it follow, and one behind it. 8 bytes behind
    // the text are readable.
    const std::uint32_t* token = nullptr;
    std::size_t bytes = 0;  // of the value
    bool is_plain = false;  // it is known that there is no backslash in it
};

// Behind the value at `token`: an object or an array with all that is in it, or any other one.
inline const std::uint32_t* behind_value(const char* base, const std::uint32_t* token) {
    char c = base[*token++];
    if (c != '{' && c != '[') return token;
    for (unsigned inside = 1; inside != 0;) {
        c = static_cast<char>(base[*token++] | 0x20);  // '[' as '{', ']' as '}'
        inside += c == '{';
        inside -= c == '}';
    }
    return token;
}

// At a string: what stands between its quotes, escapes and all.
inline std::string_view text_at(const char* base, const std::uint32_t* token) {
    const char* const open = base + token[0] + 1;
    const char* close = base + token[1] - 1;
    while (*close != '"') --close;
    return {open, static_cast<std::size_t>(close - open)};
}

}  // namespace millrace::core
