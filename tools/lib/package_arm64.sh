# What: the program and its unit tests for arm64, built here and run under qemu-user. No io_uring is there:
#   sockets are epoll's. Orders of memory that only a real arm64 shows, and times, are not tried by it.
# Needs common.sh, build.sh. Failure: `die` says what is lacking.

. "$millrace_root/tools/lib/apt.sh"
. "$millrace_root/tools/lib/packages.sh"
. "$millrace_root/tools/lib/luajit.sh"
. "$millrace_root/tools/lib/arm64.sh"

arm64_binary() { echo "$millrace_root/build/arm64/tools/millrace_packaged"; }

arm64_build() {
    "$millrace_root/tools/setup" arm64
    arm64_sysroot
    arm64_luajit
    MILLRACE_ARM64_SYSROOT="$(arm64_folder)/sysroot" build_targets arm64 millrace_packaged unit_tests
}

# MILLRACE_ARM64_TESTS: arguments for ctest, such as "-R core".
arm64_test() {
    local arguments
    read -r -a arguments <<<"${MILLRACE_ARM64_TESTS:-}"
    # Nobody answers for io_uring there, nor for seccomp.
    GTEST_FILTER='-*io_uring*:*TheRingIsRefused*' MILLRACE_WITHOUT_IO_URING=1 \
        QEMU_LD_PREFIX="$(arm64_folder)/sysroot" ctest --test-dir "$millrace_root/build/arm64" -L unit \
        --output-on-failure --timeout 1800 -j"$(build_jobs)" "${arguments[@]}" >&2 ||
        die "unit tests fail on arm64"
}
