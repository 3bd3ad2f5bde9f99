#!/usr/bin/env bash
# A whole application: a SQLite database that is written all the time, a directory database, uploads named in many
# languages, .env and a compose file. From init --app over backups by type to restores, undo and drill, everything that
# its people rely on is compared: names, bytes, modes, owners, times and attributes.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools python3 getfattr setfattr flock setsid
tool=$root/Tests/Scripts/sqlite_writer.py
app=$work/srv/app
control=$work/application
rows=500
export VARVE_KEY_FILE=$work/key application=$work app tool rows
varve() { (cd "$app" && "$varve" --no-progress "$@"); }
says() { grep -qF -- "$1" "$work/messages" || { cat "$work/messages"; return 1; }; }
lacks() { exits 1 grep -F -- "$1" "$work/messages"; }
# quietly COMMAND...: runs a command of varve and keeps all that it prints for `says`.
quietly() { varve "$@" >"$work/messages" 2>&1 || { local status=$?; cat "$work/messages"; return $status; }; }
is() { [ "$1" = "$2" ] || { printf '"%s" instead of "%s"\n' "$1" "$2"; return 1; }; }
# field PATH [ARGUMENT...]: a value of what a command prints as JSON.
field() {
    local what=$1
    shift
    varve "$@" --json | python3 -c "import json, sys; m = json.load(sys.stdin); print($what)"
}

# Everything about a directory: names, types, modes, owners, times, links, bytes, attributes.
cat >"$work/state.sh" <<'END'
cd "$1" && export LC_ALL=C
find . -printf '%P\0%y %m %U %G %T@ %n %l\0' | tr '\n\0' '?\n' | paste - - | awk -F '\t' '
    $2 ~ /^d/ { sub(/ [0-9]+ $/, " ", $2) } { print $1 "\t" $2 }' | sort
find . -type f ! -name '*-shm' -print0 | sort -z | xargs -0r sha256sum
find . -print0 | sort -z | xargs -0r getfattr -h -d -m - 2>/dev/null
true
END
state() { bash "$work/state.sh" "$1"; }
like() { diff "$1" "$2" >"$work/difference" || { head -n 12 "$work/difference"; return 1; }; }
is_state() { state "$1" >"$work/now" && like "$2" "$work/now"; }

# The application: a process that commits a hundred transactions a second. What it holds open goes with it, so whoever
# gets its lock knows that it has ended.
cat >"$control" <<'END'
case $1 in
start)
    exec 8>"$application/lock" && flock 8
    rm -f "$application/ready" && mkfifo "$application/ready"
    setsid python3 "$tool" write "$app/app.db" 100 <>"$application/input" >"$application/ready" 2>&1 &
    echo $! >"$application/pid"
    exec 8>&-
    read -r word <"$application/ready" && [ "$word" = ready ]
    ;;
stop) kill "$(cat "$application/pid")" 2>/dev/null; flock "$application/lock" true ;;
esac
END
application() { bash "$control" "$1"; }
mkfifo "$work/input"
at_end 'application stop'
is_running() { kill -0 "$(cat "$work/pid")" 2>/dev/null; }

mkdir -p "$app"/{data/uploads/empty,data/graph,templates,logs,__pycache__,.cache}
mkdir "$app/data/uploads"/{日本語,العربية,Ελληνικά,Русский,हिन्दी,'with space'}
for name in 日本語/報告書.txt العربية/تقرير.txt Ελληνικά/αναφορά.txt Русский/отчёт.txt हिन्दी/रिपोर्ट.txt \
    'with space/"quoted" '"'n'"' $HOME `x`.txt' $'caf\xc3\xa9' $'cafe\xcc\x81' $'latin1-\xe9\xff\xfe' $'line\nbreak' \
    '*?[x]!#' "$(printf 'n%.0s' {1..255})"; do
    printf 'content of %s\n' "$name" >"$app/data/uploads/$name"
