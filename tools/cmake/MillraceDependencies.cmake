# Every third-party part, found once, with the name of its Debian 12 package beside it. What has no
# CMake or pkg-config file of its own becomes a target Millrace::<name> here. All are imported targets
# or live in /usr/include, so their headers count as system headers and our warnings skip them.
#   Millrace::luajit   handlers' Lua, built by tools/setup with hooks in compiled code
#   Millrace::llhttp   the HTTP/1.1 parser, compiled from Debian's C sources
#   Millrace::rocksdb  the store
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(GTest REQUIRED)                                   # libgtest-dev
find_package(benchmark REQUIRED)                               # libbenchmark-dev
find_package(OpenSSL REQUIRED)                                 # libssl-dev
find_package(ZLIB REQUIRED)                                    # zlib1g-dev
find_package(CURL REQUIRED)                                    # libcurl4-openssl-dev
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson)  # libsimdjson-dev
pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)        # libpq-dev
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)    # libhiredis-dev
# Its -D_FILE_OFFSET_BITS=64 changes nothing where a file's offsets are 64 bits anyway, but renames open to open64:
# past the simulated disk.
set_target_properties(PkgConfig::hiredis PROPERTIES INTERFACE_COMPILE_OPTIONS "" INTERFACE_COMPILE_DEFINITIONS "")
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka)    # librdkafka-dev
pkg_check_modules(librabbitmq REQUIRED IMPORTED_TARGET librabbitmq)  # librabbitmq-dev
pkg_check_modules(liburing REQUIRED IMPORTED_TARGET liburing)  # liburing-dev
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2) # libnghttp2-dev
pkg_check_modules(libhs REQUIRED IMPORTED_TARGET libhs)        # libhyperscan-dev | libvectorscan-dev
pkg_check_modules(lz4 REQUIRED IMPORTED_TARGET liblz4)         # liblz4-dev
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)        # libzstd-dev
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)   # libxxhash-dev
find_package(tomlplusplus REQUIRED)                            # libtomlplusplus-dev: tomlplusplus::tomlplusplus
find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)                  # libcli11-dev: header only, no target needed
find_path(CONCURRENTQUEUE_INCLUDE concurrentqueue/concurrentqueue.h REQUIRED) # libconcurrentqueue-dev
find_path(TL_EXPECTED_INCLUDE tl/expected.hpp REQUIRED)        # libexpected-dev
find_package(date REQUIRED)                                    # libhowardhinnant-date-dev: date::date-tz

# RocksDB: the shared library, since the static one brings 33 MiB of archive into the link of every test
# that uses the store. It is built with RTTI and with its assertions on.
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)                 # librocksdb-dev
add_library(Millrace::rocksdb UNKNOWN IMPORTED GLOBAL)
set_target_properties(Millrace::rocksdb PROPERTIES IMPORTED_LOCATION ${ROCKSDB_LIBRARY})

# llhttp: Debian has it as C sources inside node-llhttp, with no library.
find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH REQUIRED)  # node-llhttp
find_path(LLHTTP_INCLUDE_DIR llhttp.h PATHS /usr/share/include/llhttp /usr/include/llhttp
    NO_DEFAULT_PATH REQUIRED)
add_library(millrace_llhttp STATIC
    ${LLHTTP_SOURCE_DIR}/llhttp.c ${LLHTTP_SOURCE_DIR}/api.c ${LLHTTP_SOURCE_DIR}/http.c)
target_include_directories(millrace_llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
target_compile_options(millrace_llhttp PRIVATE -w)
set_target_properties(millrace_llhttp PROPERTIES UNITY_BUILD OFF)
add_library(Millrace::llhttp ALIAS millrace_llhttp)

# LuaJIT, in this order: MILLRACE_LUAJIT_ROOT if given; what tools/setup built in third_party/ (or in
# $MILLRACE_THIRD_PARTY); a machine-wide copy in /opt; and last Debian's own library, which does not
# look at hooks inside compiled code. MILLRACE_LUAJIT_NO_CHECKHOOK tells the runtime so: it must
# switch the JIT off for handlers then.
set(MILLRACE_LUAJIT_ROOT "" CACHE PATH "Prefix of a LuaJIT built with -DLUAJIT_ENABLE_CHECKHOOK")
set(millrace_luajit_prefix "")
foreach(prefix IN ITEMS
        "${MILLRACE_LUAJIT_ROOT}" "$ENV{MILLRACE_THIRD_PARTY}/luajit"
        "${PROJECT_SOURCE_DIR}/third_party/luajit" /opt/millrace-luajit)
    if(prefix AND EXISTS "${prefix}/recipe" AND EXISTS "${prefix}/lib/libluajit.a")
        set(millrace_luajit_prefix "${prefix}")
        break()
    endif()
endforeach()
add_library(Millrace::luajit INTERFACE IMPORTED GLOBAL)
if(millrace_luajit_prefix)
    message(STATUS "LuaJIT with CHECKHOOK: ${millrace_luajit_prefix}")
    target_include_directories(Millrace::luajit INTERFACE ${millrace_luajit_prefix}/include)
    target_link_libraries(Millrace::luajit INTERFACE
        ${millrace_luajit_prefix}/lib/libluajit.a m ${CMAKE_DL_LIBS})
else()
    message(WARNING "No LuaJIT built with CHECKHOOK was found (tools/setup builds one). Using Debian's "
        "libluajit-5.1-dev: handlers will run WITHOUT the JIT, several times slower.")
    pkg_check_modules(luajit REQUIRED IMPORTED_TARGET luajit)
    target_link_libraries(Millrace::luajit INTERFACE PkgConfig::luajit)
    target_compile_definitions(Millrace::luajit INTERFACE MILLRACE_LUAJIT_NO_CHECKHOOK=1)
endif()
