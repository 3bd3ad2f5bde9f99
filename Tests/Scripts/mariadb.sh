#!/usr/bin/env bash
# Components of kind command, with a real MariaDB: a dump that is saved while a program writes can be loaded again and
# is the same; a dump whose server dies midway leaves a snapshot without it that says so.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
PATH=$PATH:/usr/sbin
need_tools mariadbd mariadb-install-db mariadb-dump mariadb mariadb-admin

# A server of our own, without a port, that nothing of the machine's knows.
place=$work/server
mkdir "$place"
printf '[client]\nsocket = %s\nuser = app\npassword = "secret of app"\n' "$place/socket" >"$work/client.cnf"
chmod 600 "$work/client.cnf"
start() {
    mariadbd --no-defaults --user="$(id -un)" --datadir="$place/data" --socket="$place/socket" --skip-networking \
        --pid-file="$place/pid" --innodb-flush-log-at-trx-commit=2 >>"$place/log" 2>&1 &
    server=$!
    until mariadb-admin --no-defaults -S "$place/socket" -u root ping >"$work/output" 2>&1; do
        kill -0 "$server" 2>/dev/null || skip "mariadbd does not start here: $(tail -n 1 "$place/log")"
        sleep 0.1
    done
}
# stop_writing, stop: end what this suite started, and wait for it.
stop_writing() {
    [ -z "${writer:-}" ] || { kill "$writer" && wait "$writer"; } 2>/dev/null || true
    writer=
}
stop() {
    [ -z "${server:-}" ] || { kill "$1" "$server" && wait "$server"; } 2>/dev/null || true
    server=
}
at_end 'stop_writing; stop -TERM'
mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$place/data" \
    --auth-root-authentication-method=normal --skip-test-db >"$place/log" 2>&1 || skip "no database can be made here"
start
root_sql() { mariadb --no-defaults -S "$place/socket" -u root "$@"; }
root_sql <<'E'
CREATE DATABASE app;
CREATE USER app@localhost IDENTIFIED BY 'secret of app';
GRANT ALL ON *.* TO app@localhost;
USE app;
CREATE TABLE account (id INT PRIMARY KEY, balance INT) ENGINE=InnoDB;
CREATE TABLE note (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200)) ENGINE=InnoDB;
INSERT INTO account SELECT seq, 1000 FROM seq_1_to_200;
INSERT INTO note (text) SELECT CONCAT('Grüße ', seq, REPEAT('.', 150)) FROM seq_1_to_40000;
E

mkdir "$work/app"
echo "KEY=1" >"$work/app/.env"
cat >"$work/app/varve.toml" <<E
[[component]]
name = "settings"
kind = "files"
type = "config"
paths = [".env"]

[[component]]
name = "dump"
kind = "command"
type = "database"
command = [
    "mariadb-dump", "--defaults-extra-file=$work/client.cnf", "--single-transaction", "--skip-dump-date",
    "--routines", "--events", "app",
]
filename = "app.sql"
E
export VARVE_REPOSITORY=$work/repository
"$varve" -q init --unencrypted >"$work/output"
backup() { "$varve" --no-progress backup --config "$work/app/varve.toml" --json "$@" >"$work/json" 2>"$work/messages"; }
# value EXPRESSION: of the newest manifest m, as Python writes it.
value() { "$varve" show latest --json | python3 -c "import json, sys; m = json.load(sys.stdin); print($1)"; }
is() { [ "$1" = "$2" ] || { echo "\"$1\" instead of \"$2\""; return 1; }; }
load() {
    root_sql -e "DROP DATABASE IF EXISTS $1; CREATE DATABASE $1"
    "$varve" cat "latest:.varve/dump/app.sql" | root_sql "$1"
}
# Comments name the database.
dumped() { mariadb-dump --defaults-extra-file="$work/client.cnf" --skip-dump-date --skip-comments "$1"; }

# A writer that moves money between accounts, 50 at a time: the sum is the same after each transaction.
while :; do
    printf 'BEGIN; UPDATE account SET balance = balance - 5 WHERE id = %d; ' $((RANDOM % 200 + 1))
    printf 'INSERT INTO note (text) VALUES ("moved"); '
    printf 'UPDATE account SET balance = balance + 5 WHERE id = 1; COMMIT;\n'
done | mariadb --no-defaults -S "$place/socket" -u root --force app >"$work/writer" 2>&1 &
writer=$!
until [ "$(root_sql -N app -e "SELECT count(*) FROM note")" -gt 40050 ]; do sleep 0.05; done
check "a backup beside a writer" backup
check "it is complete" is "$(value 'm["state"]')" complete
check "the dump can be loaded" load loaded
check "the sum is that of one moment" is "$(root_sql -N loaded -e 'SELECT sum(balance) FROM account')" 200000
check "what was written meanwhile is in it" test "$(root_sql -N loaded -e 'SELECT count(*) FROM note')" -gt 40050
stop_writing

check "a backup of the quiet database" backup
check "the dump can be loaded again" load again
dumped app >"$work/first"
dumped again >"$work/second"
check "both databases give the same dump" cmp "$work/first" "$work/second"
check "the dump has all rows" grep -q "Grüße 40000" "$work/second"
check "only the other component" backup --only settings
check "a restore in place leaves the dump out, and says so" bash -c \
    "'$varve' restore latest~1 --yes 2>&1 | grep -q 'no place to be restored to'"
check "into a directory it is a file" "$varve" -q restore latest~1 --only dump -t "$work/out"
check "the same as the dump" bash -c "'$varve' cat latest~1:.varve/dump/app.sql | cmp - '$work/out/.varve/dump/app.sql'"

# The server dies while it is dumped: the dump waits for a pipe that is read slowly.
rows=$(root_sql -N app -e 'SELECT count(*) FROM note')
root_sql app -e "INSERT INTO note (text) SELECT CONCAT(UUID(), REPEAT('-', 150)) FROM seq_1_to_400000"
backup --limit-read 2M &
running=$!
until mariadb --defaults-extra-file="$work/client.cnf" -N -e 'SHOW PROCESSLIST' 2>/dev/null \
    | grep -q 'SQL_NO_CACHE'; do
    kill -0 "$running" || break
    sleep 0.05
done
stop -KILL
status=0
wait "$running" || status=$?
check "a dump that dies midway: exit status" is "$status" 3
check "a dump that dies midway: the snapshot is partial" is "$(value 'm["state"]')" partial
check "a dump that dies midway: what it said is said" grep -qi 'lost connection\|error 2013' "$work/json"
check "a dump that dies midway: it is absent" \
    is "$("$varve" ls -R latest | grep -c 'app.sql' || true)" 0
check "a dump that dies midway: the other component is there" bash -c "'$varve' ls -R latest | grep -q '[.]env'"
check "a dump that dies midway: the component says so" is \
    "$(value '[(c["name"], c["files"], c["errors"]) for c in m["components"]]')" "[('settings', 1, 0), ('dump', 0, 1)]"
check "without a server" exits 3 backup
check "without a server: what it said is said" grep -qi "can't connect\|got error" "$work/json"
start
check "with the server again" backup
check "with the server again: complete" is "$(value 'm["state"]')" complete
check "with the server again: it can be loaded" load loaded
check "with the server again: all rows" is \
    "$(root_sql -N loaded -e 'SELECT count(*) FROM note')" $((rows + 400000))
finish
