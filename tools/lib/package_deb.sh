# What: a .deb of the program. Needs common.sh and package.sh; debhelper and dpkg-dev do the rest.
# Failure: `die` says what is lacking.

# deb_sources FOLDER ARCHITECTURE BINARY: debian/ beside tree/, as dpkg-buildpackage wants them.
deb_sources() {
    local folder="$1" architecture="$2" binary="$3" maintainer
    # RFC 2606 keeps .invalid for addresses that nobody has.
    maintainer="${MILLRACE_MAINTAINER:-Millrace <packages@millrace.invalid>}"
    cp -R "$package_sources/debian" "$folder/debian"
    sed -e "s/@MAINTAINER@/$maintainer/" -e "s/@ARCHITECTURE@/$architecture/" \
        "$folder/debian/control.in" >"$folder/debian/control"
    rm "$folder/debian/control.in"
    {
        echo "millrace ($(package_version)) bookworm; urgency=medium"
        printf '\n  * Built from the sources of this version.\n\n'
        echo " -- $maintainer  $(date -u -R -d "@$(package_epoch)")"
    } >"$folder/debian/changelog"
    package_copyright "$binary" >"$folder/debian/copyright"
}

# What SPEAKER, a program of this machine, needs, as arm64 calls it: the same but for Hyperscan.
deb_depends() {
    (cd "$1" && dpkg-shlibdeps -O "$2" 2>/dev/null) |
        sed -n -e 's/libhyperscan5[^,]*/libvectorscan5/' -e 's/^shlibs:Depends=//p'
}

# deb_build BINARY OUT [ARCHITECTURE SPEAKER]: prints the package's path.
deb_build() {
    local binary="$1" out="$2" architecture="${3:-$(dpkg --print-architecture)}" work log name depends=
    work="$(mktemp -d)"
    mkdir -p "$work/millrace" "$out"
    package_tree "$binary" "$work/millrace/tree" "${4:-$binary}"
    deb_sources "$work/millrace" "$architecture" "$binary"
    [ -z "${4:-}" ] || depends="$(deb_depends "$work/millrace" "$4")"
    log="$out/deb.log"
    name="millrace_$(package_version)_$architecture.deb"
    if ! (cd "$work/millrace" && SOURCE_DATE_EPOCH="$(package_epoch)" MILLRACE_DEPENDS="$depends" \
        dpkg-buildpackage -a"$architecture" -d -b -us -uc --no-check-builddeps) >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -rf "$work"
        die "the package was not built; all of it: $log"
    fi
    mv "$work/$name" "$out/"
    rm -rf "$work"
    echo "$out/$name"
}

deb_check() {
    lintian --tag-display-limit 0 --fail-on error,warning "$1" >&2 ||
        die "lintian finds what it says above"
}
