#include "store/crc32c.h"

#include <array>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace millrace::store {

#ifdef __SSE4_2__

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
    std::uint64_t state = ~crc;
    const char* p = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, p += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, 8);
        state = _mm_crc32_u64(state, word);
    }
    auto low = static_cast<std::uint32_t>(state);
    for (; left > 0; --left, ++p) low = _mm_crc32_u8(low, static_cast<unsigned char>(*p));
    return ~low;
}

#else

namespace {
constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) ? 0x82f63b78u : 0u);
        table[i] = value;
    }
    return table;
}
constexpr auto kTable = make_table();
}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
    std::uint32_t state = ~crc;
    for (const char c : bytes)
        state = kTable[(state ^ static_cast<unsigned char>(c)) & 0xffu] ^ (state >> 8);
    return ~state;
}

#endif

}  // namespace millrace::store
