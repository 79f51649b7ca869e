// What: finds the members and elements of validated JSON text, one step at a time, without building
//       anything. The lazy views stand on it.
// Threads: pure functions. Lifetime: pointers into the text.
// Limits: no recursion, so no depth. Never reads at or behind `end`, whatever the text is.
// Failure: on text that is not JSON it stops early; it does not judge.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::runtime::json_scan {

// Between tokens of valid JSON nothing else is below '!', so that one comparison tells.
inline bool is_space(char c) { return static_cast<unsigned char>(c) <= ' '; }

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

// The levels of nesting in a text.
inline int nesting(const char* p, const char* end) {
    int depth = 0;
    int deepest = 0;
    bool escaped = false;
    for (; p < end; ++p) {
        if (*p == '"') {
            p = string_end(p + 1, end, escaped);
            if (p >= end) break;
        } else if (*p == '{' || *p == '[') {
            if (++depth > deepest) deepest = depth;
        } else if (*p == '}' || *p == ']') {
            --depth;
        }
    }
    return deepest;
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

// The first byte of the value of the top-level member "payload" of the object that begins at `p`;
// null when there is none. One step at a time: any text, any order. A key with escapes is not
// taken.
inline const char* find_payload_stepwise(const char* p, const char* end) {
    p = skip_space(p, end);
    if (p >= end || *p != '{') return nullptr;
    ++p;
    for (;;) {
        p = skip_space(p, end);
        if (p < end && *p == ',') p = skip_space(p + 1, end);
        if (p >= end || *p != '"') return nullptr;
        const char* key = p + 1;
        bool escaped = false;
        p = string_end(key, end, escaped);
        const bool hit = p - key == 7 && std::memcmp(key, "payload", 7) == 0;
        p = skip_space(p < end ? p + 1 : end, end);
        if (p >= end || *p != ':') return nullptr;
        p = skip_space(p + 1, end);
        if (hit) return p < end ? p : nullptr;
        p = value_end(p, end);
    }
}

#if defined(__SSE2__)
// Bit i: byte i of 64 is of that kind.
struct BlockMasks {
    std::uint64_t quote = 0;
    std::uint64_t open = 0;   // { [
    std::uint64_t close = 0;  // } ]
    std::uint64_t backslash = 0;
    std::uint64_t letter_p = 0;
};

inline BlockMasks masks_of(const char* block) {
    BlockMasks masks;
    for (int i = 0; i < 4; ++i) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + i * 16));
        const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
        const auto put = [&](std::uint64_t& mask, __m128i hit) {
            mask |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(hit)))
                    << (i * 16);
        };
        put(masks.quote, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
        put(masks.open, _mm_cmpeq_epi8(folded, _mm_set1_epi8('{')));
        put(masks.close, _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
        put(masks.backslash, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
        put(masks.letter_p, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('p')));
    }
    return masks;
}

// Bit i: an odd number of bits of `mask` are at or below i.
inline std::uint64_t prefix_xor(std::uint64_t mask) {
    for (int shift = 1; shift < 64; shift <<= 1) mask ^= mask << shift;
    return mask;
}

// What almost every handler does first is event.payload. A walk from token to token waits for each
// one's end (105 ns to byte 170 of the invoice event); this looks at 64 bytes at once: strings
// are told from the parity of quotes, depth by counting brackets outside of them. Any backslash
// before the hit, and the stepwise walk decides.
inline const char* find_payload(const char* p, const char* end) {
    const char* const begin = p;
    std::uint64_t in_string_carry = 0;
    int depth = 0;
    for (; end - p >= 64; p += 64) {
        const BlockMasks masks = masks_of(p);
        if (masks.backslash != 0) break;
        const std::uint64_t in_string = prefix_xor(masks.quote) ^ in_string_carry;
        const std::uint64_t opens = masks.open & ~in_string;
        const std::uint64_t closes = masks.close & ~in_string;
        // The key's own first letter must lie in the block; a quote in the last byte is stepped
        // over.
        std::uint64_t hits = masks.quote & in_string & (masks.letter_p >> 1);
        if (masks.quote & in_string & (std::uint64_t{1} << 63)) break;
        for (; hits != 0; hits &= hits - 1) {
            const int at = std::countr_zero(hits);
            const char* key = p + at + 1;
            if (end - key < 10 || std::memcmp(key, "payload\"", 8) != 0) continue;
            const std::uint64_t below = (std::uint64_t{1} << at) - 1;
            if (depth + std::popcount(opens & below) - std::popcount(closes & below) != 1) continue;
            const char* value = skip_space(key + 8, end);
            if (value >= end || *value != ':') continue;  // a value of that text
            value = skip_space(value + 1, end);
            return value < end ? value : nullptr;
        }
        depth += std::popcount(opens) - std::popcount(closes);
        in_string_carry = static_cast<std::uint64_t>(static_cast<std::int64_t>(in_string) >> 63);
    }
    return find_payload_stepwise(begin, end);
}
#else
inline const char* find_payload(const char* p, const char* end) {
    return find_payload_stepwise(p, end);
}
#endif

}  // namespace millrace::runtime::json_scan
