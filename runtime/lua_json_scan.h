// What: finds the members and elements of validated JSON text, one step at a time, without building
//       anything. The lazy views stand on it.
// Threads: pure functions. Lifetime: pointers into the text.
// Limits: no recursion, so no depth. Never reads at or behind `end`, whatever the text is.
// Failure: on text that is not JSON it stops early; it does not judge.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::runtime::json_scan {

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

inline const char* skip_space(const char* p, const char* end) {
    while (p < end && is_space(*p)) ++p;
    return p;
}

// `p` stands behind the opening quote; returns the closing quote, or `end`.
inline const char* string_end(const char* p, const char* end, bool& escaped) {
    for (;;) {
#if defined(__SSE2__)
        while (end - p >= 16) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
            const __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                                             _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
            const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hit));
            if (mask != 0) [[likely]] {
                p += std::countr_zero(mask);
                if (*p == '"') return p;
                break;
            }
            p += 16;
        }
#endif
        while (p < end && *p != '"' && *p != '\\') ++p;
        if (p >= end || *p == '"') return p;
        escaped = true;
        p += 2;
        if (p >= end) return end;
    }
}

// `p` stands behind the opening bracket; returns behind the closing one, or `end`.
inline const char* container_end(const char* p, const char* end) {
    unsigned depth = 1;
    bool escaped = false;
    for (;;) {
#if defined(__SSE2__)
        // '[' and ']' differ from '{' and '}' by bit 0x20 alone.
        while (end - p >= 16) {
            const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
            const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            const __m128i hit =
                _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')),
                             _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')),
                                          _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'))));
            const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hit));
            if (mask != 0) {
                p += std::countr_zero(mask);
                break;
            }
            p += 16;
        }
#endif
        while (p < end && *p != '"' && *p != '{' && *p != '}' && *p != '[' && *p != ']') ++p;
        if (p >= end) return end;
        const char c = *p++;
        if (c == '"') {
            p = string_end(p, end, escaped);
            if (p >= end) return end;
            ++p;
        } else if (c == '{' || c == '[') {
            ++depth;
        } else if (--depth == 0) {
            return p;
        }
    }
}

// `p` stands on the first byte of a value; returns behind its last one.
inline const char* value_end(const char* p, const char* end) {
    if (p >= end) return end;
    if (*p == '"') {
        bool escaped = false;
        p = string_end(p + 1, end, escaped);
        return p < end ? p + 1 : end;
    }
    if (*p == '{' || *p == '[') return container_end(p + 1, end);
    while (p < end && *p != ',' && *p != '}' && *p != ']' && !is_space(*p)) ++p;
    return p;
}

}  // namespace millrace::runtime::json_scan
