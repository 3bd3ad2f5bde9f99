#!/usr/bin/env bash
# What can go wrong with an application: full disks, locked and damaged databases, hooks that fail or hang, signals,
# configurations and passwords that cannot be used. Each ends with its status and says cause and remedy; afterwards
# nothing of it runs or holds anything, and the snapshots from before verify and restore.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools python3 sqlite3 flock setsid
tool=$root/Tests/Scripts/sqlite_writer.py
app=$work/app
rows=300
export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/repository
varve() { (cd "$app" && exec "$varve" --no-progress "$@"); }
# run STATUS COMMAND...: keeps what it prints for `says`.
run() {
    local expected=$1 status=0
    shift
    varve "$@" >"$work/messages" 2>&1 || status=$?
    [ "$status" -eq "$expected" ] || { echo "exit $status instead of $expected"; cat "$work/messages"; return 1; }
}
says() { grep -qF -- "$1" "$work/messages" || { cat "$work/messages"; return 1; }; }
is() { [ "$1" = "$2" ] || { printf '"%s" instead of "%s"\n' "$1" "$2"; return 1; }; }
names() { varve ls -R latest | sed -n "s|^$app/||p" | tr '\n' ' '; }
count() { varve list --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["snapshots"]))'; }
latest() { varve show latest --json | python3 -c "import json, sys; m = json.load(sys.stdin); print($1)"; }
state() { (cd "$1" && find . -printf '%P %y %m %T@ %n %l\n' | sort && find . -type f -exec sha256sum {} + | sort); }

mkdir -p "$app/graph" "$app/uploads"
python3 "$tool" make "$app/app.db" delete $rows
seq 1 2000 >"$app/uploads/numbers"
echo 'SECRET=1' >"$app/.env"
chmod 600 "$app/.env"
echo nodes >"$app/graph/catalog.kz"
state "$app" >"$work/recorded"
# configure LINE...: the configuration, with these lines before its components.
configure() {
    {
        printf '%s\n' "$@"
        cat <<'END'
[[component]]
name = "files"
kind = "files"
paths = ["uploads", ".env"]
[[component]]
name = "app"
kind = "sqlite"
paths = ["app.db"]
busy_timeout = "0s"
END
    } >"$app/varve.toml"
}
component() { printf '%s\n' '[[component]]' "$@" >>"$app/varve.toml"; }
# What the hooks of these tests say, and what the processes hold that must not be left running.
note='printf "%s %s\n" "$VARVE_HOOK" "${VARVE_STATUS:-}" >>../notes'
noted() { is "$(tr '\n' ',' <"$work/notes")" "$1"; }
ended() { flock "$work/held" true; }
: >"$work/held"
configure
varve -q init >"$work/output"
varve -q backup --name good >"$work/output"

# intact WHAT [SNAPSHOTS]: what was saved before is whole, and so many snapshots are there.
good_restores() {
    rm -rf "$work/restored"
    varve -q restore "good:$app" -t "$work/restored" && rm -f "$work/restored/varve.toml" || return 1
    state "$work/restored" | grep -v '^ d\|graph' >"$work/now" || true
    diff <(grep -v '^ d\|graph' "$work/recorded") "$work/now"
}
snapshots=1
intact() {
    check "$1: what was saved verifies" varve -q verify --read-data
    check "$1: what was saved restores" good_restores
    check "$1: ${2:-$snapshots} snapshots" is "$(count)" "${2:-$snapshots}"
    snapshots=${2:-$snapshots}
    check "$1: no session is left" is "$(ls -A "$work/repository/sessions")" ""
}
more() { snapshots=$((snapshots + 1)); }

# Databases that cannot be had.
coproc python3 "$tool" hold "$app/app.db"
holder=$COPROC_PID
read -r _ <&"${COPROC[0]}"
check "locked" run 11 backup
check "locked: by whom" says "locked by process $holder (python3)"
check "locked: what to do" says 'wait longer with --wait'
eval "exec ${COPROC[1]}>&-"
wait "$holder"
intact "locked"

