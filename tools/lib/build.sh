# What: configure and build for tools/run, tools/test and .ci/run. Needs common.sh.
# Output goes to stderr, so that a caller's stdout stays its own (the server's first line is JSON).

# build_targets PRESET TARGET...
build_targets() {
    local preset="$1" log
    shift
    mkdir -p "$millrace_root/build"
    log="$millrace_root/build/$preset-configure.log"
    if ! (cd "$millrace_root" && cmake --preset "$preset") >"$log" 2>&1; then
        cat "$log" >&2
        die "cmake could not configure the preset '$preset' (its lines are above)"
    fi
    # What the project warns about, such as a LuaJIT without hooks, must not drown in the log.
    sed -n '/^CMake Warning/,/^$/p' "$log" >&2
    cmake --build "$millrace_root/build/$preset" --parallel "$(build_jobs)" --target "$@" >&2
}
