#!/usr/bin/env bash
# T3 for restore: the real binary, killed by signal 9 at system calls of every stage of a restore in place of files and
# an SQLite database (strace injects the signal). Afterwards varve undo leaves exactly the old state, or the same
# restore exactly the new one: names, bytes, modes, owners, times and extended attributes, of directories too.
# KILLS=N or the first argument asks for N kills (100).
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools strace sqlite3 getfattr setfattr
strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"

wanted=${1:-${KILLS:-100}}
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
fresh
state >"$work/old"
strace -f -qq -y -e "trace=$calls" -o "$work/trace" "$varve" --no-progress -q "${restore[@]}" >"$work/output"
state >"$work/new"
check "the restored database is the recorded one" \
    test "$(sqlite3 "file:$app/app.db?immutable=1" 'SELECT count(*) FROM t')" = 3000
check "the restore changed something" exits 1 cmp -s "$work/old" "$work/new"
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
' "$work/trace" >"$work/candidates"
for stage in 0 1 2 3; do
    echo "${stages[stage]}: $(grep -c "^$stage " "$work/candidates" || true) calls to be killed at"
done

is_old() { state | diff "$work/old" - >"$work/difference" || { head -n 6 "$work/difference"; return 1; }; }
is_new() { state | diff "$work/new" - >"$work/difference" || { head -n 6 "$work/difference"; return 1; }; }
undo() {
    local status=0
    varve undo --yes || status=$?
    # 13: it had not begun.
    [ "$status" -eq 0 ] || [ "$status" -eq 13 ] || { echo "undo: exit $status"; return 1; }
    is_old
}
again() { varve "${restore[@]}" && is_new; }

check "a finished restore is undone" undo
kills=(0 0 0 0)
total=0
alive=0
kill_at() {
    local stage=$1 call=$2 ordinal=$3 status=0
    fresh
    {
        strace -f -qq -e "trace=$call" -e "inject=$call:signal=KILL:when=$ordinal" -o "$work/killed" \
            "$varve" --no-progress -q "${restore[@]}" >"$work/output" 2>&1 || status=$?
    } 2>/dev/null
    if [ "$status" -ne 137 ] || ! grep -q 'killed by SIGKILL' "$work/killed"; then
        alive=$((alive + 1))
        return 0
    fi
    kills[stage]=$((kills[stage] + 1))
    total=$((total + 1))
    # In turn, and of both an end in the middle of it now and then.
    if [ $((total % 5)) -eq 0 ]; then
        {
            strace -f -qq -e trace=renameat2 -e "inject=renameat2:signal=KILL:when=$((total / 5 % 7 + 1))" \
                -o "$work/killed" "$varve" --no-progress -q undo --yes >"$work/output" 2>&1 || true
        } 2>/dev/null
    fi
    if [ $((total % 2)) -eq 0 ]; then
        check "killed at $call $ordinal (${stages[stage]}): undo" undo
    else
        check "killed at $call $ordinal (${stages[stage]}): the same restore" again
    fi
}

share=(15 30 35 20)
for stage in 0 1 2 3; do
    mapfile -t candidates < <(grep "^$stage " "$work/candidates")
    count=$(((wanted * share[stage] + 99) / 100))
    [ "${#candidates[@]}" -gt 0 ] || continue
    for ((attempt = 0; attempt < 2 * count && kills[stage] < count; attempt++)); do
        # Spread over the stage; a second round takes the calls in between.
        position=$(((attempt * ${#candidates[@]} / count + attempt / count) % ${#candidates[@]}))
        read -r _ call ordinal <<<"${candidates[position]}"
        kill_at "$stage" "$call" "$ordinal"
    done
done
for stage in 0 1 2 3; do echo "${stages[stage]}: ${kills[stage]} kills"; done
echo "$total kills; $alive runs were over before their call came"
check "enough kills" test "$total" -ge $((wanted * 4 / 5))
finish
