# What: the file system of a container that holds the program, what it needs, and nothing else: no
#   shell, no package manager. As a tar file, and as an image (OCI layout) for podman, docker, skopeo.
# Needs common.sh and package.sh.
# Failure: `die` says what is lacking.

rootfs_uid=65532

# Prints the shared objects that a program needs, and the loader.
rootfs_libraries() {
    ldd "$1" | sed -n -e 's/.*=> \(\/[^ ]*\) .*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p' | sort -u
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
    package_copyright | install -D -m 644 /dev/stdin "$folder/usr/share/doc/millrace/copyright"
}

# rootfs_build BINARY OUT: prints the paths of the tar file and of the image.
rootfs_build() {
    local binary="$1" out="$2" work name epoch
    work="$(mktemp -d)"
    epoch="$(package_epoch)"
    name="$out/millrace-$(package_version)-$(dpkg --print-architecture)"
    mkdir -p "$out"
    (umask 022 && rootfs_tree "$binary" "$work/root")
    # Owners by number and times by the commit: the same tree is the same file.
    python3 -B "$package_sources/oci_image.py" --root "$work/root" --epoch "$epoch" \
        --version "$(package_version)" --architecture "$(dpkg --print-architecture)" --uid $rootfs_uid \
        --tar "$name-rootfs.tar.gz" --image "$name-oci.tar" ||
        die "the image was not written"
    rm -rf "$work"
    printf '%s\n' "$name-rootfs.tar.gz" "$name-oci.tar"
}
