# Every third-party part, found once. Debian 12 package names stand beside each.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(GTest REQUIRED)                                   # libgtest-dev
find_package(benchmark REQUIRED)                               # libbenchmark-dev
find_package(OpenSSL REQUIRED)                                 # libssl-dev
find_package(CURL REQUIRED)                                    # libcurl4-openssl-dev
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson)  # libsimdjson-dev
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing)  # liburing-dev
pkg_check_modules(libhs REQUIRED IMPORTED_TARGET libhs)        # libhyperscan-dev | libvectorscan-dev
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)         # liblz4-dev
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)       # libzstd-dev
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)   # libxxhash-dev
find_package(spdlog REQUIRED)                                  # libspdlog-dev
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)                 # librocksdb-dev
find_path(CONCURRENTQUEUE_INCLUDE concurrentqueue/concurrentqueue.h REQUIRED) # libconcurrentqueue-dev
find_path(TL_EXPECTED_INCLUDE tl/expected.hpp REQUIRED)        # libexpected-dev
