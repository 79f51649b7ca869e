# What: the file system of a container that holds the program, what it needs, and nothing else: no
#   shell, no package manager. As a tar file, and as an image (OCI layout) for podman, docker, skopeo.
# Needs common.sh and package.sh.
# Failure: `die` says what is lacking.

rootfs_uid=65532

# Prints the shared objects that a program needs, and the loader.
rootfs_libraries() {
    ldd "$1" | sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u
}

# The Debian package that a file is of; it may lie under the name it had before /lib was a link.
rootfs_package_of() {
    local real
    real="$(realpath "$1")"
    { dpkg -S "$real" || dpkg -S "${real#/usr}" || dpkg -S "$1"; } 2>/dev/null | sed -n '1s/:.*//p'
}

# rootfs_notices BINARY FOLDER: the licence of every package that something was taken of.
rootfs_notices() {
    local library package packages="tzdata ca-certificates"
    while read -r library; do
        package="$(rootfs_package_of "$library")"
        [ -n "$package" ] || die "tools/package: $library is of no package, and has no licence here"
        packages="$packages $package"
    done < <(rootfs_libraries "$1")
    for package in $(tr ' ' '\n' <<<"$packages" | sort -u); do
        install -D -m 644 "$(realpath "/usr/share/doc/$package/copyright")" "$2/usr/share/doc/$package/copyright" ||
            die "tools/package: no licence of $package is here"
    done
    package_copyright "$1" | install -D -m 644 /dev/stdin "$2/usr/share/doc/millrace/copyright"
}

# Each under the name by which it is looked for; what has no such name is no file of ours.
rootfs_tree() {
    local binary="$1" folder="$2" library
    if ldd "$binary" | grep 'not found' >&2; then
        die "the program needs the libraries named above"
    fi
    install -D -m 755 "$binary" "$folder/usr/bin/millrace"
    strip --strip-unneeded "$folder/usr/bin/millrace"
    while read -r library; do
        install -D -m 755 "$library" "$folder$library"
    done < <(rootfs_libraries "$binary")
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
    install -d "$folder/usr/share" "$folder/etc/ssl" "$folder/proc" "$folder/dev" "$folder/sys"
    # OpenSSL looks for its folder here.
    install -d "$folder/usr/lib/ssl"
    ln -s /etc/ssl/certs "$folder/usr/lib/ssl/certs"
    cp -RL /usr/share/zoneinfo "$folder/usr/share/zoneinfo"
    rm -rf "$folder/usr/share/zoneinfo/right" "$folder/usr/share/zoneinfo/posix"
    install -D -m 644 "$package_sources/millrace.toml" "$folder/etc/millrace/millrace.toml"
    echo "hosts: files dns" >"$folder/etc/nsswitch.conf"
    printf 'root:x:0:0::/:/none\nmillrace:x:%s:%s::/var/lib/millrace:/none\n' $rootfs_uid $rootfs_uid \
        >"$folder/etc/passwd"
    printf 'root:x:0:\nmillrace:x:%s:\n' $rootfs_uid >"$folder/etc/group"
    install -d "$folder/var/lib/millrace" "$folder/tmp"
    rootfs_notices "$binary" "$folder"
}

# rootfs_build BINARY OUT: prints the paths of the tar file and of the image.
rootfs_build() {
    local binary="$1" out="$2" work name epoch
    work="$(mktemp -d)"
    epoch="$(package_epoch)"
    name="$out/millrace-$(package_version)-$(dpkg --print-architecture)"
    mkdir -p "$out"
    # No part of an "or": what fails inside would go on there.
    (
        set -e
        umask 022
        rootfs_tree "$binary" "$work/root"
    )
    [ $? = 0 ] || die "the file system was not laid out"
    # Owners by number and times by the commit: the same tree is the same file.
    python3 -B "$package_sources/oci_image.py" --root "$work/root" --epoch "$epoch" \
        --version "$(package_version)" --architecture "$(dpkg --print-architecture)" --uid $rootfs_uid \
        --tar "$name-rootfs.tar.gz" --image "$name-oci.tar" ||
        die "the image was not written"
    rm -rf "$work"
    printf '%s\n' "$name-rootfs.tar.gz" "$name-oci.tar"
}
