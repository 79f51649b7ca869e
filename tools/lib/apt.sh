# What: Debian packages for tools/setup: which are missing, installing them without starting any
#   service, and source packages from the same mirrors as the binary ones.
# Failure: functions return 1 after saying what is lacking.
# Needs common.sh.

apt_source_list=/etc/apt/sources.list.d/millrace-src

# Prints those of the named packages that are not installed. One query for all of them: this is what
# makes a second tools/setup quick.
apt_missing() {
    local installed package
    installed=" $(dpkg-query -W -f='${Package}:${db:Status-Status}\n' "$@" 2>/dev/null |
        sed -n 's/:installed$//p' | tr '\n' ' ') "
    for package in "$@"; do
        case "$installed" in
            *" $package "*) ;;
            *) echo "$package" ;;
        esac
    done
}

# Asks for the package lists once, and again only if they are a day old.
apt_update_once() {
    local lists=/var/lib/apt/lists
    if [ -n "$(find "$lists" -maxdepth 1 -name '*_Packages*' -mmin -1440 2>/dev/null | head -n 1)" ]; then
        return 0
    fi
    as_root apt-get update -qq
}

apt_install_now() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >&2
}

# Installs the named packages. A policy-rc.d that answers 101 keeps dpkg from starting daemons such as
# redis-server; one that the machine has already is left as it is.
apt_install() {
    local policy=/usr/sbin/policy-rc.d made_policy=no status=0
    apt_update_once || return 1
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
        made_policy=yes
    fi
    if ! apt_install_now "$@"; then
        # Lists that are only hours old can name versions the mirror has replaced since.
        say "once more with fresh package lists"
        as_root apt-get update -qq && apt_install_now "$@" || status=1
    fi
    if [ "$made_policy" = yes ]; then
        as_root rm -f "$policy"
    fi
    return "$status"
}

# Prints the deb-src form of what the machine's own sources say, in the deb822 form (.sources).
apt_deb822_sources() {
    local file=/etc/apt/sources.list.d/debian.sources
    if [ -f "$file" ]; then
        sed -e '/^#/d' -e 's/^Types:.*/Types: deb-src/' "$file"
    fi
}

# The same for the classic one-line form (sources.list and *.list).
apt_classic_sources() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb[[:space:]]/deb-src /p' | grep -E '(debian|/dists)' || true
}

# Makes `apt-get source` work: a sources file of the project's own with the mirrors and keys that the
# machine uses already. Only its lists are fetched.
apt_enable_sources() {
    local text file
    if apt-cache showsrc luajit 2>/dev/null | grep -q '^Package: luajit'; then
        return 0
    fi
    text="$(apt_deb822_sources)"
    file="$apt_source_list.sources"
    if [ -z "$text" ]; then
        text="$(apt_classic_sources)"
        file="$apt_source_list.list"
    fi
    if [ -z "$text" ]; then
        say "no Debian mirror is configured in /etc/apt, so no source package can be had"
        return 1
    fi
    if ! can_root; then
        say "root or sudo is needed once to write $file"
        return 1
    fi
    printf '%s\n' "$text" | as_root tee "$file" >/dev/null || return 1
    if ! as_root apt-get update -qq -o Dir::Etc::sourcelist="$file" -o Dir::Etc::sourceparts=- \
        -o APT::Get::List-Cleanup=0 >&2; then
        say "the lists of source packages could not be fetched (see above)"
        return 1
    fi
    apt-cache showsrc luajit 2>/dev/null | grep -q '^Package: luajit'
}
