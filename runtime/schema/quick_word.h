// What: short texts and runs of characters, compared eight bytes at a time with what stands in a
//       text, whose 8 bytes behind it are readable.
// Threads: values. Lifetime: QuickName borrows its name.
// Limits: QuickWord 8 bytes. Failure: none; as it is made each equals nothing.
#pragma once

#include "core/key_hash.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::schema {

inline constexpr std::uint64_t kEachByte = 0x0101010101010101u;
inline constexpr std::uint64_t kHighBits = 0x8080808080808080u;

// The lower bytes of a word; all of them from 8 on.
inline std::uint64_t low_bytes(std::size_t count) {
    return count >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << count * 8) - 1;
}

struct QuickWord {
    std::uint64_t word = 1;
    std::uint64_t mask = 0;

    // Its first 8 bytes, where it has more.
    static QuickWord of(std::string_view text) {
        std::array<char, 8> bytes{};
        std::copy_n(text.data(), std::min(text.size(), bytes.size()), bytes.data());
        return {core::load_u64(bytes.data()), low_bytes(text.size())};
    }
    bool is_at(const char* at) const { return (core::load_u64(at) & mask) == word; }
};

// A text of a schema stands in JSON as it is, so that its quotes can be compared along with it.
inline bool stands_plainly(std::string_view text) {
    return text.find_first_of("\"\\") == std::string_view::npos;
}

// The name of a member up to the quote that closes it.
struct QuickName {
    QuickWord head;
    std::uint64_t tail = 0;  // its last 8 bytes, quote included, of those that have more
    const char* data = nullptr;
    std::uint32_t size = 0;

    static QuickName of(std::string_view name) {
        QuickName out;
        if (!stands_plainly(name)) return out;
        const std::string quoted = std::string(name) + '"';
        out.head = QuickWord::of(quoted);
        if (quoted.size() > 8) out.tail = core::load_u64(quoted.data() + quoted.size() - 8);
        out.data = name.data();
        out.size = static_cast<std::uint32_t>(name.size());
        return out;
    }
    // `at`: behind the opening quote; `bytes`: from that quote to the colon.
    bool is_at(const char* at, std::uint32_t bytes) const {
        if (bytes != size + 2 || !head.is_at(at)) return false;
        if (size < 8) return true;
        return core::load_u64(at + size - 7) == tail &&
               (size < 16 || core::equal_bytes(at, data, size));
    }
};

// Are all of them ASCII characters from `low` to `high` (each in every byte of its word)?
inline bool all_between(const char* at, std::size_t size, std::uint64_t low, std::uint64_t high) {
    for (std::size_t done = 0; done < size; done += 8) {
        const std::uint64_t word = core::load_u64(at + done);
        const std::uint64_t from_low = (word | kHighBits) - low;
        const std::uint64_t to_high = (high | kHighBits) - (word & ~kHighBits);
        const std::uint64_t good = from_low & to_high & ~word & kHighBits;
        if ((~good & kHighBits & low_bytes(size - done)) != 0) return false;
    }
    return true;
}

}  // namespace millrace::runtime::schema
