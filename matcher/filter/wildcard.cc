#include "matcher/filter/wildcard.h"

#include "matcher/filter/limits.h"

namespace millrace::matcher {
namespace {

tl::unexpected<core::Error> bad(const std::string& message, std::size_t at) {
    return core::fail(core::Error(core::ErrorCode::kValidation,
                                  "wildcard: " + message + " at byte " + std::to_string(at))
                          .at(static_cast<std::int64_t>(at)));
}

}  // namespace

bool Wildcard::matches(std::string_view text) const {
    const std::string& first = pieces.front();
    if (pieces.size() == 1) return text == first;
    const std::string& last = pieces.back();
    if (text.size() < first.size() + last.size()) return false;
    if (!text.starts_with(first) || !text.ends_with(last)) return false;
    text.remove_prefix(first.size());
    text.remove_suffix(last.size());
    // The leftmost place for each piece leaves the most room for the next ones.
    for (std::size_t i = 1; i + 1 < pieces.size(); ++i) {
        const std::size_t found = text.find(pieces[i]);
        if (found == std::string_view::npos) return false;
        text.remove_prefix(found + pieces[i].size());
    }
    return true;
}

core::Result<Wildcard> parse_wildcard(std::string_view text) {
    if (text.size() > kWildcardBytesMax) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "wildcard: " + std::to_string(text.size()) +
                                                          " bytes exceed the limit of " +
                                                          std::to_string(kWildcardBytesMax))
                .bound(kWildcardBytesMax));
    }
    Wildcard out;
    out.pieces.emplace_back();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '*') {
            if (i > 0 && text[i - 1] == '*' && out.pieces.back().empty()) {
                return bad("two stars in a row mean the same as one; write one", i);
            }
            out.pieces.emplace_back();
        } else if (text[i] == '\\') {
            const char next = i + 1 < text.size() ? text[i + 1] : '\0';
            if (next != '*' && next != '\\') return bad("expected \\* or \\\\", i);
            out.pieces.back() += next;
            ++i;
        } else {
            out.pieces.back() += text[i];
        }
    }
    if (out.stars() > kWildcardStarsMax) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "wildcard: " + std::to_string(out.stars()) +
                                                          " stars exceed the limit of " +
                                                          std::to_string(kWildcardStarsMax))
                .bound(kWildcardStarsMax));
    }
    return out;
}

bool has_star(std::string_view wildcard) {
    for (std::size_t i = 0; i < wildcard.size(); ++i) {
        if (wildcard[i] == '*') return true;
        if (wildcard[i] == '\\') ++i;
    }
    return false;
}

std::string wildcard_text(const Wildcard& wildcard) {
    std::string out;
    for (const std::string& piece : wildcard.pieces) {
        if (&piece != &wildcard.pieces.front()) out += '*';
        for (const char c : piece) {
            if (c == '*' || c == '\\') out += '\\';
            out += c;
        }
    }
    return out;
}

// Stars of the narrower one are text for the wider: what it absorbs, it absorbs with anything in
// their place.
bool covers(const Wildcard& wider, std::string_view narrower) {
    const std::string text = wildcard_text(wider);
    if (text == narrower) return true;
    return text.find('\\') == std::string::npos && wider.matches(narrower);
}

}  // namespace millrace::matcher