break_pages() {
    python3 - "$1" <<'P'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(0, 2)
    for page in range(2, file.tell() // 4096):
        file.seek(page * 4096)
        file.write(b"\x55" * 512)
P
}
cp -p "$app/app.db" "$work/app.db"
break_pages "$app/app.db"
more
check "damaged" run 3 backup
check "damaged: what" says 'the database is damaged'
check "damaged: where" says "$app/app.db"
check "damaged: the snapshot is partial" is "$(latest 'm["state"]')" partial
check "damaged: it has the others and the bytes" is "$(names)" ".env app.db uploads uploads/numbers "
check "damaged: status says it" run 0 status
check "damaged: status warns" says 'missing from the newest snapshot'
intact "damaged"
for kind in empty text encrypted missing link directory; do
    rm -rf "$app/app.db"
    case $kind in
        empty) what='the file is empty' remedy='start the application once' && : >"$app/app.db" ;;
        text) what='not a SQLite database' remedy='save its bytes' && seq 1 1000 >"$app/app.db" ;;
        encrypted) what='or it is encrypted' remedy='save its bytes' && noise "$app/app.db" 8192 ;;
        missing) what='no such file' remedy='name the database' ;;
        link) what='symbolic link' remedy='name the file it leads to' && ln -s ../app.db "$app/app.db" ;;
        directory) what='is not a file' remedy="$app/app.db" && mkdir "$app/app.db" ;;
    esac
    check "$kind database" run 1 backup
    check "$kind database: why" says "$what"
    check "$kind database: remedy" says "$remedy"
    check "$kind database: nothing was made of it" exits 1 test -s "$app/app.db-journal" -o -e "$app/app.db-wal"
    check "$kind database: the others can be saved" run 0 backup --only files --skip-if-unchanged
    snapshots=$(count)
done
rm -rf "$app/app.db"
cp -p "$work/app.db" "$app/app.db"
intact "no database"

# A directory that nobody may write, and a log in it that nobody uses.
sqlite3 "$app/app.db" 'PRAGMA journal_mode = wal' >"$work/output"
chmod 555 "$app"
more
check "read-only directory" run 0 backup
check "read-only directory: rows" is "$(latest 'm["databases"][0]["tables"]["item"]')" $rows
check "read-only directory: nothing was made" is "$(cd "$app" && echo app.db*)" app.db
chmod 755 "$app"
cp -p "$work/app.db" "$app/app.db"

# A table that the check of the application expects.
asks='sqlite3 -readonly app.db "SELECT json_object('"'status', 'ok', 'issues'"', count(*)) FROM users"'
configure '[validation]' "command = '''$asks'''"
more
check "missing table" run 0 backup
check "missing table: it is said" says 'no such table: users'
check "missing table: it is kept" is "$(latest 'm["validation"][0]["status"]')" failed
configure '[validation]' 'policy = "refuse"' "command = '''$asks'''"
check "missing table, refused" run 5 backup
check "missing table, refused: why" says 'no such table: users'
check "missing table, refused: remedy" says 'repair the application first, or set the policy to warn'
leaves='exec 7<../held; flock 7; sleep 1000 & echo $! >../left'
configure '[validation]' 'policy = "refuse"' "command = '''$leaves; echo '{\"status\": \"ok\"}' '''"
more
check "a check that leaves something running" run 0 backup
kill "$(cat "$work/left")"
intact "validation"

# Hooks.
hooks="on_failure = '$note'"
configure '[hooks]' "$hooks" "before_backup = 'echo the disk is not mounted; exit 7'"
: >"$work/notes"
check "hook fails" run 1 backup
check "hook fails: with what" says 'the before_backup hook exited with status 7: the disk is not mounted'
check "hook fails: remedy" says 'run it by hand'
check "hook fails: on_failure" noted 'on_failure 1,'
intact "hook fails"
configure '[hooks]' "$hooks" "before_backup = 'no-such-command'"
check "hook not found" run 1 backup
check "hook not found: why" says 'which means that it was not found'
configure '[hooks]' "$hooks" 'timeout = "1s"' \
    "before_backup = 'exec 7<../held; flock 7; (trap \"\" TERM; sleep 1000) & sleep 1000'"
: >"$work/notes"
check "hook hangs" run 1 backup
check "hook hangs: why" says 'did not end within 1s and was ended'
check "hook hangs: remedy" says 'give it more time with timeout'
check "hook hangs: nothing of it runs" ended
check "hook hangs: on_failure" noted 'on_failure 1,'
intact "hook hangs"
configure '[hooks]' "$hooks" "before_backup = 'yes no | head -c 50000000; yes err | head -c 9000000 >&2; exit 1'"
check "hook writes a lot" run 1 backup
check "hook writes a lot: its end is shown, and no more" \
    bash -c '[ "$(wc -c <"$0")" -gt 10000 ] && [ "$(wc -c <"$0")" -lt 40000 ]' "$work/messages"
configure '[hooks]' "$hooks" "after_backup = 'exit 9'"
: >"$work/notes"
more
check "after_backup fails" run 1 backup
check "after_backup fails: it is said" says 'the after_backup hook exited with status 9'
check "after_backup fails: on_failure" noted 'on_failure 1,'
intact "hooks"

