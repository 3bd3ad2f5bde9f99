#!/usr/bin/env bash
# A full disk: exit 14, earlier snapshots stay whole, and after making room the next backup works.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools rsync
[ "$(id -u)" -eq 0 ] || skip "mounting a small tmpfs takes root"
mkdir "$work/disk"
mount -t tmpfs -o size=24m,mode=700 varve-test "$work/disk" 2>/dev/null || skip "no tmpfs can be mounted here"
at_end 'umount "$work/disk"'

export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/disk/repository
varve() { "$varve" --no-progress -q "$@"; }
restores() {
    rm -rf "$work/restored"
    varve restore "$1:$work/source" -t "$work/restored" && same "$2" "$work/restored"
}

mkdir "$work/source"
noise "$work/source/first" 4000000
varve init --pack-size 1M >"$work/output"
check "a backup that fits" varve backup --name first "$work/source"
cp -a "$work/source" "$work/before"

for round in 1 2 3; do
    noise "$work/source/large" $((30000000 + round * 1000000))
    check "round $round: a backup that does not fit exits 14" exits 14 varve backup "$work/source"
    check "round $round: what was saved verifies" varve verify --read-data
    check "round $round: what was saved restores" restores first "$work/before"
    left=$(ls -A "$work/disk/repository/sessions" | wc -l)
    echo "round $round: $left sessions left behind, $(du -sm "$work/disk/repository" | cut -f 1) MiB of 24 used"
    check "round $round: the session is gone" test "$left" -eq 0
done

# Not a byte left, not even for a session.
head -c 100M /dev/zero >"$work/disk/fill" 2>/dev/null || true
check "with no space at all, backup exits 14" exits 14 varve backup "$work/source"
check "with no space at all, verify works" varve verify --read-data
check "with no space at all, restore works" restores first "$work/before"
rm "$work/disk/fill"

mount -o remount,size=96m "$work/disk"
check "with room again, the backup works" varve backup --name second "$work/source"
check "everything verifies" varve verify --read-data
check "the new snapshot restores" restores second "$work/source"
check "the old snapshot restores" restores first "$work/before"
finish
