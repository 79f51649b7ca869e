// What: JSON numbers: the grammar, and the nearest double.
// Threads: pure. Lifetime: none. Failure: nullptr where the grammar is broken.
// Limits: any number of digits; beyond the range of doubles the double is infinite, below it 0.
#pragma once

#include "core/json_chars.h"

#include <cstdint>

namespace millrace::core {

// `p` is at '-' or a digit. Returns the end of the number, or nullptr when it is none or is
// followed by something else than white space or an operator. A byte behind the number must be
// readable.
inline const char* scan_number(const char* p) {
    if (*p == '-') ++p;
    if (*p == '0') {
        ++p;
    } else {
        if (!is_digit(*p)) return nullptr;
        do ++p;
        while (is_digit(*p));
    }
    if (*p == '.') {
        ++p;
        if (!is_digit(*p)) return nullptr;
        do ++p;
        while (is_digit(*p));
    }
    if ((*p | 0x20) == 'e') {
        ++p;
        if (*p == '+' || *p == '-') ++p;
        if (!is_digit(*p)) return nullptr;
        do ++p;
        while (is_digit(*p));
    }
    return ends_scalar(*p) ? p : nullptr;
}

struct JsonNumber {
    double approx = 0;  // nearest double, never -0.0
    bool is_short =
        false;  // at most 15 significant digits, small exponent: doubles decide equality
};

// The text must be what scan_number() accepted.
JsonNumber decode_number(const char* begin, const char* end);

// Both at once, for text with 16 readable bytes behind it: the end of the number as scan_number()
// says it, or nullptr.
const char* read_number(const char* begin, JsonNumber& number);

}  // namespace millrace::core