# A directory database that does not keep still, and one that is not let go of.
quiet() { component 'name = "graph"' 'kind = "dir-db"' 'paths = ["graph"]' "quiesce = '$1'" "resume = '$2'" "${@:3}"; }
configure '[hooks]' "$hooks"
quiet "$note; echo somebody writes; exit 3" "$note"
: >"$work/notes"
more
check "quiesce fails" run 3 backup
check "quiesce fails: it is said" says 'the quiesce hook of graph exited with status 3: somebody writes'
check "quiesce fails: resume ran, then on_failure" noted 'quiesce ,resume ,on_failure 3,'
check "quiesce fails: the rest is saved" is "$(names)" ".env app.db graph uploads uploads/numbers "
check "quiesce fails: the snapshot is partial" is "$(latest 'm["state"]')" partial
configure '[hooks]' "$hooks"
quiet "$note; exec 7<../held; flock 7; (trap \"\" TERM; sleep 1000) & sleep 1000" "$note" 'timeout = "3s"'
: >"$work/notes"
more
check "quiesce hangs" run 3 backup
check "quiesce hangs: nothing of it runs" ended
check "quiesce hangs: resume ran" noted 'quiesce ,resume ,on_failure 3,'
configure
quiet "$note" "echo it is stuck; exit 4"
more
check "resume fails" run 1 backup
check "resume fails: it is said" says 'the resume hook of graph exited with status 4: it is stuck'
check "resume fails: the snapshot is whole" is "$(latest 'm["state"]')" complete
intact "directory databases"

# Signals while a database keeps still: it is let go of.
noise "$app/graph/data.kz" 3000000
mkfifo "$work/event"
signalled() {
    local pid status=0
    : >"$work/notes"
    (cd "$app" && exec "$varve" --no-progress backup "${@:3}" >"$work/messages" 2>&1) &
    pid=$!
    read -r -t 100 _ <>"$work/event" || true
    kill "-$1" $pid
    wait $pid || status=$?
    is $status "$2" || { cat "$work/messages"; return 1; }
}
configure '[hooks]' "$hooks"
quiet "$note; echo >../event" "$note"
check "SIGINT while it keeps still" signalled INT 130 --limit-read 1K
check "SIGINT: resume ran" noted 'quiesce ,resume ,on_failure 130,'
check "SIGTERM while it keeps still" signalled TERM 143 --limit-read 1K
check "SIGTERM: resume ran" noted 'quiesce ,resume ,on_failure 143,'
configure '[hooks]' "$hooks" "before_backup = 'exec 7<../held; flock 7; echo >../event; sleep 1000'"
check "SIGTERM in a hook" signalled TERM 143
check "SIGTERM in a hook: nothing of it runs" ended
check "SIGTERM in a hook: on_failure ran" noted 'on_failure 143,'
configure
component 'name = "dump"' 'kind = "command"' "command = 'exec 7<../held; flock 7; echo >../event; sleep 1000'"
check "SIGINT in a dump" signalled INT 130
check "SIGINT in a dump: nothing of it runs" ended
snapshots=$(count)
intact "signals"

# Configurations and passwords that cannot be used.
configure
chmod 666 "$app/varve.toml"
check "a configuration for everybody" run 2 backup
check "a configuration for everybody: why" says 'can be written by everybody'
check "a configuration for everybody: remedy" says 'chmod o-w it'
chmod 600 "$app/varve.toml"
if [ "$(id -u)" -eq 0 ]; then
    chown 1234 "$app/varve.toml"
    check "somebody else's configuration" run 2 backup
    check "somebody else's configuration: why" says 'belongs to somebody else'
    check "somebody else's configuration: remedy" says '--config'
    more
    check "somebody else's configuration, named" run 0 backup --config "$app/varve.toml"
    chown 0 "$app/varve.toml"
fi
configure 'repositori = "x"'
check "a mistake in it" run 2 config check
check "a mistake in it: where" says "$app/varve.toml:1: repositori"
check "a mistake in it: what was meant" says 'repository'
unset VARVE_KEY_FILE
configure 'password_command = "echo the agent is locked >&2; exit 1"'
check "password command fails" run 1 backup
check "password command fails: it is said" says 'the password command failed'
check "password command fails: its words" says 'the agent is locked'
configure 'password_command = "true"'
check "an empty password" run 2 backup
check "an empty password: it is said" says 'the password is empty'
configure 'password_command = "echo wrong"'
check "a wrong password" run 12 backup
configure 'password_command = "exec 7<../held; flock 7; echo >../event; exec sleep 1000"'
check "SIGTERM while the password command hangs" signalled TERM 143
check "SIGTERM while the password command hangs: nothing of it runs" ended
export VARVE_KEY_FILE=$work/key
intact "configurations"

