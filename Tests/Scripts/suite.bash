# What the suites share. Sourced, not run; the caller has set -euo pipefail. Makes $work, which goes away at the end,
# with everything that `at_end` was told to do before.
export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
varve=${VARVE:-$root/.build/release/varve}
[ -x "$varve" ] || { echo "no binary at $varve: swift build -c release, or set VARVE" >&2; exit 1; }
unset "${!VARVE_@}"

passed=0 failed=0
ends=()
work=$(mktemp -d)
export XDG_CACHE_HOME=$work/cache XDG_CONFIG_HOME=$work/config XDG_STATE_HOME=$work/state

at_end() { ends+=("$1"); }

clean() {
    local status=$? number
    set +e
    for ((number = ${#ends[@]} - 1; number >= 0; number--)); do eval "${ends[number]}"; done
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work"
    exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

skip() {
    echo "skipped: $*"
    exit 77
}

need_tools() {
    local tool
    for tool in "$@"; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
}

# check WHAT COMMAND...: counts whether the command succeeds; its output is shown if it does not.
check() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n' "$what"
        head -n 10 "$work/output"
    fi
}

# exits STATUS COMMAND...: succeeds if the command ends with the status.
exits() {
    local expected=$1 status=0
    shift
    "$@" || status=$?
    [ "$status" -eq "$expected" ] || { echo "exit $status instead of $expected: $*"; return 1; }
}

# noise FILE BYTES: a file that does not compress.
noise() { head -c "$2" /dev/urandom >"$1"; }

# same SOURCE RESTORED: both trees hold the same, byte by byte.
same() {
    local difference
    difference=$(rsync -aHnc --delete --itemize-changes "$1/" "$2/")
    [ -z "$difference" ] || { printf 'the trees differ:\n%s\n' "$difference"; return 1; }
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
