#!/usr/bin/env bash
# PostgreSQL databases: what is dumped is whole and counted, what fails is said and costs nothing else, and a restore in
# place leaves the old database or the new one, whatever ends it.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
source "$(dirname "$0")/start-postgres.bash"
need_tools python3
start_postgres
rows=${POSTGRES_ROWS:-20000}
export VARVE_REPOSITORY=$work/repository
mkdir "$work/app" "$work/app/files"
cd "$work/app"
echo one >files/one
"$varve" -q init --unencrypted >"$work/output"

backup() { "$varve" --no-progress backup --json "$@" >"$work/json" 2>"$work/messages"; }
restore() { "$varve" --no-progress --yes restore "$@" >"$work/json" 2>"$work/messages"; }
undo() { "$varve" --no-progress --yes undo "$@" >"$work/json" 2>"$work/messages"; }
field() { "$varve" show "${2:-latest}" --json | python3 -c "import json, sys; m = json.load(sys.stdin); print($1)"; }
is() { [ "$1" = "$2" ] || { echo "\"$1\" instead of \"$2\""; return 1; }; }
says() { grep -qi -- "$1" "$work/messages" "$work/json" || { cat "$work/messages" "$work/json"; return 1; }; }
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
# dump DATABASE: without the key that newer versions put into every dump.
dump() { pg_dump --no-password -d "dbname='$1'" | grep -v '^\\\(un\)\?restrict '; }
databases() { sql -c "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 1"; }
newest() { "$varve" show latest --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }

# configure [KEY = VALUE...]: one database and a directory.
configure() {
    cat >varve.toml <<T
[[component]]
name = "db"
kind = "postgres"
database = "${database:-app}"
$(printf '%s\n' "$@")
[[component]]
name = "files"
kind = "files"
paths = ["files"]
T
}

make_database() {
    sql -c 'DROP DATABASE IF EXISTS app' -c 'CREATE DATABASE app' 2>"$work/output"
    sql -d app <<S
CREATE SCHEMA "odd schema";
CREATE TABLE orders (id bigint PRIMARY KEY, name text, at timestamptz DEFAULT '2026-01-01');
INSERT INTO orders SELECT g, md5(g::text) FROM generate_series(1, $rows) g;
CREATE TABLE "odd schema"."t; ""x"" FROM stdin" (a text);
INSERT INTO "odd schema"."t; ""x"" FROM stdin" VALUES
    (E'\\\\.'), ('COPY public.orders (id) FROM stdin;'), (E'a\\nb'), (NULL);
CREATE TABLE empty (a int);
CREATE TABLE parent (a int) PARTITION BY LIST (a);
CREATE TABLE child PARTITION OF parent FOR VALUES IN (1, 2);
INSERT INTO parent VALUES (1), (2), (2);
CREATE SEQUENCE s;
SELECT setval('s', 42) AS ignored \gset
CREATE VIEW v AS SELECT count(*), E'it''s \\\\' AS t FROM orders;
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS \$x\$ SELECT '
COPY public.empty (a) FROM stdin;
1
\\.
' \$x\$;
SELECT lo_from_bytea(0, '\\x00ff') AS ignored \gset
S
}
restored_rows() { sql -d app -c 'SELECT count(*) FROM orders'; }

sql -c "CREATE ROLE joe LOGIN PASSWORD 'geheim'" -c 'CREATE ROLE owner'
make_database
sql -c 'ALTER DATABASE app OWNER TO owner' -c "ALTER DATABASE app SET search_path TO public, \"odd schema\"" \
    -c "ALTER ROLE joe IN DATABASE app SET work_mem = '9MB'" -c "COMMENT ON DATABASE app IS 'it''s'" \
    -c 'GRANT CONNECT ON DATABASE app TO joe WITH GRANT OPTION' -c 'REVOKE TEMP ON DATABASE app FROM PUBLIC'
