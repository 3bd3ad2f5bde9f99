#!/usr/bin/env bash
# SQLite databases are captured in one consistent state while programs write them, and nothing is made beside them.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools python3 sqlite3
writer=$root/Tests/Scripts/sqlite_writer.py
rows=${SQLITE_ROWS:-20000}
rounds=${SQLITE_ROUNDS:-4}
mkdir "$work/app"
database=$work/app/app.db
export VARVE_REPOSITORY=$work/repository
"$varve" -q init --unencrypted >"$work/output"

backup() { "$varve" --no-progress backup --json "$@" >"$work/json" 2>"$work/messages"; }
# field PATH: a value of the newest manifest, as Python writes it.
field() { "$varve" show latest --json | python3 -c "import json, sys; m = json.load(sys.stdin); print($1)"; }
# restored NAME: gets a file of the newest snapshot by the end of its path.
restored() {
    rm -rf "$work/restored"
    "$varve" -q --no-progress restore "latest:${1#/}" -t "$work/restored" >"$work/output"
}
listing() { find "$work/app" -mindepth 1 -printf '%P %y\n' | LC_ALL=C sort; }
fresh() { rm -rf "${work:?}/app" && mkdir "$work/app"; }
is() { [ "$1" = "$2" ] || { echo "\"$1\" instead of \"$2\""; return 1; }; }
says() { grep -qi -- "$1" "$work/messages" "$work/json" || { cat "$work/messages" "$work/json"; return 1; }; }

# background ARGUMENT...: runs the writer until `stop`.
background() {
    rm -f "$work/stop" "$work/ready"
    mkfifo "$work/stop"
    : >"$work/ready"
    python3 "$writer" "$@" <"$work/stop" >"$work/ready" 2>&1 &
    running=$!
    exec 9>"$work/stop"
    until grep -q ready "$work/ready"; do
        kill -0 "$running" 2>/dev/null || { cat "$work/ready"; return 1; }
        sleep 0.02
    done
}
stop() {
    exec 9>&-
    wait "$running"
}
at_end 'exec 9>&-; [ -z "${running:-}" ] || kill "$running" 2>/dev/null'

check_captured() {
    restored "$database"
    number=$(python3 "$writer" check "$work/restored/app.db" "$rows") || { echo "$number"; return 1; }
    numbers+=("$number")
}

for journal in wal delete; do
    fresh
    python3 "$writer" make "$database" "$journal" "$rows"
    background write "$database" 200
    numbers=() captures=()
    for ((round = 0; round < rounds; round++)); do
        if ((round % 2)); then arguments=("$work/app"); else arguments=(--sqlite "$database"); fi
        check "$journal: backup ${arguments[*]} beside a writer" backup "${arguments[@]}"
        check "$journal: what was captured is whole and equals a replay" check_captured
        check "$journal: nothing but the database was captured" \
            is "$("$varve" ls -R "latest:${work#/}/app" | grep -c 'app.db')" 1
        if ((round % 2 == 0)); then
            check "$journal: integrity" is "$(field 'm["databases"][0]["integrity"]')" ok
            check "$journal: rows of the log" \
                is "$(field 'm["databases"][0]["tables"]["log"]')" "${numbers[-1]:-}"
        fi
        if [ $journal = delete ] && ((round % 2 == 0)); then
            check "$journal: how long writers had to wait is said" says 'had to wait for .* ms'
        fi
        captures+=("$(field 'm["databases"][0]["capture"]')")
    done
    stop
    # Right after a checkpoint the log holds nothing that the database lacks.
    if [ $journal = wal ]; then expected='(raw )*online( raw| online)*'; else expected='raw( raw)*'; fi
    check "$journal: how it was captured: ${captures[*]}" grep -Eqx "$expected" <<<"${captures[*]}"
    echo "$journal: captured at transactions ${numbers[*]}; the writer: $(tail -n 1 "$work/ready")"
done

# A log that nobody uses, with and without its index, and where nothing can be written.
fresh
python3 "$writer" make "$database" wal "$rows"
background write "$database" 200
{ kill -9 "$running" && wait "$running"; } 2>/dev/null || true
exec 9>&-
for state in whole without-index read-only; do
    case $state in
        without-index) rm "$database-shm" ;;
        read-only)
            mount --bind "$work/app" "$work/app" 2>/dev/null || continue
            at_end "umount '$work/app' 2>/dev/null"
            mount -o remount,ro,bind "$work/app"
            ;;
    esac
    before=$(listing)
    numbers=()
    check "after kill -9, $state: backup" backup --sqlite "$database"
    check "after kill -9, $state: what was captured is whole and equals a replay" check_captured
    check "after kill -9, $state: the log is in it" test "${numbers[0]:-0}" -ge 20
    check "after kill -9, $state: nothing was made beside it" is "$(listing)" "$before"
done
umount "$work/app" 2>/dev/null || true

# A log that the database has all of.
fresh
python3 "$writer" make "$database" wal 1000
background idle "$database"
check "copied back: backup" backup "$work/app"
check "copied back: how it was captured" is "$(field 'm["databases"][0]["capture"]')" raw
check "copied back: the same bytes" bash -c "'$varve' cat 'latest:${database#/}' | cmp - '$database'"
stop