done
noise "$app/data/uploads/日本語/photo.jpg" 300000
truncate -s 1M "$app/data/uploads/hole"
: >"$app/data/uploads/zero"
ln "$app/data/uploads/日本語/photo.jpg" "$app/data/uploads/photo.jpg"
ln -s 日本語/photo.jpg "$app/data/uploads/link"
ln -s $'nowhere-\xe9' "$app/data/uploads/dangling"
ln -s ../data/uploads "$app/templates/uploads"
has_attributes=yes
setfattr -n user.title -v Grüße "$app/data/uploads/日本語/報告書.txt" 2>/dev/null || has_attributes=
printf 'SECRET=1\n' >"$app/.env"
printf 'services:\n  web:\n    image: app\n' >"$app/docker-compose.yml"
echo 2.4.1 >"$app/VERSION"
echo flask >"$app/requirements.txt"
echo '<html>' >"$app/templates/index.html"
echo noise | tee "$app/logs/app.log" "$app/__pycache__/a.pyc" >"$app/.cache/x"
printf 'catalog' >"$app/data/graph/catalog.kz"
printf 'nodes' >"$app/data/graph/data.kz"
chmod 600 "$app/.env"
chmod 750 "$app/data/uploads/日本語"
chmod 444 "$app/requirements.txt"
[ "$(id -u)" -ne 0 ] || chown -h 1234:4321 "$app/data/uploads"/{zero,link,empty,العربية}
python3 "$tool" make "$app/app.db" wal $rows
find "$app" -exec touch -h -d @1600000000.123456789 {} +
state "$app/data/uploads" >"$work/uploads.recorded"

# What varve makes of it by itself.
check "init --app" quietly init --app . -r "$work/repository" --key-file "$work/key"
check "the proposal has the database" grep -qF 'paths = ["app.db"]' "$app/varve.toml"
check "the proposal has the directory database" grep -qF 'paths = ["data/graph"]' "$app/varve.toml"
check "the proposal has the uploads" grep -qF 'paths = ["data/uploads"]' "$app/varve.toml"
check "the proposal has the settings" bash -c 'grep -qF "\".env\"," "$0" && grep -qF "\"docker-compose.yml\"," "$0"' \
    "$app/varve.toml"
check "the proposal has the key file" grep -qF "key_file = \"$work/key\"" "$app/varve.toml"
check "the proposal leaves out what can be made again" \
    grep -qF 'exclude_set = ["caches", "logs", "python"]' "$app/varve.toml"
check "the proposal is without mistakes" quietly config check
check "a second proposal does not overwrite it" exits 1 quietly init --app .

# What its people add.
cat >"$work/hook" <<'END'
echo "$VARVE_HOOK ${VARVE_COMPONENT:-} ${VARVE_STATUS:-}" >>"$application/hooks"
case $VARVE_HOOK in
before_restore) bash "$application/application" stop; bash "$application/state.sh" "$app" >"$application/before" ;;
after_restore)
    bash "$application/state.sh" "$app" >"$application/after"
    [ ! -e "$app/app.db" ] || bash "$application/application" start
    ;;
esac
END
sed -i -e "s|^timeout = \"10m\"|&\n$(for hook in before_backup after_backup before_restore after_restore on_failure; do
    printf '%s = "bash %s/hook"\\n' $hook "$work"
done)|" -e "s|# quiesce = .*|quiesce = \"bash $work/hook\"|" -e "s|# resume = .*|resume = \"bash $work/hook\"|" \
    -e 's/^keep_daily = 7/keep_last = 2/' -e '/^keep_\(weekly\|monthly\)/d' "$app/varve.toml"
cat >>"$app/varve.toml" <<END

[validation]
command = "cat $work/validation"
END
echo '{"validator": "texts", "status": "ok", "issues": 0, "summary": "all there"}' >"$work/validation"
check "the configuration is without mistakes" quietly config check
check "init takes repository and key from it" quietly init

# Backups beside the running application.
application start
check "a backup" quietly backup
check "the database was captured beside its writer" is "$(field 'm["databases"][0]["capture"]' show latest)" online
check "integrity is recorded" is "$(field 'm["databases"][0]["integrity"]' show latest)" ok
check "the version is recorded" is "$(field 'm["app_version"]' show latest)" 2.4.1
check "all hooks ran, in order" is "$(tr '\n' ',' <"$work/hooks")" \
    "before_backup  ,quiesce graph ,resume graph ,after_backup  0,"
