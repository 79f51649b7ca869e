// What: Unicode simple case folding (CaseFolding.txt, status C and S): what "ignoring case" means.
//       Both sides are folded, then compared as bytes; so U+00C4 = U+00E4 and the Kelvin sign = k,
//       but U+00DF is not ss.
// Threads: any. Lifetime: none.
// Limits: a folded string is at most 1.5 times as long as its source.
// Failure: bytes that are not UTF-8 are kept as they are.
#pragma once

#include <string>
#include <string_view>

namespace millrace::matcher {

// Appends the folded form of `text` to `out`.
void append_folded(std::string_view text, std::string& out);
std::string folded(std::string_view text);

// True when `text` has no upper-case ASCII letter and no byte >= 0x80: it is its own folded form.
bool is_folded_ascii(std::string_view text);

}  // namespace millrace::matcher