# A writer that died in the middle: its journal belongs to the database.
fresh
python3 "$writer" make "$database" delete 5000
{ python3 "$writer" crash "$database" || true; } 2>/dev/null
before=$(listing)
check "crashed writer: there is a journal" test -s "$database-journal"
check "crashed writer: --sqlite" exits 1 backup --sqlite "$database"
check "crashed writer: what was said" says 'died in the middle'
check "crashed writer: in a directory" exits 3 backup "$work/app"
check "crashed writer: nothing was changed" is "$(listing)" "$before"
restored "$work/app"
check "crashed writer: the copy can be put right" \
    is "$(python3 "$writer" check "$work/restored/app.db" 5000)" 0

# A commit into the log alone changes nothing that stat says of the database.
fresh
python3 "$writer" make "$database" wal 1000
background write "$database" 20
backup "$work/app"
first=$(restored "$database" && python3 "$writer" check "$work/restored/app.db" 1000)
stop
background write "$database" 20
check "a quick backup" backup --quick "$work/app"
second=$(restored "$database" && python3 "$writer" check "$work/restored/app.db" 1000)
check "quick sees what is only in the log ($first, $second)" test "$second" -gt "$first"
check "--no-sqlite" backup --no-sqlite "$work/app"
check "--no-sqlite copies the log too" is "$("$varve" ls -R "latest:${work#/}/app" | grep -c 'app.db')" 3
stop

# Locked, damaged, empty, missing, something else.
for journal in delete wal; do
    fresh
    python3 "$writer" make "$database" $journal 1000
    background hold "$database"
    if [ $journal = delete ]; then
        check "locked: --sqlite" exits 11 backup --wait 1s --sqlite "$database"
        check "locked: who" says "locked by process $running (python3)"
        check "locked: in a directory its bytes are copied, and that is said" exits 3 backup --wait 1s "$work/app"
        check "locked: what was said" says 'bytes were copied as they are'
    else
        check "a log in exclusive mode can be read" backup --wait 1s --sqlite "$database"
    fi
    stop
done
fresh
python3 "$writer" make "$database" delete 20000
python3 - "$database" <<'P'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(0, 2)
    for page in range(20, file.tell() // 4096, 9):
        file.seek(page * 4096)
        file.write(b"\x55" * 512)
P
check "damaged: --sqlite" exits 3 backup --sqlite "$database"
check "damaged: what was said" says 'the database is damaged'
check "damaged: the bytes are kept" bash -c "'$varve' cat 'latest:${database#/}' | cmp - '$database'"
: >"$work/app/empty.db"
noise "$work/app/noise.db" 8192
before=$(listing)
check "empty: --sqlite" exits 1 backup --sqlite "$work/app/empty.db"
check "empty: what was said" says 'the file is empty'
check "noise: --sqlite" exits 1 backup --sqlite "$work/app/noise.db"
check "noise: what was said" says 'not a SQLite database'
check "missing: --sqlite" exits 1 backup --sqlite "$work/app/missing.db"
check "missing: what was said" says 'no such file'
check "nothing was made" is "$(listing)" "$before"

# Names that mean something in URIs, and bytes that are no text.
for name in 'a?b=c&d#e%41.db' $'odd\xff\xfe.db' 'file:x.db' ' "quoted'"'"'.db'; do
    fresh
    python3 "$writer" make "$database" wal 1000
    mv "$database" "$work/app/$name"
    check "name $(printf %q "$name"): --sqlite" backup --sqlite "$work/app/$name"
    check "name $(printf %q "$name"): tables" is "$(field 'm["databases"][0]["tables"]["item"]')" 1000
    check "name $(printf %q "$name"): nothing was made beside it" is "$(listing | wc -l)" 1
done

# Replaced by rename, again and again.
fresh
python3 "$writer" make "$database" delete 5000
cp "$database" "$work/other.db"
(while cp "$work/other.db" "$work/app/new.db" && mv "$work/app/new.db" "$database"; do :; done) 2>/dev/null &
renaming=$!
for ((round = 0; round < 5; round++)); do
    if backup --sqlite "$database" --exclude new.db; then
        check "replaced: what was captured is whole" \
            bash -c "'$varve' cat 'latest:${database#/}' | cmp - '$work/other.db'"
    else
        check "replaced: only ever said to change" says 'changed while'
    fi
done
kill "$renaming" && wait "$renaming" 2>/dev/null || true

# No room for a copy: the lock lasts longer, nothing else.
fresh
python3 "$writer" make "$database" delete 20000
mkdir "$work/small"
if mount -t tmpfs -o size=2m tmpfs "$work/small" 2>/dev/null; then
    at_end "umount '$work/small'"
    check "no room to stage: --sqlite" backup --cache-dir "$work/small" --sqlite "$database"
    check "no room to stage: whole" bash -c "'$varve' cat 'latest:${database#/}' | cmp - '$database'"
fi
finish
