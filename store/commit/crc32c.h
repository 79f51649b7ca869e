// What: CRC-32C (Castagnoli), the checksum of every record on disk. The processor's instruction
//       where there is one (x86-64-v2 has it), a table otherwise.
// Threads: any. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::store {

// Pass the result of one piece as `crc` of the next.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t crc = 0);

// Of a whole record but its four-byte checksum field, which begins at field_begin.
inline std::uint32_t record_crc(std::string_view record, std::size_t field_begin) {
    return crc32c(record.substr(field_begin + sizeof(std::uint32_t)),
                  crc32c(record.substr(0, field_begin)));
}

}  // namespace millrace::store
