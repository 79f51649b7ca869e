// What: `*` wildcards: `*` is any run of bytes (none too, dots too), `\*` and `\\` are the
//       characters. The pattern covers the whole text. Two stars in a row are refused, as
//       event-ruler does.
// Threads: values. Lifetime: owns its pieces.
// Limits: kWildcardBytesMax, kWildcardStarsMax.
// Failure: Error with the byte position.
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::matcher {

struct Wildcard {
    // The literal runs between the stars: "a*b" is {"a", "b"}, "*" is {"", ""}, "a" is {"a"}.
    std::vector<std::string> pieces;

    bool matches(std::string_view text) const;
    std::size_t stars() const { return pieces.size() - 1; }
};

core::Result<Wildcard> parse_wildcard(std::string_view text);

// True when an unescaped star is in the text.
bool has_star(std::string_view wildcard);

// The text that reads as this wildcard.
std::string wildcard_text(const Wildcard& wildcard);

// Whether `wider` surely matches whatever the wildcard `narrower` does. What has escapes counts as
// covered only by itself.
bool covers(const Wildcard& wider, std::string_view narrower);

}  // namespace millrace::matcher