check "the application runs on" is_running
check "validation is listed" is "$(field 'm["snapshots"][0]["validation"][0]["summary"]' list)" 'all there'
varve ls -R --json latest | python3 -c '
import base64, json, os, sys
for line in sys.stdin:
    m = json.loads(line)
    path = base64.b64decode(m["path_base64"]) if "path_base64" in m else os.fsencode(m["path"])
    sys.stdout.buffer.write(path.replace(b"\n", b"?") + b"\n")' >"$work/paths"
held() { grep -acx -- "$app/$1" "$work/paths" || true; }
check "what can be made again is left out" is "$(held '.*\(a\.log\|\.pyc\|\.cache/x\|app.db-.*\)')" 0
check "an empty directory is in it" is "$(held data/uploads/empty)" 1
check "a name that is no text is in it" is "$(LC_ALL=C held $'data/uploads/latin1-\xe9\xff\xfe')" 1

captured() {
    rm -rf "$work/restored"
    varve -q restore "$1" -t "$work/restored" && python3 "$tool" check "$work/restored$app/app.db" $rows
}
check "the captured database is a replay of its transactions" captured latest
check "restored elsewhere the uploads are what they were" is_state "$work/restored$app/data/uploads" \
    "$work/uploads.recorded"

# Types select components.
of_type() {
    quietly backup --type "$1" || return 1
    is "$(field '" ".join(sorted(c["name"] for c in m["components"]))' show latest)" "$2" || return 1
    is "$(field 'm["type"]' show latest)" "$1"
}
check "--type database" of_type database "app graph"
check "--type data" of_type data "files uploads"
check "--type data has nothing of the others" is \
    "$(varve ls -R latest | grep -cE 'app\.db|\.env$|graph|VERSION')" 0
check "--type config" of_type config settings
check "--type config has the settings alone" is \
    "$(varve ls -R latest | grep -E "^$app/" | sed "s|^$app/||" | tr '\n' ' ')" \
    ".env VERSION docker-compose.yml requirements.txt "
check "--type full" of_type full "app files graph settings uploads"
check "--type of which there is none" exits 2 quietly backup --type nothing
check "types are named" says "database"
check "--only" quietly backup --only uploads --name uploads-only
check "only the uploads" is "$(field '[c["name"] for c in m["components"]]' show latest)" "['uploads']"
check "--job" quietly backup --job nightly --name good
check "its kind" is "$(field 'm["kind"], m["job"]' show latest)" "quick nightly"

# Half of it goes.
application stop
rm -r "$app/data/uploads/日本語" "$app/data/uploads/हिन्दी" "$app/templates" "$app/app.db" "$app/data/graph/data.kz"
rm -f "$app"/app.db-*
echo 'SECRET=2' >"$app/.env"
chmod 644 "$app/.env"
mkdir "$app/extra" "$app/data/uploads/new"
rm "$app/data/uploads/zero"
mkdir "$app/data/uploads/zero"
chmod 700 "$app" "$app/data"
setfattr -n user.new -v kept "$app/data" 2>/dev/null || true
state "$app" >"$work/broken"
: >"$work/hooks"

check "a restore in place asks" exits 5 quietly restore good
check "nothing has changed" is_state "$app" "$work/broken"
check "--dry-run" quietly restore good --dry-run
check "nothing has changed still" is_state "$app" "$work/broken"
check "neither of them ran hooks" test ! -s "$work/hooks"

# One component, and nothing else.
without_uploads() { grep -av -e '^data/uploads' -e '/data/uploads/' "$1" | sed '/^# file: data.uploads/,/^$/d'; }
check "restore --only settings" quietly restore good --only settings --yes
check "the settings are back, with their mode" is "$(stat -c %a "$app/.env") $(cat "$app/.env")" "600 SECRET=1"
check "undo" quietly undo --yes
check "undo leaves the state before" like "$work/broken" "$work/after"
check "restore --only uploads --delete" quietly restore good --only uploads --delete --yes
check "the uploads are as they were recorded" is_state "$app/data/uploads" "$work/uploads.recorded"
check "nothing else has changed" like <(without_uploads "$work/broken") <(without_uploads "$work/after")
check "undo of it" quietly undo --yes
check "undo leaves the state before it" is_state "$app" "$work/broken"

