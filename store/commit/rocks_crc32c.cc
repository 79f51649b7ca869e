#include "store/commit/rocks_crc32c.h"

#include "store/commit/crc32c.h"

#include <rocksdb/version.h>

#include <dlfcn.h>

// Another major version may mean another thing by the name.
static_assert(ROCKSDB_MAJOR >= 6 && ROCKSDB_MAJOR <= 9);

namespace rocksdb::crc32c {

std::uint32_t Extend(std::uint32_t init_crc, const char* data, std::size_t n) {
    return millrace::store::crc32c({data, n}, init_crc);
}

}  // namespace rocksdb::crc32c

namespace millrace::store {

bool use_own_crc32c() {
    // The name as the library looks it up: the program's own symbols first.
    return ::dlsym(RTLD_DEFAULT, "_ZN7rocksdb6crc32c6ExtendEjPKcm") ==
           reinterpret_cast<void*>(&rocksdb::crc32c::Extend);
}

}  // namespace millrace::store