properties() {
    sql -c "SELECT pg_get_userbyid(datdba), (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
        shobj_description(oid, 'pg_database'), (SELECT array_agg((setrole, setconfig)
        ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname = 'app'"
}
dump app >"$work/original"
kept=$(properties)

counted="[('\"odd schema\".\"t; \"\"x\"\" FROM stdin\"', 4), ('public.child', 3), ('public.empty', 0), "
counted+="('public.orders', $rows)]"
for format in plain custom; do
    configure "format = \"$format\""
    check "$format: backup" backup
    check "$format: what is counted" is "$(field 'sorted(m["databases"][0]["tables"].items())')" "$counted"
    check "$format: the server" is "$(field 'm["databases"][0]["server_version"]')" "$(sql -c 'SHOW server_version')"
    check "$format: how it ended" is "$(field 'm["databases"][0]["exit_status"]["pg_dump"]')" 0
    check "$format: roles" bash -c "'$varve' cat latest:.varve/db/globals.sql | grep -q 'CREATE ROLE joe'"
    sql -d app -c 'DELETE FROM orders WHERE id > 5'
    echo two >files/one
    check "$format: a dry run" restore latest --dry-run
    check "$format: says what" says 'replace *database app'
    check "$format: changes nothing" is "$(restored_rows)" 5
    check "$format: restore" restore latest
    check "$format: the same dump as before" diff <(dump app) "$work/original"
    check "$format: owner, rights, settings, comment" is "$(properties)" "$kept"
    check "$format: the files too" is "$(cat files/one)" one
    check "$format: nothing is left" is "$(databases)" app
    check "$format: undo" undo
    check "$format: the state before, in the database" is "$(restored_rows)" 5
    check "$format: and in the files" is "$(cat files/one)" two
    check "$format: nothing is left of the undo" is "$(databases)" app
    check "$format: restore the database alone" restore latest --only db
    check "$format: the database" diff <(dump app) "$work/original"
    check "$format: the files stay" is "$(cat files/one)" two
    check "$format: undo of it" undo
    check "$format: the database before" is "$(restored_rows)" 5
    check "$format: --target gives the files of the dump" restore latest -t "$work/target"
    check "$format: they are there" test -s "$work/target/.varve/db/properties.sql"
    rm -rf "$work/target"
    restore latest
done

# A database that is not there is made, and undo removes it again.
configure
backup
sql -c 'DROP DATABASE app'
check "gone: restore" restore latest --only db
check "gone: it is there again" diff <(dump app) "$work/original"
check "gone: undo" undo
check "gone: it is gone again" is "$(databases)" ""
restore latest --only db

# By name and by URI, and names that mean something elsewhere.
check "--postgres NAME" backup --postgres app
check "--postgres NAME: rows" is "$(field 'm["databases"][0]["tables"]["public.orders"]')" "$rows"
check "--postgres URI" backup --postgres "postgresql://joe:geheim@$PGHOST:$PGPORT/postgres?application_name=x%20y"
check "--postgres URI: no password is kept" exits 1 grep -r geheim "$work/repository" "$work/state"
check "--postgres URI: none is shown" exits 1 grep geheim "$work/json" "$work/messages"
for name in "it's \"quoted\"" ' two  words ' 'Ünï-日本' '-d template1' 'postgres://u@h/x' \
    'a=b host=nowhere' '%41\x' '$(touch x)'; do
    name=${name//$'\x01'/}
    sql -v "name=$name" <<<'CREATE DATABASE :"name"'
    sql -d "dbname='$(sed "s/[\\\\']/\\\\&/g" <<<"$name")'" -c 'CREATE TABLE t AS SELECT 1 AS a'
    case $name in
        postgres://*) uri="postgresql:///postgres%3A%2F%2Fu%40h%2Fx" ;;
        *) uri=$name ;;
    esac
    check "name $name: backup" backup "--postgres=$uri"
    check "name $name: the table" is "$(field 'm["databases"][0]["tables"]')" "{'public.t': 1}"
    sql -d "dbname='$(sed "s/[\\\\']/\\\\&/g" <<<"$name")'" -c 'DELETE FROM t'
    check "name $name: restore" restore latest
    check "name $name: restored" is \
        "$(sql -d "dbname='$(sed "s/[\\\\']/\\\\&/g" <<<"$name")'" -c 'SELECT count(*) FROM t')" 1
    sql -v "name=$name" <<<'DROP DATABASE :"name"'
done
check "no file was made" exits 1 test -e x

# What fails.
configure
backup
whole=$(newest)
check "wrong database: alone" exits 1 backup --postgres nowhere
check "wrong database: what was said" says 'database "nowhere" does not exist'
check "server down: alone" env PGPORT=1 "$BASH" -c "! '$varve' backup --postgres app 2>'$work/messages'"
check "server down: what was said" says 'cannot be reached'
check "server down: with files" exits 3 env PGPORT=1 "$varve" -q backup
check "server down: one error" is "$(field 'm["state"] + str(len(m["errors"]))')" partial1
mkdir "$work/bin"
check "no pg_dump: with files" exits 3 env PATH="$work/bin" "$varve" -q backup
check "no pg_dump: what was said" bash -c "'$varve' show latest | grep -q 'not installed'"
check "half a snapshot cannot bring the database" exits 13 restore latest --only db
sql -c 'ALTER ROLE joe IN DATABASE app RESET ALL' -c 'GRANT CONNECT ON DATABASE app TO PUBLIC'
database="postgresql://joe@$PGHOST:$PGPORT/app" configure
check "no rights: with files" exits 3 backup
check "no rights: what was said" says 'permission denied'
database="postgresql://joe@$PGHOST:$PGPORT/postgres" configure
check "not all rights: the roles are saved without passwords" backup
check "not all rights: the roles" bash -c "'$varve' cat latest:.varve/db/globals.sql | grep -q 'ROLE joe'"
configure 'busy_timeout = "1s"'
mkfifo "$work/hold"
psql -XAtq -d app <"$work/hold" >"$work/held" &
holder=$!
exec 8>"$work/hold"
at_end 'exec 8>&-; kill $holder 2>/dev/null'
echo "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT 'held';" >&8
until grep -q held "$work/held"; do kill -0 $holder; done
check "locked: with files" exits 3 backup
check "locked: what was said" says 'locked by another session'
configure
check "connected: restore is refused" exits 5 restore "$whole" --only db
check "connected: who" says "varve psql from 127.0.0.1"
check "connected: nothing is left" is "$(databases)" app
exec 8>&-
wait $holder

# The password: a URI of the configuration, seen while pg_dump waits.
database="postgresql://varve:geheim@$PGHOST:$PGPORT/app" configure
mkdir "$work/spy"
real=$(command -v pg_dump)
cat >"$work/spy/pg_dump" <<S
#!/bin/sh
if [ "\$1" != --version ]; then
    cat /proc/[0-9]*/cmdline >"$work/commands" 2>/dev/null
    [ "\$PGPASSWORD" = geheim ] && : >"$work/handed"
fi
exec "$real" "\$@"
S
chmod +x "$work/spy/pg_dump"
check "password: backup" env PATH="$work/spy:$PATH" "$varve" -q backup
check "password: pg_dump has it" test -e "$work/handed"
check "password: no command shows it" exits 1 grep -q geheim "$work/commands"
check "password: nothing keeps it" exits 1 grep -r geheim "$work/repository" "$work/state"

# pg_dump is killed in the middle, or lies.
configure
for what in 'kill -9 $$' 'exit 1' 'exit 0'; do
    cat >"$work/spy/pg_dump" <<S
#!/bin/sh
if [ "\$1" = --version ]; then exec "$real" "\$@"; fi
"$real" "\$@" | head -c 100000
$what
S
    check "pg_dump ends with $what: with files" exits 3 env PATH="$work/spy:$PATH" "$varve" -q backup
    check "pg_dump ends with $what: the dump is not there" exits 13 "$varve" cat latest:.varve/db/database.sql
    check "pg_dump ends with $what: nor what belongs to it" exits 13 "$varve" cat latest:.varve/db/properties.sql
    check "pg_dump ends with $what: the files are" "$varve" -q cat "latest:${work#/}/app/files/one"
done

# A manifest that says something else than the dump has.
backup
cat >"$work/spy/psql" <<S
#!/bin/sh
case "\$*" in *output=/dev/null*) sed '/^COPY public.orders/{n;d}' | exec "$(command -v psql)" "\$@" ;; esac
exec "$(command -v psql)" "\$@"
S
chmod +x "$work/spy/psql"
sql -d app -c 'DELETE FROM empty; INSERT INTO empty VALUES (7)'
dump app >"$work/changed"
check "wrong rows: refused" exits 5 env PATH="$work/spy:$PATH" "$varve" -q --yes restore latest
check "wrong rows: the old database" diff <(dump app) "$work/changed"
check "wrong rows: nothing is left" is "$(databases)" app

# Killed at any moment: the old database or the new one, and the files with it; then nothing is left.
echo new >files/one
backup
snapshot=$(newest)
dump app >"$work/new"
sql -d app -c 'TRUNCATE orders'
echo old >files/one
dump app >"$work/old"
state() {
    dump app >"$work/now"
    if cmp -s "$work/now" "$work/old"; then echo old
    elif cmp -s "$work/now" "$work/new"; then echo new
    else echo neither; fi
}
moments=${POSTGRES_KILLS:-12}
SECONDS=0
begin=$(date +%s%N)
restore "$snapshot"
length=$((($(date +%s%N) - begin) / 1000000))
undo
check "before the kills" is "$(state) $(cat files/one)" 'old old'
seen=()
for ((moment = 1; moment <= moments; moment++)); do
    "$varve" -q --no-progress --yes restore "$snapshot" >"$work/json" 2>"$work/messages" &
    killed=$!
    python3 -c "import time; time.sleep($length / 1000 * $moment / $moments)"
    { kill -9 $killed && wait $killed; } 2>/dev/null || true
    found=$(state)
    seen+=("$found")
    check "kill $moment: the old or the new database" test "$found" != neither
    if ((moment % 2)); then
        undo || true
        check "kill $moment: undo brings both back" is "$(state) $(cat files/one)" 'old old'
    else
        check "kill $moment: the same restore again" restore "$snapshot"
        check "kill $moment: both are new" is "$(state) $(cat files/one)" 'new new'
        check "kill $moment: undo" undo
        # What was complete but for clearing was completed, and then restored once more.
        if [ "$found" = new ]; then check "kill $moment: undo of the killed one" undo; fi
        check "kill $moment: both are old" is "$(state) $(cat files/one)" 'old old'
    fi
    check "kill $moment: nothing is left" is "$(databases)" app
done

# Killed by the very program that does a step: before it, and after it.
kill_at() {
    cat >"$work/spy/psql" <<S
#!/bin/sh
script=$work/script.\$\$
case "\$*" in *output=/dev/null*) exec "$real_psql" "\$@" ;; esac
cat >"\$script"
grep -q '$2' "\$script" || exec "$real_psql" "\$@" <"\$script"
[ $1 = before ] || "$real_psql" "\$@" <"\$script"
kill -9 \$PPID
S
}
real_psql=$(command -v psql)
for step in 'CREATE DATABASE' 'RENAME TO' 'DROP DATABASE'; do
    for when in before after; do
        kill_at $when "$step"
        PATH=$work/spy:$PATH "$varve" -q --no-progress --yes restore "$snapshot" >"$work/output" 2>&1 || true
        case "$when $step" in
            *CREATE* | 'before RENAME TO') expected=old ;;
            *) expected=new ;;
        esac
        check "killed $when $step: the database" is "$(state)" $expected
        check "killed $when $step: undo" undo
        check "killed $when $step: both are old" is "$(state) $(cat files/one)" 'old old'
        check "killed $when $step: nothing is left" is "$(databases)" app
    done
done

echo "after kills within $length ms: ${seen[*]}"
finish
