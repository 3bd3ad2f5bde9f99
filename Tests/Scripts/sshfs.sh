#!/usr/bin/env bash
# A repository on sshfs, served by a private sshd on loopback: everything works, with at most one warning.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools sshfs ssh ssh-keygen rsync
sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || skip "sshd is not installed"
unmount=$(command -v fusermount3 || command -v fusermount) || skip "fusermount is not installed"
[ -w /dev/fuse ] || skip "there is no /dev/fuse"

server=$work/server
mkdir -m 700 "$server" "$server/files" "$work/mount"
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$server/host"
ssh-keygen -q -t ed25519 -N '' -f "$server/id"
cp "$server/id.pub" "$server/authorized_keys"

start() {
    local port=$1
    cat >"$server/sshd_config" <<CONFIG
ListenAddress 127.0.0.1
Port $port
HostKey $server/host
PidFile $server/sshd.pid
AuthorizedKeysFile $server/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
CONFIG
    "$sshd" -f "$server/sshd_config" -E "$server/log" || return 1
    for _ in $(seq 100); do
        if [ -s "$server/sshd.pid" ]; then return 0; fi
        sleep 0.05
    done
    return 1
}
port=
for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM))
    if start "$port"; then break; fi
    port=
done
[ -n "$port" ] || skip "no sshd can be started here: $(tail -n 1 "$server/log" 2>/dev/null)"
at_end 'kill "$(cat "$server/sshd.pid")"'
sshfs -p "$port" -o "IdentityFile=$server/id,IdentitiesOnly=yes,UserKnownHostsFile=$server/known_hosts" \
    -o StrictHostKeyChecking=accept-new,LogLevel=ERROR "$(id -un)@127.0.0.1:$server/files" "$work/mount" \
    2>"$work/output" || skip "sshfs cannot mount here: $(tail -n 1 "$work/output")"
at_end '"$unmount" -u "$work/mount" || "$unmount" -uz "$work/mount"'

export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/mount/repository
mkdir "$work/source"
noise "$work/source/noise" 5000000
cp -r "$root/Sources/VarveFormat" "$work/source/text"
ln -s text/FileHeader.swift "$work/source/link"

# run WHAT VERB...: must work and warn at most once.
run() {
    local what=$1 status=0 warnings
    shift
    "$varve" --no-progress "$@" >"$work/stdout" 2>"$work/stderr" || status=$?
    cat "$work/stdout" "$work/stderr" >"$work/both"
    check "$what: exit $status, $(head -c 500 "$work/both")" test "$status" -eq 0
    warnings=$(grep -ci warning "$work/stderr" || true)
    echo "$what: $warnings warnings"
    check "$what warns $warnings times: $(head -c 500 "$work/stderr")" test "$warnings" -le 1
}
run init init
run backup backup --name one "$work/source"
echo changed >"$work/source/changed"
run "quick backup" backup --quick --name two "$work/source"
run list list
check "two snapshots are listed" test "$("$varve" list --json | grep -o '"alias"' | wc -l)" -eq 2
run verify verify --read-data
run restore restore "two:$work/source" -t "$work/restored"
check "the restored tree is the same" same "$work/source" "$work/restored"
check "no session is left" test -z "$(ls -A "$work/mount/repository/sessions")"
finish
