# What: builds LuaJIT from Debian's own source package with -DLUAJIT_ENABLE_CHECKHOOK, so that code
#   which the JIT has compiled obeys a hook: a handler's deadline stops any loop.
# Failure: luajit_build returns 1 and has said why; the caller falls back to Debian's library, with
#   which handlers run with the JIT off.
# Needs common.sh and apt.sh.

# Bump when the build below changes, so that an older prefix is built anew.
luajit_recipe="checkhook-1"

# What make is told beside that, for another machine (arm64.sh).
luajit_cross=()

# The prefix: MILLRACE_THIRD_PARTY/luajit when that is set (several checkouts share one build), else
# third_party/luajit in the repository.
luajit_prefix() { echo "${MILLRACE_THIRD_PARTY:-$millrace_root/third_party}/luajit"; }

luajit_ready() {
    local prefix
    prefix="$(luajit_prefix)"
    [ -f "$prefix/lib/libluajit.a" ] && [ -f "$prefix/include/lua.h" ] &&
        [ "$(cat "$prefix/recipe" 2>/dev/null)" = "$luajit_recipe" ]
}

luajit_build() {
    local prefix work source log
    prefix="$(luajit_prefix)"
    mkdir -p "$prefix" 2>/dev/null || {
        say "cannot write to $prefix; set MILLRACE_THIRD_PARTY to a folder that can be written"
        return 1
    }
    apt_enable_sources || return 1
    work="$(mktemp -d)"
    log="$prefix/build.log"
    say "building LuaJIT with CHECKHOOK from Debian's source package (log: $log)"
    if ! (cd "$work" && apt-get source --download-only -qq luajit && dpkg-source --no-check -x luajit_*.dsc luajit) >"$log" 2>&1; then
        say "Debian's source package of luajit could not be fetched; the last lines of $log:"
        tail -n 5 "$log" >&2
        rm -rf "$work"
        return 1
    fi
    source="$work/luajit"
    # Position independent, since the server is a PIE; amalgamated, since that is the faster build.
    if ! make -C "$source/src" -j"$(build_jobs)" amalg BUILDMODE=static \
        CC="${CC:-gcc}" STATIC_CC="${CC:-gcc} -fPIC" \
        XCFLAGS="-DLUAJIT_ENABLE_CHECKHOOK" "${luajit_cross[@]}" >>"$log" 2>&1; then
        say "LuaJIT did not compile; the last lines of $log:"
        tail -n 5 "$log" >&2
        rm -rf "$work"
        return 1
    fi
    mkdir -p "$prefix/include" "$prefix/lib"
    install -m 644 "$source"/src/{lua.h,luaconf.h,lualib.h,lauxlib.h,lua.hpp,luajit.h} "$prefix/include/"
    install -m 644 "$source/src/libluajit.a" "$prefix/lib/"
    install -m 644 "$source/COPYRIGHT" "$prefix/"
    echo "$luajit_recipe" >"$prefix/recipe"
    rm -rf "$work"
}