# Everything.
: >"$work/hooks"
check "restore" quietly restore good --yes
check "hooks stopped and started the application" is "$(tr '\n' ',' <"$work/hooks")" \
    "before_restore  ,after_restore  0,"
check "the application runs" is_running
cp "$work/after" "$work/new"
: >"$work/hooks"
check "undo of everything" quietly undo --yes
check "hooks stopped the application" is "$(tr '\n' ',' <"$work/hooks")" "before_restore  ,after_restore  0,"
check "its database is gone, and it runs no more" exits 1 is_running
check "undo leaves the broken state exactly" is_state "$app" "$work/broken"
check "restore again" quietly restore good --yes
check "that gives the same again" like "$work/new" "$work/after"
application stop
check "the application works with what came back" python3 "$tool" check "$app/app.db" $rows
check "what is in no snapshot stays" test -d "$app/extra" -a -f "$app/logs/app.log"

# The same snapshot, quick and full, when nothing changes.
varve -q backup --job nightly
quick=$(field 'm["tree_root"]' show latest)
varve -q backup
check "quick and full are one tree" is "$(field 'm["tree_root"]' show latest)" "$quick"
check "the tree compares equal with the directory" is "$(varve diff "latest:$app/data/uploads" "$app/data/uploads")" ""

# Proof.
check "drill with a check" quietly drill good --check "python3 $tool check ${app#/}/app.db $rows"
check "verify" quietly verify --read-data
check "drill" quietly drill
check "list shows the drill" bash -c '[ "$1" != None ]' _ "$(field 'm["snapshots"][0]["last_drilled"]' list)"
varve list >"$work/messages"
check "list shows it to people" says PROVEN
check "list shows the validation to people" says VALIDATION
check "status is green" exits 0 quietly status --max-age 26h --min-count 1
check "status says so" is "$(field 'm["status"]' status --max-age 26h --min-count 1)" ok
check "too few snapshots" exits 5 quietly status --min-count 50
check "too few snapshots are named" says "of at least 50"
check "--nagios" exits 0 quietly status --max-age 26h --nagios
check "--nagios says it" says "VARVE OK"
check "--nagios, too few" exits 2 quietly status --min-count 50 --nagios
check "--nagios says what is critical" says "VARVE CRITICAL"
check "an old one" quietly backup --host old --only settings --time 2020-01-01T00:00:00Z
check "too old" exits 5 quietly status --host old --max-age 26h
check "too old, --nagios" exits 2 quietly status --host old --max-age 26h --nagios
check "monitoring without a repository" exits 3 quietly status --nagios -r "$work/nowhere"

# A check that fails, and one that forbids.
echo '{"validator": "texts", "status": "bad", "issues": 3, "summary": "3 texts are missing"}' >"$work/validation"
check "a bad check warns" quietly backup --only settings
check "what it found is said" says '3 texts are missing'
check "what it found is listed" is "$(field 'm["snapshots"][0]["validation"][0]["issues"]' list)" 3
count() { field 'len(m["snapshots"])' list; }
before=$(count)
echo 'policy = "refuse"' >>"$app/varve.toml"
: >"$work/hooks"
check "policy refuse" exits 5 quietly backup
check "why is said" says '3 texts are missing'
check "and what to do" says 'repair the application first'
check "no snapshot was made" is "$(count)" "$before"
check "the hook for failures ran" grep -qx 'on_failure  5' "$work/hooks"
echo '{"status": "ok"}' >"$work/validation"

# Retention from the file.
check "forget --dry-run" quietly forget --dry-run
check "nothing went" is "$(count)" "$before"
check "forget" quietly forget
check "two of each group are left" python3 - <(varve list --json) <<'P'
import collections, json, sys
listed = json.load(open(sys.argv[1]))["snapshots"]
groups = collections.Counter((s["host"], s["job"], tuple(s["paths"])) for s in listed if s["origin"] == "user")
assert max(groups.values()) == 2, groups
assert [s for s in listed if s["origin"] == "safety"], listed
P
check "gc" quietly gc --rewrite-grace 0
check "everything verifies" quietly verify --read-data
check "what is left restores" captured good
finish
