#include "store/log/packed.h"

#include "core/assert.h"

#include <lz4.h>

namespace millrace::store {

void pack(std::string_view raw, std::string& out) {
    MR_ASSERT(raw.size() <= kPackedBytesMax);
    const std::size_t begin = out.size();
    const int bound = LZ4_compressBound(static_cast<int>(raw.size()));
    out.resize(begin + static_cast<std::size_t>(bound));
    const int got =
        LZ4_compress_default(raw.data(), out.data() + begin, static_cast<int>(raw.size()), bound);
    MR_ASSERT(got > 0);
    out.resize(begin + static_cast<std::size_t>(got));
}

bool unpack(std::string_view packed, std::size_t raw_bytes, char* out) {
    if (raw_bytes > kPackedBytesMax || packed.size() > kPackedBytesMax) return false;
    const int got = LZ4_decompress_safe(packed.data(), out, static_cast<int>(packed.size()),
                                        static_cast<int>(raw_bytes));
    return got >= 0 && static_cast<std::size_t>(got) == raw_bytes;
}

}  // namespace millrace::store
