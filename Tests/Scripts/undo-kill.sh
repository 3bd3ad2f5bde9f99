#!/usr/bin/env bash
# T3 for restore: the real binary, killed by signal 9 at system calls of every stage of a restore in place of files and
# an SQLite database (strace injects the signal), and of the undo of a finished one. Afterwards varve undo leaves
# exactly the old state, or the same restore exactly the new one: names, bytes, modes, owners, times and extended
# attributes, of directories too. KILLS=N or the first argument asks for N kills (150), a third of them of undos.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools strace sqlite3 getfattr setfattr
strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"

wanted=${1:-${KILLS:-150}}
if [ "$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1)" -gt 300 ] 2>/dev/null && [ -w /dev/shm ]; then
    disk=$work
    work=$(mktemp -d -p /dev/shm)
    at_end 'rm -rf "$work"; work=$disk'
    export XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state
fi
export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/repository
varve() { "$varve" --no-progress -q "$@"; }
place=$work/place
app=$place/app
stages=("before anything is made" "while it is staged" "while it is applied" "after the commit")
calls=openat,openat2,newfstatat,fstat,close,read,pread64,pwrite64,fdatasync,fsync,syncfs,renameat2,mkdirat,unlinkat
calls+=,linkat,symlinkat,fchmod,fchownat,utimensat,fsetxattr,flistxattr,getdents64,ioctl

# What is recorded.
mkdir -p "$app/uploads/日本" "$app/empty" "$app/gone/below"
noise "$app/uploads/noise" 300000
seq 1 3000 >"$app/uploads/numbers"
echo "Grüße" >"$app/uploads/日本/ö"
printf 'KEY=1\n' >"$app/.env"
chmod 600 "$app/.env"
echo x >"$app/gone/below/file"
ln "$app/.env" "$app/uploads/linked"
ln -s ../.env "$app/uploads/symbolic"
setfattr -n user.note -v recorded "$app/uploads/numbers" 2>/dev/null || true
sqlite3 "$app/app.db" 'PRAGMA journal_mode=wal; CREATE TABLE t (n);' \
    'INSERT INTO t SELECT value FROM generate_series(1, 3000);' >"$work/output"
find "$app" -exec touch -h -d @1400000000.123456789 {} +
varve init >"$work/output"
varve backup --name good "$app" >"$work/output"

# What the application made of it since.
sqlite3 "$app/app.db" 'INSERT INTO t VALUES (-1);' ".shell cp $app/app.db* $work/"
cp "$work"/app.db* "$app/"
echo changed >"$app/uploads/numbers"
setfattr -n user.note -v changed "$app/uploads/numbers" 2>/dev/null || true
printf 'KEY=2\n' >"$app/.env"
rm -rf "$app/gone" "$app/uploads/symbolic"
echo "a file now" >"$app/gone"
mkdir "$app/uploads/symbolic" "$app/extra"
echo new >"$app/extra/file"
echo new >"$app/uploads/symbolic/file"
chmod 750 "$app/uploads"
chmod 640 "$app/uploads/日本/ö"
[ "$(id -u)" -ne 0 ] || chown 1234:1234 "$app/uploads/noise" "$app/extra"
find "$app" -exec touch -h -d @1500000000.987654321 {} +
cp -a "$app" "$work/saved"
cp -a "$work/repository" "$work/base"

fresh() {
    rm -rf "$work/repository" "$XDG_CACHE_HOME" "$XDG_STATE_HOME" "$place"
    cp -a "$work/base" "$work/repository"
    mkdir "$place"
    cp -a "$work/saved" "$app"
    touch -d @1600000000.5 "$place"
}

# Everything about the place; what SQLite shares in memory is not compared.
state() {
    (
        cd "$place"
        find . -printf '%P %y %m %U %G %T@ %n %l\n' | awk '{ if ($2 == "d") $7 = ""; print }' | sort
        find . -type f -print0 | sort -z | xargs -0r sha256sum
        find . -print0 | sort -z | xargs -0r getfattr -h -d -m - 2>/dev/null || true
    )
}

restore=(restore good --delete --yes)
undo=(undo --yes)

