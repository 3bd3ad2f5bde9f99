#!/usr/bin/env bash
# A plain rsync of a repository is a repository, whatever runs beside it. Backups, forget and gc run without a pause
# while rsync copies, again and again: half of the copies are fresh, half bring the last one up to date.
# With the default grace every copy is whole once rsync ends with 0 (with 24, some files vanished, it is run again).
# With a grace of 0 a copy may lack packs; then it says so, and one more rsync makes it whole.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools rsync
copies=100
slowly=()

export VARVE_KEY_FILE=$work/key
varve() { "$varve" --no-progress -q -r "$repository" "$@"; }

# live OPTION...: backs up, forgets and collects until the file "stop" is there; gc gets the options.
live() {
    local round=0
    while [ ! -e "$work/stop" ]; do
        round=$((round + 1))
        noise "$work/source/$((round % 12))" $((100000 + round % 7 * 60000))
        for number in 1 2 3 4 5 6; do echo "$round $number" >"$work/source/small$((round * number % 40))"; done
        varve backup --quick "$work/source" || return 1
        varve forget --keep-last 3 || return 1
        varve gc "$@" || return 1
    done
    echo "$round" >"$work/rounds"
}

# copy: one rsync into $copy. Ends with rsync's status where that is 0 or 24 (files vanished while it ran).
copy() {
    local status=0
    rsync "${slowly[@]}" -a --delete "$repository/" "$copy/" 2>"$work/rsync.log" || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 24 ] || { cat "$work/rsync.log"; return 1; }
    return "$status"
}

# copy_until_whole: rsync, again while files vanished under it.
copy_until_whole() {
    local status=0
    for _ in {1..100}; do
        status=0
        copy || status=$?
        [ "$status" -eq 24 ] || return "$status"
        vanished=$((vanished + 1))
    done
    return 1
}

whole() { "$varve" --no-progress -q -r "$copy" --no-cache verify; }

# honest: the copy is whole, or verify says INCOMPLETE and nothing worse.
honest() {
    local status=0
    "$varve" --no-progress -r "$copy" --no-cache verify --json >"$work/verify.json" || status=$?
    [ "$status" -ne 0 ] || return 0
    incomplete=$((incomplete + 1))
    [ "$status" -eq 4 ] && tail -n 1 "$work/verify.json" | grep -q '"result": *"INCOMPLETE"'
}

begin() {
    repository=$work/repository-$1
    copy=$work/copy-$1
    vanished=0 incomplete=0
    rm -rf "$work/source" "$work/stop"
    mkdir "$work/source"
    varve init --pack-size 1M >"$work/output" 2>&1
    shift
    live "$@" >"$work/live.log" 2>&1 &
    life=$!
    until [ -n "$(ls -A "$repository/manifests")" ]; do kill -0 "$life" || break; done
}

end() {
    touch "$work/stop"
    check "backups, forget and gc beside $1: $(tail -n 3 "$work/live.log")" wait "$life"
    check "$1: the original is whole" varve verify --read-data
    check "$1: the last copy, brought up to date, restores" restores "$1"
}

restores() {
    copy_until_whole &&
        "$varve" --no-progress -q -r "$copy" --no-cache restore "latest:$work/source" -t "$work/restored-$1" &&
        same "$work/source" "$work/restored-$1"
}

fresh() { [ $(($1 % 2)) -eq 0 ] || rm -rf "$copy"; }

begin default
for number in $(seq "$copies"); do
    fresh "$number"
    check "copy $number: rsync" copy_until_whole
    check "copy $number with the default grace is whole" whole
done
end default
echo "default grace: $copies copies beside $(cat "$work/rounds") rounds of backup, forget and gc; rsync met" \
    "vanished files (exit 24) $vanished times and was run again"

begin zero --rewrite-grace 0
for number in $(seq "$copies"); do
    fresh "$number"
    # Every fifth copy takes long enough that whole collections end beside it.
    slowly=()
    [ $((number % 5)) -ne 0 ] || slowly=(--bwlimit=4m)
    status=0
    copy || status=$?
    [ "$status" -ne 24 ] || vanished=$((vanished + 1))
    slowly=()
    check "copy $number: rsync ends with 0 or 24" test "$status" -eq 0 -o "$status" -eq 24
    check "copy $number without grace is whole, or INCOMPLETE and nothing worse" honest
    check "copy $number: one more rsync" copy_until_whole
    check "copy $number without grace is whole after one more rsync" whole
done
end zero
echo "grace 0: $copies copies beside $(cat "$work/rounds") rounds; $incomplete of them INCOMPLETE at first;" \
    "rsync ended with 24 $vanished times"
finish
