// What: bytes as one LZ4 block, for what travels to another Millrace (runtime/hub).
// Threads: pure. Lifetime: outputs own their bytes.
// Limits: kPackedBytesMax before packing. Failure: unpack() is false for bytes that are no block of
//       that many.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::store {

inline constexpr std::size_t kPackedBytesMax = 32u << 20;
// A byte of a block stands for so many at most: what claims more is none.
inline constexpr std::size_t kPackedRatioMax = 255;

// Appended to `out`.
void pack(std::string_view raw, std::string& out);
// `raw_bytes` of them, written to `out`.
bool unpack(std::string_view packed, std::size_t raw_bytes, char* out);

}  // namespace millrace::store
