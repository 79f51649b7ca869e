// What: `pattern` of a call on dead letters: as a subscription's, stars are wildcards. Empty: any.
// Threads: values. Lifetime: owns its text. Limits: a wildcard's (matcher/filter/wildcard.h).
// Failure: an Error in `pattern`, with the byte position.
#pragma once

#include "core/result.h"
#include "matcher/filter/wildcard.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime::api {

class LetterPattern {
public:
    static core::Result<LetterPattern> parse(std::string text) {
        LetterPattern out;
        if (!matcher::has_star(text)) {
            out.exact_ = std::move(text);
            return out;
        }
        auto wildcard = matcher::parse_wildcard(text);
        if (!wildcard) return core::fail(std::move(wildcard.error()).in("pattern"));
        out.wildcard_ = std::move(*wildcard);
        return out;
    }

    bool any() const { return exact_.empty() && !wildcard_; }
    // What the store compares with, a view of this; empty: fits() says.
    std::string_view exact() const { return exact_; }
    bool fits(std::string_view pattern) const {
        return wildcard_ ? wildcard_->matches(pattern) : exact_.empty() || exact_ == pattern;
    }

private:
    std::string exact_;
    std::optional<matcher::Wildcard> wildcard_;
};

}  // namespace millrace::runtime::api
