#!/usr/bin/env bash
# T3 for gc, delete, undelete and forget: the real binary, killed by signal 9 at the system calls that change something.
# Every snapshot that was kept then verifies and restores, and the next gc leaves nothing behind and no more than 2 %
# unused. KILLS=N asks for N kills of gc (40); the other verbs get a quarter of that each.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools strace rsync
strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"

wanted=${KILLS:-40}
# Kills take memory's word for durable, so that a slow disk need not be waited for.
if [ "$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1)" -gt 300 ] 2>/dev/null && [ -w /dev/shm ]; then
    disk=$work
    work=$(mktemp -d -p /dev/shm)
    at_end 'rm -rf "$work"; work=$disk'
    export XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state
fi
export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/repository
varve() { "$varve" --no-progress -q "$@"; }
# The calls that leave something behind, and those that make it durable.
calls=renameat2,unlinkat,mkdirat,fdatasync,fsync,pwrite64

# Four snapshots: the first was deleted, and a collection of it waits; the second is deleted, and no collection knows.
mkdir "$work/source"
varve init --pack-size 1M >"$work/output"
for name in first second third fourth; do
    noise "$work/source/all" 400000
    noise "$work/source/$name" 1500000
    seq 1 3000 >"$work/source/numbers-$name"
    [ "$name" != third ] || rm "$work/source/first"
    varve backup --name "$name" "$work/source" >"$work/output"
    cp -a "$work/source" "$work/was-$name"
done
varve delete -y first >"$work/output"
varve gc --grace 1h --rewrite-grace 1h >"$work/output"
varve delete -y second >"$work/output"
cp -a "$work/repository" "$work/base"
cp -a "$work/state" "$work/base-state" 2>/dev/null || mkdir "$work/base-state"

fresh() {
    rm -rf "$work/repository" "$work/state" "$XDG_CACHE_HOME"
    cp -a "$work/base" "$work/repository"
    cp -a "$work/base-state" "$work/state"
}

restores() {
    rm -rf "$work/restored"
    varve restore "$1:$work/source" -t "$work/restored" && same "$work/was-$1" "$work/restored"
}

# unused_is_little: what gc would leave unused is no more than 2 % of all.
unused_is_little() {
    local summary unused live
    summary=$(varve gc -n --json | tail -n 1)
    unused=$(grep -o '"bytes_unused_kept":[0-9]*' <<<"$summary" | cut -d : -f 2)
    live=$(grep -o '"bytes_live":[0-9]*' <<<"$summary" | cut -d : -f 2)
    [ $((unused * 50)) -le $((live + unused)) ] || { echo "$unused of $((live + unused)) bytes are unused"; return 1; }
}

kills=0 alive=0
# kill_at CALL ORDINAL COMMAND...: one run that is killed there, and all that must hold afterwards.
kill_at() {
    local call=$1 ordinal=$2 status=0 where
    shift 2
    fresh
    # In braces, so that the shell does not announce each kill.
    {
        strace -f -qq -e "trace=$call" -e "inject=$call:signal=KILL:when=$ordinal" -o "$work/trace" \
            "$varve" --no-progress -q "$@" >"$work/output" 2>&1 || status=$?
    } 2>/dev/null
    if [ "$status" -ne 137 ] || ! grep -q 'killed by SIGKILL' "$work/trace"; then
        alive=$((alive + 1))
        return 0
    fi
    kills=$((kills + 1))
    where="$1 killed at $call $ordinal"
    check "$where: verify" varve verify --read-data
    check "$where: the $kept restores" restores "$kept"
    check "$where: the next gc" varve gc --rewrite-grace 0
    check "$where: no collection is left" test -z "$(ls -A "$work/repository/condemned")"
    check "$where: no session is left" test -z "$(ls -A "$work/repository/sessions")"
    check "$where: little is unused" unused_is_little
    check "$where: verify after the next gc" varve verify --read-data
    check "$where: the fourth restores after the next gc" restores fourth
}

# kills_of COUNT COMMAND...: so many kills, spread over the calls of one run.
kills_of() {
    local count=$1 before=$kills attempt position call ordinal
    shift
    fresh
    strace -f -qq -e "trace=$calls" -o "$work/trace" "$varve" --no-progress -q "$@" >"$work/output"
    # As strace counts: by thread and name. An ordinal that a thread reaches first is a candidate.
    awk '$2 !~ /^[<+]/ {
        call = $2
        sub(/\(.*/, "", call)
        ordinal = ++count[$1, call]
        if (ordinal > most[call]) { most[call] = ordinal; print call, ordinal }
    }' "$work/trace" >"$work/candidates"
    mapfile -t candidates <"$work/candidates"
    for ((attempt = 0; attempt < 9 * count && kills - before < count; attempt++)); do
        position=$(((attempt * ${#candidates[@]} / count + attempt / count) % ${#candidates[@]}))
        read -r call ordinal <<<"${candidates[position]}"
        kill_at "$call" "$ordinal" "$@"
    done
    echo "$1: ${#candidates[@]} calls to be killed at, $((kills - before)) kills"
    check "enough kills of $1" test $((kills - before)) -ge "$count"
}

kept=third
kills_of "$wanted" gc --rewrite-grace 0
kills_of $(((wanted + 3) / 4)) undelete second
kept=fourth
kills_of $(((wanted + 3) / 4)) delete -y third
kills_of $(((wanted + 3) / 4)) forget --keep-last 1
echo "$alive runs were over before their call came"
finish
