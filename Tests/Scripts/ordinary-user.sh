#!/usr/bin/env bash
# An ordinary user: a backup of own files with one that cannot be read ends with exit 3 and state partial; a restore of
# root's entries says once that owners cannot be set, not once for each file.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
[ "$(id -u)" -eq 0 ] || skip "running as another user takes root"
need_tools setpriv rsync

uid=65432
chmod 711 "$work"
# What the user runs must be within reach, wherever the checkout lies.
install -m 755 "$varve" "$work/varve"
home=$work/home
mkdir "$home"
as_user() {
    setpriv --reuid "$uid" --regid "$uid" --clear-groups \
        env HOME="$home" XDG_CACHE_HOME="$home/cache" XDG_CONFIG_HOME="$home/config" XDG_STATE_HOME="$home/state" \
        TMPDIR="$home" "$@"
}
varve() { as_user "$work/varve" --no-progress -r "$home/repository" --key-file "$home/key" "$@"; }

mkdir -p "$home/files/sub"
noise "$home/files/noise" 1500000
for number in $(seq 40); do echo "$number" >"$home/files/sub/$number"; done
chown -R "$uid:$uid" "$home"
as_user "$work/varve" version >"$work/output" 2>&1 ||
    skip "the binary cannot be run as another user: $(head -n 1 "$work/output")"

check "init" varve init
check "a backup of own files" varve backup --name own "$home/files"
check "restore of own files" varve restore "own:$home/files" -t "$home/restored"
check "own files are the same" same "$home/files" "$home/restored"
check "owners are the same" test -z "$(find "$home/restored" ! -user "$uid" -print -quit)"

echo secret >"$home/files/secret"
chmod 000 "$home/files/secret"
chown "$uid:$uid" "$home/files/secret"
mkdir -m 700 "$home/files/closed"
check "an unreadable file and directory: exit 3" exits 3 varve backup --name partial "$home/files"
report=$(varve backup --json "$home/files" 2>/dev/null || true)
check "the summary says partial" grep -q '"state": *"partial"' <<<"$report"
check "the error names the file" grep -q 'files/secret' <<<"$report"
check "the error names the directory" grep -q 'files/closed' <<<"$report"
check "a partial snapshot verifies" varve verify --read-data
check "its files restore" varve restore "partial:$home/files/sub" -t "$home/restored-sub"
check "they are the same" same "$home/files/sub" "$home/restored-sub"
chmod 600 "$home/files/secret"
rmdir "$home/files/closed"

# Root's files, captured by the user, who may read them but cannot give files away.
mkdir "$work/roots"
for number in $(seq 200); do echo "$number" >"$work/roots/file$number"; done
chmod -R a+rX "$work/roots"
check "a backup of readable files of root" varve backup --name roots "$work/roots"
status=0
varve restore "roots:$work/roots" -t "$home/roots" >"$work/stdout" 2>"$work/stderr" || status=$?
lines=$(wc -l <"$work/stderr")
owners=$(grep -ciE 'own(er|ers|ership)' "$work/stderr" || true)
echo "restore of 200 files of root: exit $status, $lines lines of messages, $owners about owners"
check "the restore ends with 0 or 3, not $status" test "$status" -eq 0 -o "$status" -eq 3
check "owners are mentioned once: $(head -n 5 "$work/stderr")" test "$owners" -eq 1
check "all is there" test "$(find "$home/roots" -type f | wc -l)" -eq 200
check "contents are the same" diff -r "$work/roots" "$home/roots"
finish
