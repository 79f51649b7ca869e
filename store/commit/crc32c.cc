#include "store/commit/crc32c.h"

#include <array>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace millrace::store {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78u;  // Castagnoli's, bits reversed

#ifdef __SSE4_2__

// A checksum's register is a vector of 32 bits, and to feed it a zero bit is a linear map: column i
// is what bit i becomes. (The method of zlib's crc32_combine, by Mark Adler.)
using Matrix = std::array<std::uint32_t, 32>;

constexpr std::uint32_t apply(const Matrix& matrix, std::uint32_t vector) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; vector != 0; vector >>= 1, ++i) {
        if (vector & 1u) sum ^= matrix[i];
    }
    return sum;
}

// Feeds so many zero bytes, a power of two.
constexpr Matrix zero_bytes(std::size_t bytes) {
    Matrix matrix{};
    matrix[0] = kPolynomial;
    for (std::size_t i = 1; i < matrix.size(); ++i) matrix[i] = 1u << (i - 1);
    for (std::size_t bits = 1; bits < bytes * 8; bits *= 2) {
        const Matrix half = matrix;
        for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = apply(half, half[i]);
    }
    return matrix;
}

// The same map as four look-ups, one for each byte of the register.
class Shift {
public:
    explicit constexpr Shift(std::size_t bytes) {
        const Matrix matrix = zero_bytes(bytes);
        for (std::size_t k = 0; k < 4; ++k) {
            for (std::uint32_t n = 0; n < 256; ++n) table_[k][n] = apply(matrix, n << (8 * k));
        }
    }
    std::uint64_t operator()(std::uint64_t crc) const {
        return table_[0][crc & 0xffu] ^ table_[1][(crc >> 8) & 0xffu] ^
               table_[2][(crc >> 16) & 0xffu] ^ table_[3][(crc >> 24) & 0xffu];
    }

private:
    std::array<std::array<std::uint32_t, 256>, 4> table_{};
};

std::uint64_t word_at(const char* p) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, sizeof(word));
    return word;
}

// The instruction takes three cycles and a new one may begin in each: three pieces side by side.
template <std::size_t kBytes>
std::uint64_t three_pieces(const char*& p, std::size_t& left, std::uint64_t state) {
    static constexpr Shift kShift(kBytes);
    for (; left >= 3 * kBytes; left -= 3 * kBytes, p += 3 * kBytes) {
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t i = 0; i < kBytes; i += 8) {
            state = _mm_crc32_u64(state, word_at(p + i));
            second = _mm_crc32_u64(second, word_at(p + kBytes + i));
            third = _mm_crc32_u64(third, word_at(p + 2 * kBytes + i));
        }
        state = kShift(kShift(state) ^ second) ^ third;
    }
    return state;
}

#else

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) ? kPolynomial : 0u);
        table[i] = value;
    }
    return table;
}
constexpr auto kTable = make_table();

#endif

}  // namespace

#ifdef __SSE4_2__

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
    const char* p = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t state = ~crc;
    state = three_pieces<4096>(p, left, state);
    state = three_pieces<256>(p, left, state);
    for (; left >= 8; left -= 8, p += 8) state = _mm_crc32_u64(state, word_at(p));
    auto low = static_cast<std::uint32_t>(state);
    for (; left > 0; --left, ++p) low = _mm_crc32_u8(low, static_cast<unsigned char>(*p));
    return ~low;
}

#else

std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc) {
    std::uint32_t state = ~crc;
    for (const char c : bytes)
        state = kTable[(state ^ static_cast<unsigned char>(c)) & 0xffu] ^ (state >> 8);
    return ~state;
}

#endif

}  // namespace millrace::store
