// What: RocksDB's crc32c by the processor's instruction. Debian builds RocksDB without SSE 4.2, so
//       that each block is summed by table twice, in the WAL and in its blob file: a tenth of an
//       append. Its shared library calls the function by name, so that a program which has one of
//       that name is asked instead: the same sum by store/commit/crc32c.h. RocksDB's files stay
//       what they are.
// Threads: any. Lifetime: none. Limits: without the shared library, or with one that binds the name
//       inside itself, RocksDB goes on with its own. Failure: none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rocksdb::crc32c {
// The sum of what init_crc is the sum of, followed by these bytes (RocksDB's util/crc32c.h).
// NOLINTNEXTLINE(readability-identifier-naming): the name is theirs
std::uint32_t Extend(std::uint32_t init_crc, const char* data, std::size_t n);
}  // namespace rocksdb::crc32c

namespace millrace::store {

// Whoever opens a RocksDB calls this once: a linker takes the function only from a file of which
// something else is wanted. True: RocksDB's library finds ours.
bool use_own_crc32c();

}  // namespace millrace::store
