# Functions that the scripts share. Sourced, not run; the caller has set -euo pipefail.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What the package links against, and what the database issues will link against (libsqlite3-dev).
build_packages=(libzstd-dev libb2-dev libsqlite3-dev)
# Peers, attributes and tracing for the tests; what cannot be had is said, and the suite that needs it skips.
test_packages=(acl attr libcap2-bin e2fsprogs strace rsync zstd openssl python3-zstandard python3-cryptography
    sshfs openssh-server fuse3 valgrind binutils sqlite3 postgresql mariadb-server-core mariadb-client)

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

need_swift() {
    command -v swift >/dev/null 2>&1 || die "varve is built by the Swift toolchain, version 6.2 or later, which is" \
        "not installed: get it from https://www.swift.org/install/linux/ and put its usr/bin into PATH."
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    case $version in
        [0-5].* | 6.[01]) die "varve needs Swift 6.2 or later, and this is Swift $version:" \
            "get a newer one from https://www.swift.org/install/linux/." ;;
    esac
}

has_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

# Debian's package makes and starts a database cluster of its own unless this says otherwise.
want_no_cluster() {
    local file=/etc/postgresql-common/createcluster.conf
    [ -e "$file" ] || { as_root mkdir -p "${file%/*}" && echo 'create_main_cluster = false' | as_root tee "$file"; }
}

install_packages() {
    local log status=0
    log=$(mktemp)
    case " $* " in *" postgresql "*) want_no_cluster >"$log" 2>&1 || true ;; esac
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@" \
        </dev/null >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then # the lists of a fresh machine are empty or old
        as_root apt-get update </dev/null >>"$log" 2>&1 || true
        status=0
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@" \
            </dev/null >>"$log" 2>&1 || status=$?
    fi
    if [ "$status" -ne 0 ]; then tail -n 3 "$log" >&2; fi
    rm -f "$log"
    return "$status"
}

missing_packages() {
    local package
    for package in "$@"; do has_package "$package" || printf '%s\n' "$package"; done
}

# Installs what is missing, or ends the script with one sentence.
need_packages() {
    command -v dpkg-query >/dev/null 2>&1 || {
        say "No dpkg here: taking it that the equivalents of $* are installed."
        return 0
    }
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "Installing ${missing[*]} ..."
    install_packages "${missing[@]}" || die "cannot install ${missing[*]}: install these Debian packages by hand" \
        "(as root: apt-get install ${missing[*]}) and run this again."
}

# Installs what is missing, one by one, and says what could not be had.
want_packages() {
    command -v dpkg-query >/dev/null 2>&1 || return 0
    local missing package
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "Installing ${missing[*]} ..."
    install_packages "${missing[@]}" && return 0
    for package in "${missing[@]}"; do
        install_packages "$package" 2>/dev/null || say "Not installed: $package. What needs it will be skipped."
    done
}

# Builds the release binary and sets varve to its path.
build_varve() {
    need_swift
    need_packages "${build_packages[@]}"
    local log
    log=$(mktemp)
    if ! swift build --package-path "$root" -c release --product varve </dev/null >"$log" 2>&1; then
        grep -E 'error|warning' "$log" >&2 || tail -n 20 "$log" >&2
        rm -f "$log"
        die "the build failed; the messages are above."
    fi
    rm -f "$log"
    varve=$(swift build --package-path "$root" -c release --show-bin-path)/varve
}
