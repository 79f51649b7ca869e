#include "core/json_walker.h"

#include "core/json_string.h"

namespace millrace::core {

std::string_view JsonWalker::resolve(std::string_view raw, TextArena& arena) {
    char* out = arena.reserve(raw.size());
    const std::size_t bytes = unescape(raw.data(), raw.data() + raw.size(), out);
    arena.keep(bytes);
    return {out, bytes};
}

bool JsonWalker::escapes(std::string_view raw) {
    const auto begin = static_cast<std::uint32_t>(raw.data() - base_);
    const auto end = begin + static_cast<std::uint32_t>(raw.size());
    // it was between tokens: whoever met it has failed
    if (backslash_ < begin) find_backslash(begin);
    if (backslash_ >= end) return true;
    if (const char* bad = check_escapes(raw.data(), raw.data() + raw.size())) {
        return fail(JsonFault::kBadEscape, static_cast<std::uint32_t>(bad - base_));
    }
    escaped_ = raw.data();
    find_backslash(end);
    return true;
}

bool JsonWalker::skip_scalar(char c) {
    if (c == '"') {
        std::string_view raw;
        return string(raw);
    }
    if (is_digit(c) || c == '-') {
        std::string_view text;
        return number(text);
    }
    if (c == 't' || c == 'f' || c == 'n') return literal();
    return fail_here(JsonFault::kExpectedValue);
}

bool JsonWalker::skip_value() {
    char c = peek();
    if (c != '{' && c != '[') return skip_scalar(c);
    const std::uint32_t outside = depth_;
    // Bit d: the container at depth d is an object. kJsonDepthMax bits.
    static_assert(kJsonDepthMax <= 64);
    std::uint64_t objects = 0;
    std::string_view name;
    std::uint64_t hash = 0;
    for (;;) {
        if (c == '{') {
            if (!enter_object()) return false;
            objects |= 1ULL << (depth_ - 1);
            if (!object_is_empty()) {
                if (!key(name, hash)) return false;
                c = peek();
                continue;
            }
        } else if (c == '[') {
            if (!enter_array()) return false;
            objects &= ~(1ULL << (depth_ - 1));
            if (!array_is_empty()) {
                c = peek();
                continue;
            }
        } else if (!skip_scalar(c)) {
            return false;
        }
        // A value has ended; so may the containers around it.
        bool more = false;
        while (!more) {
            if (depth_ == outside) return true;
            if ((objects >> (depth_ - 1)) & 1u) {
                if (!more_members(more)) return false;
                if (more && !key(name, hash)) return false;
            } else if (!more_elements(more)) {
                return false;
            }
        }
        c = peek();
    }
}

}  // namespace millrace::core
