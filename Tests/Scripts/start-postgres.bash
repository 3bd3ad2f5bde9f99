# A throwaway PostgreSQL server for suites. Sourced after suite.bash: start_postgres starts it in $work/postgres and
# sets PGHOST, PGPORT, PGUSER and PGDATABASE; it is stopped at the end. As root it runs as another user, because
# PostgreSQL refuses to run as root.
find_postgres() {
    local directory
    postgres_bin=$(dirname "$(readlink -f "$(command -v initdb || true)")")
    for directory in /usr/lib/postgresql/*/bin; do
        [ -x "$postgres_bin/postgres" ] || postgres_bin=$directory
    done
    [ -x "$postgres_bin/postgres" ] || skip "PostgreSQL (Debian: postgresql) is not installed"
    need_tools psql pg_dump pg_dumpall pg_restore
    as_postgres=()
    if [ "$(id -u)" = 0 ]; then
        local user=postgres
        id -u postgres >/dev/null 2>&1 || user=nobody
        as_postgres=(setpriv "--reuid=$user" "--regid=$(id -gn "$user")" --clear-groups env "HOME=$work/postgres")
        chmod 755 "$work"
        mkdir -p "$work/postgres"
        chown "$user" "$work/postgres"
    fi
    mkdir -p "$work/postgres"
}

in_postgres() { (cd "$work/postgres" && "${as_postgres[@]}" "$@"); }

start_postgres() {
    find_postgres
    local try
    unset "${!PG@}"
    export PGHOST=127.0.0.1 PGUSER=varve PGDATABASE=postgres PGCONNECT_TIMEOUT=10
    in_postgres "$postgres_bin/initdb" -D data -U varve -A trust -E UTF8 --locale=C.UTF-8 --no-sync \
        >"$work/initdb" 2>&1 || { cat "$work/initdb"; return 1; }
    at_end stop_postgres
    for try in 1 2 3 4 5; do
        export PGPORT=$((20000 + (RANDOM + $$) % 20000))
        run_postgres && return 0
    done
    cat "$work/initdb" "$work/postgres/log"
    return 1
}

run_postgres() {
    in_postgres "$postgres_bin/pg_ctl" -D data -w -t 60 -l log -o "-F -c listen_addresses=127.0.0.1 -c port=$PGPORT \
        -c unix_socket_directories= -c max_wal_senders=0 -c wal_level=minimal -c autovacuum=off" \
        start </dev/null >>"$work/initdb" 2>&1
}

stop_postgres() {
    in_postgres "$postgres_bin/pg_ctl" -D data -m immediate -w stop >>"$work/initdb" 2>&1 || true
}
