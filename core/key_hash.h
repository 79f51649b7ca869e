// What: the 64-bit hash of short strings that the parser, the field plan and the matcher share.
// Threads: pure. Lifetime: none. Failure: none.
// Limits: not against an attacker who chooses the keys: users bound their probes or compare on a
//       hit.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::core {

inline std::uint64_t load_u64(const char* p) {
    std::uint64_t v;
    std::memcpy(&v, p, 8);
    return v;
}
inline std::uint32_t load_u32(const char* p) {
    std::uint32_t v;
    std::memcpy(&v, p, 4);
    return v;
}

// 128-bit product folded: every input bit reaches every output bit.
inline std::uint64_t mix_u64(std::uint64_t a, std::uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline constexpr std::uint64_t kHashSeedA = 0xa0761d6478bd642fULL;
inline constexpr std::uint64_t kHashSeedB = 0xe7037ed1a0b428dbULL;

inline std::uint64_t hash_key(const char* p, std::size_t bytes) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    if (bytes >= 8) {
        if (bytes > 16) return XXH3_64bits(p, bytes);
        a = load_u64(p);
        b = load_u64(p + bytes - 8);
    } else if (bytes >= 4) {
        a = load_u32(p);
        b = load_u32(p + bytes - 4);
    } else if (bytes > 0) {
        a = (static_cast<std::uint64_t>(static_cast<unsigned char>(p[0])) << 16) |
            (static_cast<std::uint64_t>(static_cast<unsigned char>(p[bytes / 2])) << 8) |
            static_cast<unsigned char>(p[bytes - 1]);
    }
    return mix_u64(a ^ kHashSeedA ^ bytes, b ^ kHashSeedB);
}
inline std::uint64_t hash_key(std::string_view key) { return hash_key(key.data(), key.size()); }

// Are both equal? For the short texts that names and patterns are, by loads that may overlap and
// without a call.
inline bool equal_bytes(const char* a, const char* b, std::size_t size) {
    if (size >= 8) {
        std::uint64_t differ = load_u64(a + size - 8) ^ load_u64(b + size - 8);
        for (std::size_t at = 0; at + 8 < size; at += 8)
            differ |= load_u64(a + at) ^ load_u64(b + at);
        return differ == 0;
    }
    if (size >= 4) {
        return ((load_u32(a) ^ load_u32(b)) | (load_u32(a + size - 4) ^ load_u32(b + size - 4))) ==
               0;
    }
    return size == 0 || (a[0] == b[0] && a[size / 2] == b[size / 2] && a[size - 1] == b[size - 1]);
}

}  // namespace millrace::core
