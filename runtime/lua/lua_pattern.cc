// The matcher of Lua 5.1 (Roberto Ierusalimschy, MIT licence) written anew with counted steps. The
// recursion is bounded by kDepthMax; loops over the subject count one step a byte.
#include "runtime/lua/lua_pattern.h"

#include <cctype>
#include <cstring>

namespace millrace::runtime {
namespace {

constexpr char kEscape = '%';

int byte_at(const char* p) { return static_cast<unsigned char>(*p); }

bool match_class(int c, int class_letter) {
    bool hit = false;
    switch (std::tolower(class_letter)) {
        case 'a': hit = std::isalpha(c) != 0; break;
        case 'c': hit = std::iscntrl(c) != 0; break;
        case 'd': hit = std::isdigit(c) != 0; break;
        case 'g': hit = std::isgraph(c) != 0; break;
        case 'l': hit = std::islower(c) != 0; break;
        case 'p': hit = std::ispunct(c) != 0; break;
        case 's': hit = std::isspace(c) != 0; break;
        case 'u': hit = std::isupper(c) != 0; break;
        case 'w': hit = std::isalnum(c) != 0; break;
        case 'x': hit = std::isxdigit(c) != 0; break;
        case 'z': hit = c == 0; break;
        default: return class_letter == c;
    }
    return std::isupper(class_letter) ? !hit : hit;
}

}  // namespace

bool LuaPattern::step() {
    if (steps_left_ == 0) return fail("pattern is too complex: too many steps") != nullptr;
    --steps_left_;
    if ((steps_left_ & 1023) == 0 && stop_ && *stop_ != 0) return fail("stopped") != nullptr;
    return true;
}

const char* LuaPattern::match(const char* at, const char* pattern) {
    level_ = 0;
    depth_left_ = kDepthMax;
    const char* end = do_match(at, pattern);
    if (!end || error_) return nullptr;
    for (int i = 0; i < level_; ++i) {
        if (captures_[i].bytes == Capture::kOpen)
            return fail("malformed pattern (unfinished capture)");
    }
    return end;
}

const char* LuaPattern::class_end(const char* p) {
    if (*p++ == kEscape) {
        if (p >= pattern_end_) return fail("malformed pattern (ends with '%')");
        return p + 1;
    }
    if (p[-1] != '[') return p;
    if (p < pattern_end_ && *p == '^') ++p;
    do {  // the first ']' is a member of the set
        if (p >= pattern_end_) return fail("malformed pattern (missing ']')");
        const char c = *p++;
        if (c == kEscape && p < pattern_end_) ++p;
    } while (p >= pattern_end_ || *p != ']');
    return p + 1;
}

// `p` stands on '[', `ec` on the closing ']'.
bool LuaPattern::match_set(int c, const char* p, const char* ec) const {
    bool wanted = true;
    if (p[1] == '^') {
        wanted = false;
        ++p;
    }
    while (++p < ec) {
        if (*p == kEscape) {
            ++p;
            if (match_class(c, byte_at(p))) return wanted;
        } else if (p[1] == '-' && p + 2 < ec) {
            p += 2;
            if (byte_at(p - 2) <= c && c <= byte_at(p)) return wanted;
        } else if (byte_at(p) == c) {
            return wanted;
        }
    }
    return !wanted;
}

bool LuaPattern::single_match(const char* s, const char* p, const char* ep) const {
    if (s >= end_) return false;
    const int c = byte_at(s);
    switch (*p) {
        case '.': return true;
        case kEscape: return match_class(c, byte_at(p + 1));
        case '[': return match_set(c, p, ep - 1);
        default: return byte_at(p) == c;
    }
}

const char* LuaPattern::match_balance(const char* s, const char* p) {
    if (pattern_end_ - p < 2) return fail("malformed pattern (missing arguments to '%b')");
    if (s >= end_ || *s != *p) return nullptr;
    const char open = *p;
    const char close = p[1];
    int depth = 1;
    while (++s < end_) {
        if (!step()) return nullptr;
        if (*s == close) {
            if (--depth == 0) return s + 1;
        } else if (*s == open) {
            ++depth;
        }
    }
    return nullptr;
}

const char* LuaPattern::max_expand(const char* s, const char* p, const char* ep) {
    std::ptrdiff_t i = 0;
    while (single_match(s + i, p, ep)) {
        if (!step()) return nullptr;
        ++i;
    }
    for (; i >= 0; --i) {
        if (!step()) return nullptr;
        const char* end = do_match(s + i, ep + 1);
        if (end || error_) return end;
    }
    return nullptr;
}

const char* LuaPattern::min_expand(const char* s, const char* p, const char* ep) {
    for (;;) {
        if (!step()) return nullptr;
        const char* end = do_match(s, ep + 1);
        if (end || error_) return end;
        if (!single_match(s, p, ep)) return nullptr;
        ++s;
    }
}

const char* LuaPattern::start_capture(const char* s, const char* p, std::ptrdiff_t what) {
    if (level_ >= kCapturesMax) return fail("too many captures");
    captures_[level_].begin = s;
    captures_[level_].bytes = what;
    ++level_;
    const char* end = do_match(s, p);
    if (!end) --level_;
    return end;
}

const char* LuaPattern::end_capture(const char* s, const char* p) {
    int open = level_;
    while (--open >= 0 && captures_[open].bytes != Capture::kOpen) {
    }
    if (open < 0) return fail("invalid pattern capture");
    captures_[open].bytes = s - captures_[open].begin;
    const char* end = do_match(s, p);
    if (!end) captures_[open].bytes = Capture::kOpen;
    return end;
}

const char* LuaPattern::match_capture(const char* s, int digit) {
    const int index = digit - '1';
    if (index < 0 || index >= level_ || captures_[index].bytes < 0)
        return fail("invalid capture index");
    const std::ptrdiff_t bytes = captures_[index].bytes;
    if (end_ - s < bytes) return nullptr;
    if (steps_left_ < static_cast<std::uint64_t>(bytes))
        return fail("pattern is too complex: too many steps");
    steps_left_ -= static_cast<std::uint64_t>(bytes);
    if (!step()) return nullptr;
    return std::memcmp(captures_[index].begin, s, static_cast<std::size_t>(bytes)) == 0 ? s + bytes
                                                                                        : nullptr;
}

// `p` stands behind "%f"; answers where the pattern goes on.
const char* LuaPattern::match_frontier(const char*& s, const char* p, bool& matched) {
    if (p >= pattern_end_ || *p != '[') return fail("missing '[' after '%f' in pattern");
    const char* ep = class_end(p);
    if (!ep) return nullptr;
    const int before = s == begin_ ? 0 : byte_at(s - 1);
    const int here = s < end_ ? byte_at(s) : 0;
    matched = !match_set(before, p, ep - 1) && match_set(here, p, ep - 1);
    return ep;
}

const char* LuaPattern::do_match(const char* s, const char* p) {  // NOLINT(misc-no-recursion)
    if (error_) return nullptr;
    if (depth_left_ == 0) return fail("pattern is too complex: nested too deep");
    struct Depth {
        int& left;
        explicit Depth(int& l) : left(l) { --left; }
        ~Depth() { ++left; }
    } depth(depth_left_);  // no Lua in here: nothing jumps over this
    for (;;) {
        if (!step()) return nullptr;
        if (p >= pattern_end_) return s;
        switch (*p) {
            case '(':
                if (p + 1 < pattern_end_ && p[1] == ')')
                    return start_capture(s, p + 2, Capture::kPosition);
                return start_capture(s, p + 1, Capture::kOpen);
            case ')': return end_capture(s, p + 1);
            case '$':
                if (p + 1 == pattern_end_) return s == end_ ? s : nullptr;
                break;
            case kEscape: {
                const char next = p + 1 < pattern_end_ ? p[1] : '\0';
                if (next == 'b') {
                    s = match_balance(s, p + 2);
                    if (!s) return nullptr;
                    p += 4;
                    continue;
                }
                if (next == 'f') {
                    bool matched = false;
                    p = match_frontier(s, p + 2, matched);
                    if (!p || !matched) return nullptr;
                    continue;
                }
                if (next >= '0' && next <= '9') {
                    s = match_capture(s, next);
                    if (!s) return nullptr;
                    p += 2;
                    continue;
                }
                break;
            }
            default: break;
        }
        const char* ep = class_end(p);
        if (!ep) return nullptr;
        const char suffix = ep < pattern_end_ ? *ep : '\0';
        if (suffix == '?') {
            if (single_match(s, p, ep)) {
                const char* end = do_match(s + 1, ep + 1);
                if (end || error_) return end;
            }
            p = ep + 1;
        } else if (suffix == '*') {
            return max_expand(s, p, ep);
        } else if (suffix == '+') {
            return single_match(s, p, ep) ? max_expand(s + 1, p, ep) : nullptr;
        } else if (suffix == '-') {
            return min_expand(s, p, ep);
        } else {
            if (!single_match(s, p, ep)) return nullptr;
            ++s;
            p = ep;
        }
    }
}

}  // namespace millrace::runtime
