#!/usr/bin/env bash
# Two backups into one repository at the same time both succeed, and everything verifies and restores.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools rsync

export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/repository
varve() { "$varve" --no-progress -q "$@"; }
varve init --pack-size 1M >"$work/output"

for name in left right; do
    mkdir -p "$work/$name/common"
    noise "$work/$name/own" 6000000
done
for number in 1 2 3 4 5 6; do noise "$work/left/common/$number" 2000000; done
cp -p "$work"/left/common/* "$work/right/common/"

# backup NAME OPTION...: in the background; its exit code is left in NAME.status.
backup() {
    local name=$1
    shift
    (
        status=0
        "$varve" --no-progress -q backup "$@" "$work/$name" >"$work/$name.log" 2>&1 ||
            status=$?
        echo "$status" >"$work/$name.status"
    ) &
}

rounds=5
for round in $(seq $rounds); do
    if [ "$round" -gt 1 ]; then for name in left right; do noise "$work/$name/round$round" 3000000; done; fi
    kind=--full
    [ $((round % 2)) -eq 1 ] || kind=--quick
    backup left $kind
    backup right $kind
    wait
    for name in left right; do
        check "round $round: the backup of $name: $(head -c 300 "$work/$name.log")" \
            test "$(cat "$work/$name.status")" = 0
    done
done
check "verify --read-data" varve verify --read-data
check "no session is left" test -z "$(ls -A "$work/repository/sessions")"
snapshots=$("$varve" list --json | grep -o '"alias"' | wc -l)
check "$snapshots snapshots are listed" test "$snapshots" -eq $((2 * rounds))
for name in left right; do
    id=$("$varve" list --json --path "$work/$name" | grep -o '"id": *"[0-9a-f]*"' | grep -o '[0-9a-f]\{64\}' |
        sed -n 1p)
    check "restore $name" varve restore "$id:$work/$name" -t "$work/restored-$name"
    check "$name is the same" same "$work/$name" "$work/restored-$name"
done
stored=$(du -sm "$work/repository" | cut -f 1)
echo "$rounds rounds of two backups at once, $snapshots snapshots, $stored MiB stored"
finish