# traced VERB: runs it once under strace, and leaves the calls to kill it at in candidates-VERB, "stage call ordinal"
# each: ordinals are counted by thread and name, as strace does, and only one that no other thread had come to before.
traced() {
    local -n words=$1
    strace -f -qq -y -e "trace=$calls" -o "$work/trace" "$varve" --no-progress -q "${words[@]}" >"$work/output"
    awk '
        $2 ~ /^</ || $2 ~ /^\+/ { next }
        {
            call = $2
            sub(/\(.*/, "", call)
            ordinal = ++count[$1, call]
            if (ordinal > most[call]) {
                most[call] = ordinal
                print stage, call, ordinal
            }
        }
        call == "mkdirat" && /\.varve-[0-9a-f]*\.restore"/ { stage = 1 }
        call == "renameat2" && /, "journal"/ { stage = 2 }
        call == "renameat2" && /, "committed"/ { stage = 3 }
        BEGIN { stage = 0 }
    ' "$work/trace" >"$work/candidates-$1"
    for stage in 0 1 2 3; do
        echo "$1, ${stages[stage]}: $(grep -c "^$stage " "$work/candidates-$1" || true) calls to be killed at"
    done
}

fresh
state >"$work/old"
traced restore
state >"$work/new"
check "the restored database is the recorded one" \
    test "$(sqlite3 "file:$app/app.db?immutable=1" 'SELECT count(*) FROM t')" = 3000
check "the restore changed something" exits 1 cmp -s "$work/old" "$work/new"
traced undo

is_old() { state | diff "$work/old" - >"$work/difference" || { head -n 6 "$work/difference"; return 1; }; }
is_new() { state | diff "$work/new" - >"$work/difference" || { head -n 6 "$work/difference"; return 1; }; }
undone() {
    local status=0
    varve "${undo[@]}" || status=$?
    # 13: it had not begun, or had come to its end.
    [ "$status" -eq 0 ] || [ "$status" -eq 13 ] || { echo "undo: exit $status"; return 1; }
    is_old
}
looks() {
    local status=0
    state >"$work/seen"
    varve "${undo[@]}" --dry-run || status=$?
    [ "$status" -eq 0 ] || [ "$status" -eq 13 ] || { echo "undo --dry-run: exit $status"; return 1; }
    state | diff "$work/seen" -
}
again() { varve "${restore[@]}" && is_new; }

check "a finished restore is undone" is_old
kills=(0 0 0 0)
total=0
alive=0

# killed CALL ORDINAL WORD...: runs varve until then; false if it came to its end before.
killed() {
    local call=$1 ordinal=$2 status=0
    shift 2
    # In braces, so that the shell does not announce each kill.
    {
        strace -f -qq -e "trace=$call" -e "inject=$call:signal=KILL:when=$ordinal" -o "$work/killed" \
            "$varve" --no-progress -q "$@" >"$work/output" 2>&1 || status=$?
    } 2>/dev/null
    [ "$status" -eq 137 ] && grep -q 'killed by SIGKILL' "$work/killed"
}

# kill_at VERB STAGE CALL ORDINAL: one kill, and what must hold afterwards.
kill_at() {
    local -n words=$1
    local where="$1 killed at $3 $4 (${stages[$2]})"
    fresh
    [ "$1" = restore ] || varve "${restore[@]}"
    if ! killed "$3" "$4" "${words[@]}"; then
        alive=$((alive + 1))
        return 0
    fi
    kills[$2]=$((kills[$2] + 1))
    total=$((total + 1))
    if [ $((total % 4)) -eq 0 ]; then check "$where: a dry run changes nothing" looks; fi
    # What comes next has an end in the middle of it now and then.
    if [ $((total % 5)) -eq 0 ]; then
        killed renameat2 $((total / 5 % 7 + 1)) "${undo[@]}" || true
        where+=", then undo killed at renameat2 $((total / 5 % 7 + 1))"
    fi
    if [ $((total % 2)) -eq 0 ]; then
        check "$where: undo" undone
    else
        check "$where: the same restore" again
    fi
}

# kills_of VERB COUNT: so many kills, spread over all stages.
kills_of() {
    local verb=$1 share=(15 30 35 20) stage count attempt position call ordinal candidates
    kills=(0 0 0 0)
    for stage in 0 1 2 3; do
        mapfile -t candidates < <(grep "^$stage " "$work/candidates-$verb")
        count=$((($2 * share[stage] + 99) / 100))
        [ "${#candidates[@]}" -gt 0 ] || continue
        for ((attempt = 0; attempt < 6 * count && kills[stage] < count; attempt++)); do
            # Spread over the stage; a second round takes the calls in between.
            position=$(((attempt * ${#candidates[@]} / count + attempt / count) % ${#candidates[@]}))
            read -r _ call ordinal <<<"${candidates[position]}"
            kill_at "$verb" "$stage" "$call" "$ordinal"
        done
        echo "$verb, ${stages[stage]}: ${kills[stage]} kills"
    done
}

kills_of restore $((wanted - wanted / 3))
kills_of undo $((wanted / 3))
echo "$total kills; $alive runs were over before their call came"
check "enough kills" test "$total" -ge $((wanted * 4 / 5))
finish
