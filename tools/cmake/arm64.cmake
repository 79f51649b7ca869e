# Toolchain file: for arm64 on another machine, against a sysroot of Debian's packages (tools/lib/arm64.sh
# lays it out: librocksdb-dev and libsimdjson-dev can't be installed beside those of this machine). Tests
# run under qemu-user, which knows no io_uring: sockets are epoll there, and times mean nothing.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

if(DEFINED ENV{MILLRACE_ARM64_SYSROOT})
    set(millrace_sysroot $ENV{MILLRACE_ARM64_SYSROOT})
else()
    set(millrace_sysroot ${CMAKE_CURRENT_LIST_DIR}/../../third_party/arm64/sysroot)
endif()
cmake_path(ABSOLUTE_PATH millrace_sysroot NORMALIZE)
set(MILLRACE_LUAJIT_ROOT ${millrace_sysroot}/../luajit CACHE PATH "LuaJIT for arm64")

# libc, libstdc++ and their headers are the cross compiler's own; everything else is in the sysroot.
set(CMAKE_C_FLAGS_INIT "-isystem ${millrace_sysroot}/usr/include -isystem ${millrace_sysroot}/usr/include/aarch64-linux-gnu")
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT}")
set(millrace_libraries ${millrace_sysroot}/usr/lib/aarch64-linux-gnu)
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-L${millrace_libraries} -Wl,-rpath-link,${millrace_libraries}:${millrace_sysroot}/lib/aarch64-linux-gnu")
set(CMAKE_NO_SYSTEM_FROM_IMPORTED OFF)

set(CMAKE_FIND_ROOT_PATH ${millrace_sysroot})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${millrace_libraries}/pkgconfig:${millrace_sysroot}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${millrace_sysroot})

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;${millrace_sysroot})
