# What: helpers shared by tools/setup, tools/run, tools/test and .ci/run. Sourced, never run.
# Failure: `die` prints one line that says what is lacking and what to do, and ends the script.

millrace_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

say() { printf 'millrace: %s\n' "$*" >&2; }
die() {
    printf 'millrace: error: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

is_arm() {
    case "$(uname -m)" in
        aarch64 | arm64) return 0 ;;
        *) return 1 ;;
    esac
}

# Compilers take 0.5-1 GiB each on the larger files: never more jobs than memory carries.
build_jobs() {
    local cores mem_kib jobs
    cores="$(nproc)"
    mem_kib="$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || echo 4194304)"
    jobs=$((mem_kib / 1048576))
    [ "$jobs" -ge 1 ] || jobs=1
    [ "$jobs" -le "$cores" ] || jobs="$cores"
    echo "$jobs"
}

# Runs a command as root: directly, or through sudo. can_root tells beforehand whether that can work.
can_root() {
    [ "$(id -u)" -eq 0 ] && return 0
    have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }
}
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -- "$@"
    fi
}
