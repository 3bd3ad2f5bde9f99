#!/usr/bin/env bash
# T3: the real binary, killed by signal 9 at system calls of every stage of a backup (strace injects the signal).
# Whatever is listed then verifies and restores, the next backup works, and nothing of the dead session stays.
# KILLS=N asks for N kills a stage (15).
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools strace rsync
strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"

wanted=${KILLS:-15}
# Kills take memory's word for durable, so that a slow disk need not be waited for.
if [ "$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1)" -gt 300 ] 2>/dev/null && [ -w /dev/shm ]; then
    disk=$work
    work=$(mktemp -d -p /dev/shm)
    at_end 'rm -rf "$work"; work=$disk'
    export XDG_CACHE_HOME=$work/cache
fi
export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/repository
varve() { "$varve" --no-progress -q "$@"; }
stages=("before the first pack" "while packs are written" "between packs and index" "between index and manifest")
# Calls that say something about where a thread is; waiting for other threads does not.
calls=openat,newfstatat,fstat,statx,close,read,pread64,pwrite64,fdatasync,fsync,renameat2,mkdirat,unlinkat,getdents64

# Many small packs: 1 MiB each, in as many directories.
mkdir "$work/source"
noise "$work/source/first" 1500000
seq 1 2000 >"$work/source/numbers"
varve init --pack-size 1M >"$work/output"
varve backup --name first "$work/source" >"$work/output"
cp -a "$work/source" "$work/before"
for number in $(seq 9); do noise "$work/source/noise$number" 1050000; done
cp -a "$work/repository" "$work/base"

fresh() {
    # The state too: it remembers snapshots, and an older repository in the same place would be a deletion.
    rm -rf "$work/repository" "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
    cp -a "$work/base" "$work/repository"
}

# One run to the end, every call of it: candidates are "stage call ordinal", where the ordinal counts the calls of that
# name in one thread, as strace does, and no other thread has come so far by then.
fresh
strace -f -qq -y -e "trace=$calls" -o "$work/trace" "$varve" --no-progress -q backup "$work/source" >"$work/output"
awk -v repository="$work/repository" '
    $2 ~ /^</ || $2 ~ /^\+/ { next }
    {
        call = $2
        sub(/\(.*/, "", call)
        ordinal = ++count[$1, call]
        if (ordinal > most[call]) {
            most[call] = ordinal
            if (hasSession && stage < 4) print stage, call, ordinal
        }
    }
    call == "mkdirat" && index($0, repository "/sessions/") { hasSession = 1 }
    call == "renameat2" && index($0, ", \"" repository "/packs/") && stage < 1 { stage = 1 }
    call == "fsync" && index($0, repository "/packs/") && stage < 2 { stage = 2 }
    call == "renameat2" && index($0, ", \"" repository "/index/") { stage = 3 }
    call == "renameat2" && index($0, ", \"" repository "/manifests/") { stage = 4 }
    BEGIN { stage = 0 }
' "$work/trace" >"$work/candidates"
for stage in 0 1 2 3; do
    echo "${stages[stage]}: $(grep -c "^$stage " "$work/candidates" || true) calls to be killed at"
done

files() { find "$1" -type f | wc -l; }
# What was reached, from what is there.
reached() {
    if [ "$(files "$work/repository/manifests")" -gt "$(files "$work/base/manifests")" ]; then
        echo 4
    elif [ "$(files "$work/repository/index")" -gt "$(files "$work/base/index")" ]; then
        echo 3
    elif grep -q "fsync([0-9]*<$work/repository/packs/" "$work/trace"; then
        echo 2
    elif [ "$(files "$work/repository/packs")" -gt "$(files "$work/base/packs")" ]; then
        echo 1
    else
        echo 0
    fi
}

restores() {
    rm -rf "$work/restored"
    varve restore "$1:$work/source" -t "$work/restored" && same "$2" "$work/restored"
}

kills=(0 0 0 0 0)
alive=0
# kill_at CALL ORDINAL: one run that is killed there, and all that must hold afterwards.
kill_at() {
    local call=$1 ordinal=$2 status=0 stage listed where
    fresh
    # In braces, so that the shell does not announce each kill.
    {
        strace -f -qq -y -e "trace=fsync,$call" -e "inject=$call:signal=KILL:when=$ordinal" -o "$work/trace" \
            "$varve" --no-progress -q backup "$work/source" >"$work/output" 2>&1 || status=$?
    } 2>/dev/null
    if [ "$status" -ne 137 ] || ! grep -q 'killed by SIGKILL' "$work/trace"; then
        alive=$((alive + 1))
        return 0
    fi
    stage=$(reached)
    kills[stage]=$((kills[stage] + 1))
    where="killed at $call $ordinal"
    check "$where: verify" varve verify --read-data
    listed=$(varve list --json | grep -o '"alias"' | wc -l)
    if [ "$stage" -lt 4 ]; then check "$where: one snapshot is listed" test "$listed" -eq 1; fi
    check "$where: what was saved before restores" restores first "$work/before"
    if [ "$listed" -gt 1 ]; then check "$where: what was saved restores" restores latest "$work/source"; fi
    check "$where: the next backup" varve backup --name next "$work/source"
    check "$where: nothing of the session stays" test -z "$(ls -A "$work/repository/sessions")"
    check "$where: the next backup verifies" varve verify --read-data
    check "$where: the next backup restores" restores next "$work/source"
}

for stage in 0 1 2 3; do
    mapfile -t candidates < <(grep "^$stage " "$work/candidates")
    [ "${#candidates[@]}" -gt 0 ] || continue
    for ((attempt = 0; attempt < 9 * wanted && kills[stage] < wanted; attempt++)); do
        # Spread over the stage; a second round takes the calls in between.
        position=$(((attempt * ${#candidates[@]} / wanted + attempt / wanted) % ${#candidates[@]}))
        read -r _ call ordinal <<<"${candidates[position]}"
        kill_at "$call" "$ordinal"
    done
done
for stage in 0 1 2 3; do
    echo "${stages[stage]}: ${kills[stage]} kills"
    check "enough kills ${stages[stage]}" test "${kills[stage]}" -ge "$wanted"
done
echo "after the manifest: ${kills[4]} kills; $alive runs were over before their call came"
finish
