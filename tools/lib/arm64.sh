# What: what it takes to build for arm64 on another machine: a sysroot of Debian's packages and a LuaJIT.
#   Nothing of this machine's packages is changed: lists and archives lie beside the sysroot.
# Failure: `die` says what is lacking.
# Needs common.sh, apt.sh, luajit.sh, packages.sh.

arm64_folder() { echo "${MILLRACE_ARM64:-$millrace_root/third_party/arm64}"; }

# What is compiled against, without what this machine has of its own: compilers, scripts.
arm64_packages() {
    local word
    is_arm() { true; }
    for word in $(packages_run); do
        case "$word" in
            *=* | ca-certificates | tzdata) ;;
            *) echo "$word" ;;
        esac
    done
    echo libstdc++6
}

# apt-get for arm64 with lists and a status of its own.
arm64_apt() {
    local state
    state="$(arm64_folder)/apt"
    apt-get -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$state" \
        -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" -o Dir::Cache::pkgcache= \
        -o Dir::Etc::sourcelist="$state/debian.list" -o Dir::Etc::sourceparts=- \
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 -o APT::Install-Recommends=0 "$@"
}

# Debian's own mirror of this machine, as one line.
arm64_sources() {
    local url
    url="$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
        grep -oE 'https?://[^ ]+/debian/?([[:space:]]|$)' | head -n 1)"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${url:-http://deb.debian.org/debian} bookworm main"
}

# Links that begin at / mean the sysroot.
arm64_relink() {
    local link target
    find "$1" -type l -lname '/*' | while read -r link; do
        target="$(readlink "$link")"
        ln -sfn "$(realpath -m --relative-to="$(dirname "$link")" "$1$target")" "$link"
    done
}

arm64_sysroot() {
    local folder archive wanted
    folder="$(arm64_folder)"
    wanted="$(arm64_packages | tr ' ' '\n' | sort -u)"
    # Made anew when something else is needed than it was made for.
    [ "$(cat "$folder/sysroot/ready" 2>/dev/null)" != "$wanted" ] || return 0
    rm -f "$folder/sysroot/ready"
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/sysroot"
    : >"$folder/apt/status"
    arm64_sources >"$folder/apt/debian.list"
    arm64_apt update -qq >&2 || die "the lists of arm64 packages could not be fetched"
    # shellcheck disable=SC2086  # a list of words
    arm64_apt install -y -qq --download-only $wanted >&2 ||
        die "arm64 packages could not be fetched"
    for archive in "$folder"/apt/cache/archives/*.deb; do
        case "${archive##*/}" in
            # The cross compiler has these.
            libc6-dev_* | libstdc++-*-dev_* | linux-libc-dev_* | libgcc-*-dev_* | gcc-* | g++-* | cpp-*) ;;
            *) dpkg -x "$archive" "$folder/sysroot" ;;
        esac
    done
    arm64_relink "$folder/sysroot"
    printf '%s\n' "$wanted" >"$folder/sysroot/ready"
}

arm64_luajit() {
    local luajit_cross=(HOST_CC=gcc CROSS=aarch64-linux-gnu- TARGET_SYS=Linux
        STATIC_CC="aarch64-linux-gnu-gcc -fPIC")
    MILLRACE_THIRD_PARTY="$(arm64_folder)" luajit_ready ||
        MILLRACE_THIRD_PARTY="$(arm64_folder)" luajit_build || die "LuaJIT for arm64 could not be built"
}
