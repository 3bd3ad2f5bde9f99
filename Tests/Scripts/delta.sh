#!/usr/bin/env bash
# A SQLite database that changes is stored as what changed, reads back by varve and by the reader written from
# FORMAT.md, and zstd passes over what it cannot decode by itself.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools zstd
/usr/bin/python3 -c 'import zstandard, cryptography, sqlite3' 2>/dev/null || {
    echo "skipped: python3-zstandard and python3-cryptography are not installed"
    exit 77
}
source=$work/source
mkdir -p "$source"
varve() { "$varve" --no-progress -q "$@"; }

# rows FROM STEP: makes the table if it is not there, and writes a column of every STEPth row.
rows() {
    /usr/bin/python3 - "$source/app.db" "$@" <<'PYTHON'
import random, sqlite3, sys
path, seed, step = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
draw, database = random.Random(seed), sqlite3.connect(path)
words = "alpha beta gamma delta epsilon zeta eta theta".split()
word = lambda count: " ".join(draw.choice(words) for _ in range(count))
database.execute("create table if not exists t (id integer primary key, n integer, body text, token blob)")
if seed == 0:
    values = ((i, draw.randrange(10**6), word(30), draw.randbytes(16)) for i in range(60000))
    database.executemany("insert into t values (?, ?, ?, ?)", values)
else:
    changes = [(draw.randrange(10**6), i) for i in range(seed % step, 60000, step)]
    database.executemany("update t set n = ? where id = ?", changes)
database.commit()
PYTHON
}

# stored OPTION...: bytes that the newest snapshot added to the repository.
stored() { varve "$@" list --json | /usr/bin/python3 -c 'import json, sys
print(max(json.load(sys.stdin)["snapshots"], key=lambda s: s["time"])["bytes_stored"])'; }

for kind in encrypted unencrypted; do
    repository=$work/$kind options=(-r "$work/$kind") rescue=()
    if [ $kind = encrypted ]; then
        options+=(--key-file "$work/key") init=() rescue=(--key-file "$work/key")
    else
        init=(--unencrypted)
    fi
    rm -f "$source/app.db"
    varve "${options[@]}" init "${init[@]+"${init[@]}"}" >"$work/output"
    for generation in 0 1 2 3; do
        rows $generation 200
        cp "$source/app.db" "$work/state$generation"
        varve "${options[@]}" backup --name "state$generation" "$source" >"$work/output"
        bytes[generation]=$(stored "${options[@]}")
    done
    check "$kind: a change adds less than a tenth: ${bytes[*]}" \
        test $((10 * bytes[1])) -lt "${bytes[0]}"
    check "$kind: verify" varve "${options[@]}" verify --read-data
    for generation in 0 1 2 3; do
        varve "${options[@]}" restore "state$generation" --target "$work/out" >"$work/output"
        check "$kind: restore of state $generation" cmp "$work/state$generation" "$work/out$source/app.db"
        rm -rf "$work/out"
        /usr/bin/python3 "$root/Scripts/rescue.py" restore "$repository" "state$generation" "$work/out" \
            "${rescue[@]+"${rescue[@]}"}"
        check "$kind: rescue of state $generation" cmp "$work/state$generation" "$work/out$source/app.db"
        rm -rf "$work/out"
    done
    varve "${options[@]}" delete -y state0 state2 >"$work/output"
    varve "${options[@]}" gc --max-unused 0 --rewrite-grace 0 >"$work/output"
    check "$kind: verify after gc" varve "${options[@]}" verify --read-data
    varve "${options[@]}" restore state3 --target "$work/out" >"$work/output"
    check "$kind: restore after gc" cmp "$work/state3" "$work/out$source/app.db"
    rm -rf "$work/out"
    echo "$kind: generations of a database added ${bytes[*]} bytes"
done
while IFS= read -r -d '' pack; do
    check "zstd -t $(basename "$pack")" zstd -tq "$pack"
done < <(find "$work/unencrypted/packs" -type f -print0)
finish