[ "$(id -u)" -eq 0 ] || { echo "full disks are not tested: mounting a small tmpfs takes root" && finish && exit; }
mkdir "$work/disk"
mount -t tmpfs -o size=16m,mode=700 varve-test "$work/disk" 2>/dev/null || skip "no tmpfs can be mounted here"
at_end 'umount "$work/disk"'

# No room in the repository.
configure '[hooks]' "$hooks"
quiet "$note" "$note"
VARVE_REPOSITORY=$work/disk/repository varve -q init --pack-size 1M >"$work/output"
VARVE_REPOSITORY=$work/disk/repository varve -q backup --name small --only app >"$work/output"
noise "$app/graph/data.kz" 30000000
: >"$work/notes"
check "repository full" run 14 backup -r "$work/disk/repository"
check "repository full: it is said" says 'the file system is full'
check "repository full: hooks" noted 'quiesce ,resume ,on_failure 14,'
check "repository full: what was saved verifies" varve -q verify --read-data -r "$work/disk/repository"
noise "$app/graph/data.kz" 3000000
check "repository full: what to do" says 'varve gc frees'
check "repository full: gc" varve -q gc -r "$work/disk/repository" --rewrite-grace 0
check "repository full: with less it works" run 0 backup -r "$work/disk/repository"
rm -rf "$work/disk/repository"

# No room for copies of databases.
configure
python3 - "$app/app.db" <<'P'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    database.execute("CREATE TABLE big (bytes)")
    database.executemany("INSERT INTO big VALUES (randomblob(?))", [(9000,)] * 1000)
P
head -c 12M /dev/zero >"$work/disk/fill"
more
check "no room to stage a database" run 0 backup --cache-dir "$work/disk"
check "no room to stage a database: it is whole" is "$(latest 'm["databases"][0]["tables"]["big"]')" 1000
check "no room to stage a database: nothing is left there" is "$(find "$work/disk" -name 'staging-*')" ""
head -c 100M /dev/zero >"$work/disk/fill" 2>/dev/null || true
more
check "not a byte for caches" run 0 backup --cache-dir "$work/disk"
rm -rf "$work/disk"/*

# No room for a restore in place.
mkdir "$work/disk/app"
noise "$work/disk/app/large" 6000000
seq 1 1000 >"$work/disk/app/numbers"
more
check "a backup of a small disk" run 0 backup --name disk "$work/disk/app"
state "$work/disk/app" >"$work/whole"
noise "$work/disk/app/large" 5000000
echo changed >"$work/disk/app/numbers"
head -c 8M /dev/zero >"$work/disk/fill"
state "$work/disk/app" >"$work/before"
check "no room to restore" run 14 restore disk --yes
check "no room to restore: it is said" says 'free some space'
check "no room to restore: the old state" diff "$work/before" <(state "$work/disk/app")
check "no room to restore: nothing is left there" is "$(ls -A "$work/disk" | tr '\n' ' ')" "app fill "
rm "$work/disk/fill"
check "room again" run 0 restore disk --yes
check "room again: the new state" diff "$work/whole" <(state "$work/disk/app")
check "room again: undo" run 0 undo --yes
check "room again: the old state" diff "$work/before" <(state "$work/disk/app")

# Room, but no inodes: that shows when half of the restore is staged.
mount -o remount,nr_inodes=120 "$work/disk"
for number in {1..40}; do echo $number >"$work/disk/app/file$number"; done
state "$work/disk/app" >"$work/whole"
more
check "a backup of many files" run 0 backup --name files "$work/disk/app"
rm "$work/disk/app"/file*
(mkdir "$work/disk/fill" && for number in {1..200}; do : >"$work/disk/fill/$number" || exit; done) 2>/dev/null || true
rm "$work/disk/fill"/{1..20}
state "$work/disk/app" >"$work/before"
check "no inodes to restore" run 14 restore files --yes
check "no inodes to restore: it is said" says 'the file system is full'
check "no inodes to restore: the old state" diff "$work/before" <(state "$work/disk/app")
check "no inodes to restore: nothing is left there" is "$(ls -A "$work/disk" | tr '\n' ' ')" "app fill "
rm -r "$work/disk/fill"
check "inodes again" run 0 restore files --yes
check "inodes again: the new state" diff "$work/whole" <(state "$work/disk/app")
cp -p "$work/app.db" "$app/app.db"
snapshots=$(count)
intact "full disks"
finish
