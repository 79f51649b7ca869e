# What: what a package holds beside the program, and what it is called. Needs common.sh.
# Failure: `die` says what is lacking.

package_sources="$millrace_root/tools/packaging"

# Of the project, or what MILLRACE_PACKAGE_VERSION says (tests make a later one).
package_version() {
    local version
    version="$(sed -n 's/^project(millrace VERSION \([0-9.]*\).*/\1/p' "$millrace_root/CMakeLists.txt")"
    echo "${MILLRACE_PACKAGE_VERSION:-$version}"
}

# Of the last commit, so that the same commit makes the same package.
package_epoch() {
    echo "${SOURCE_DATE_EPOCH:-$(git -C "$millrace_root" log -1 --format=%ct 2>/dev/null || date +%s)}"
}

# A part's notice as PART:FILE, where the file is; `die` where it is not: nothing is handed out without.
package_notice() {
    local part="$1" file
    shift
    for file in "$@"; do
        if [ -f "$file" ]; then
            printf '\n==== %s\n\n' "$part"
            cat "$file"
            return
        fi
    done
    die "tools/package: no licence of $part is here (looked for: $*)"
}

# package_copyright BINARY: licences of what the program has in itself: parts without a shared library, the
# console's, and those that BINARY was linked with as archives.
package_copyright() {
    local binary="$1" part doc=/usr/share/doc
    echo "Millrace"
    echo
    echo "The program has in itself, each under its own terms:"
    package_notice LuaJIT "${MILLRACE_THIRD_PARTY:-$millrace_root/third_party}/luajit/COPYRIGHT" \
        /opt/millrace-luajit/COPYRIGHT $doc/libluajit-5.1-dev/copyright
    package_notice llhttp $doc/node-llhttp/copyright
    package_notice CLI11 $doc/libcli11-dev/copyright
    package_notice concurrentqueue $doc/libconcurrentqueue-dev/copyright
    package_notice expected $doc/libexpected-dev/copyright
    package_notice toml++ $doc/libtomlplusplus-dev/copyright
    package_notice "the console" "$millrace_root/tools/console/src/LICENSES.txt"
    for part in $(package_carried "$binary"); do
        # Vectorscan is what Hyperscan is elsewhere.
        package_notice "$part" "$doc/$part/copyright" "$doc/${part/hyper/vector}/copyright"
    done
}

# Prints the Debian packages whose archives are in BINARY: those that it does not ask for as a shared library.
package_carried() {
    local needed pair
    needed="$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p')"
    for pair in librocksdb:librocksdb-dev libhs:libhyperscan-dev liburing:liburing-dev liblz4:liblz4-dev \
        libzstd:libzstd-dev libxxhash:libxxhash-dev libstdc++:libstdc++6; do
        grep -q "^${pair%%:*}\." <<<"$needed" || echo "${pair#*:}"
    done
    # RocksDB's own.
    grep -q '^librocksdb\.' <<<"$needed" || echo libsnappy-dev
}

# package_tree BINARY FOLDER: everything but the service, as it will lie on the disk. SPEAKER, when
# the binary is of another machine, is one of this machine that says the same.
package_tree() {
    local binary="$1" folder="$2" speaker="${3:-$1}" page section
    local clean=(env -u MILLRACE_PACKAGE_VERSION -u MILLRACE_THIRD_PARTY)
    install -D -m 755 "$binary" "$folder/usr/bin/millrace"
    install -D -m 644 "$package_sources/millrace.toml" "$folder/etc/millrace/millrace.toml"
    install -d "$folder/usr/share/bash-completion/completions" "$folder/usr/share/zsh/vendor-completions" \
        "$folder/usr/share/fish/vendor_completions.d" "$folder/usr/share/man"
    "${clean[@]}" "$speaker" completion bash >"$folder/usr/share/bash-completion/completions/millrace"
    "${clean[@]}" "$speaker" completion zsh >"$folder/usr/share/zsh/vendor-completions/_millrace"
    "${clean[@]}" "$speaker" completion fish >"$folder/usr/share/fish/vendor_completions.d/millrace.fish"
    python3 -B "$package_sources/man_pages.py" "$speaker" "$folder/man" "$(date -u -d "@$(package_epoch)" +%F)"
    for page in "$folder"/man/*; do
        section="${page##*.}"
        install -D -m 644 "$page" "$folder/usr/share/man/man$section/${page##*/}"
    done
    rm -r "$folder/man"
}

# Prints bytes as people read them.
package_size() { numfmt --to=iec --suffix=B "$1"; }

# package_start_ms COMMAND...: how long a server takes from nothing to its ready line; the arguments
# run the program.
package_start_ms() {
    python3 -B "$package_sources/start_time.py" "$@"
}
