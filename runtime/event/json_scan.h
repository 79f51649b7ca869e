// What: cuts JSON text at its members without decoding or copying: the raw bytes of a value stay
//       what they were. It finds ends, it does not validate: every slice is balanced in brackets
//       and quotes, so that it can stand in a value's place of a text that is validated later.
// Threads: values. Lifetime: slices point into the text.
// Limits: core::kJsonDepthMax levels.
// Failure: nullopt or false; at() is the byte where it went wrong.
#pragma once

#include "core/limits.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace millrace::runtime {

class JsonScanner {
public:
    explicit JsonScanner(std::string_view text) : text_(text) {}

    std::size_t at() const { return at_; }
    void skip_space() {
        while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    }
    bool at_end() {
        skip_space();
        return at_ == text_.size();
    }
    // Takes this byte, blanks before it included.
    bool take(char c) {
        skip_space();
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    bool next_is(char c) {
        skip_space();
        return at_ < text_.size() && text_[at_] == c;
    }

    // A string with its quotes.
    std::optional<std::string_view> string() {
        skip_space();
        const std::size_t start = at_;
        if (!take('"')) return std::nullopt;
        while (at_ < text_.size()) {
            const char c = text_[at_++];
            if (c == '"') return text_.substr(start, at_ - start);
            if (c == '\\') ++at_;
        }
        at_ = start;
        return std::nullopt;
    }

    // Any value.
    std::optional<std::string_view> value() {
        skip_space();
        const std::size_t start = at_;
        std::array<char, core::kJsonDepthMax> closers{};
        std::size_t depth = 0;
        do {
            if (at_ >= text_.size()) return std::nullopt;
            const char c = text_[at_];
            if (c == '"') {
                if (!string()) return std::nullopt;
            } else if (c == '{' || c == '[') {
                if (depth == closers.size()) return std::nullopt;
                closers[depth++] = c == '{' ? '}' : ']';
                ++at_;
            } else if (c == '}' || c == ']') {
                if (depth == 0 || closers[depth - 1] != c) return std::nullopt;
                --depth;
                ++at_;
            } else if (depth == 0) {
                return scalar(start);
            } else {
                ++at_;
            }
        } while (depth > 0);
        return text_.substr(start, at_ - start);
    }

private:
    static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
    // A run of bytes up to what ends a number or a word.
    std::optional<std::string_view> scalar(std::size_t start) {
        constexpr std::string_view kEnds = ",]}{[\": \t\r\n";
        while (at_ < text_.size() && kEnds.find(text_[at_]) == std::string_view::npos) ++at_;
        if (at_ == start) return std::nullopt;
        return text_.substr(start, at_ - start);
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// Calls visit(key with its quotes, value) for each member of the object that is the whole text;
// false when the text is not one. visit returns false to stop (which is no failure).
template <typename Visit>
bool scan_members(std::string_view text, Visit&& visit) {
    JsonScanner in(text);
    if (!in.take('{')) return false;
    if (in.take('}')) return in.at_end();
    do {
        const auto key = in.string();
        if (!key || !in.take(':')) return false;
        const auto value = in.value();
        if (!value) return false;
        if (!visit(*key, *value)) return true;
    } while (in.take(','));
    return in.take('}') && in.at_end();
}

// The raw text of a member, "" when there is none.
inline std::string_view member_of(std::string_view object, std::string_view quoted_name) {
    std::string_view found;
    scan_members(object, [&](std::string_view key, std::string_view value) {
        if (key != quoted_name) return true;
        found = value;
        return false;
    });
    return found;
}

// As scan_members(), for the items of an array.
template <typename Visit>
bool scan_items(std::string_view text, Visit&& visit) {
    JsonScanner in(text);
    if (!in.take('[')) return false;
    if (in.take(']')) return in.at_end();
    do {
        const auto value = in.value();
        if (!value) return false;
        if (!visit(*value)) return true;
    } while (in.take(','));
    return in.take(']') && in.at_end();
}

}  // namespace millrace::runtime
