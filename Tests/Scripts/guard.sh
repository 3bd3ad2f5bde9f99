#!/usr/bin/env bash
# varve guard with real processes: the command has the terminal, its status counts, and the way back works.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools python3 rsync
terminal=$root/Tests/Scripts/on_terminal.py
app=$work/app
export VARVE_REPOSITORY=$work/repository VARVE_KEY_FILE=$work/key
"$varve" -q init --key-file "$work/key" >"$work/output"

fresh() {
    rm -rf "$app"
    mkdir -p "$app/below"
    echo before >"$app/file"
    echo below >"$app/below/file"
    cp -a "$app" "$work/expected-$$"
    rm -rf "$work/expected"
    mv "$work/expected-$$" "$work/expected"
}
guarded() { "$varve" --no-progress guard "$@" >"$work/out" 2>"$work/messages"; }
on_terminal() { "$terminal" "$@" >"$work/shown" 2>&1; }
breaks='echo after >"$0/file"; rm "$0/below/file"'
is() { [ "$1" = "$2" ] || { echo "\"$1\" instead of \"$2\""; return 1; }; }
says() { grep -q -- "$1" "$work/messages" || { cat "$work/messages"; return 1; }; }
shows() { grep -q -- "$1" "$work/shown" || { cat "$work/shown"; return 1; }; }
not() { ! "$@"; }
snapshots() { "$varve" list --json | grep -o '"sequence"\|"alias"' | wc -l; }
# The command that a guard without a terminal printed.
way_back() { sed -n 's/.*to restore what was there before it, run: //p' "$work/messages"; }

# A command that succeeds has standard input and output to itself.
fresh
check "a command that succeeds" exits 0 guarded "$app" -- sh -c 'cat; echo more' <<<"typed"
check "its output alone is on standard output" is "$(cat "$work/out")" $'typed\nmore'
check "the snapshot was said" says 'snapshot .* saved'
check "nothing is offered" not says 'to restore'
check "the snapshot is tagged" is "$("$varve" list --tag guard --json | grep -c alias)" 1
check "what it is for is recorded, without arguments" bash -c "'$varve' show latest | grep -q 'before sh\$'"
check "options of the command are its own" exits 0 guarded "$app" -- sh -c 'test "$1" = --json' x --json

# One that fails, where nobody can be asked.
for ending in 'exit 7' 'kill -9 $$' 'kill -TERM $$'; do
    case $ending in *7) expected=7 ;; *-9*) expected=137 ;; *) expected=143 ;; esac
    fresh
    check "$ending: the status of the command" exits $expected guarded "$app" -- sh -c "$breaks; $ending" "$app"
    check "$ending: nothing was restored" is "$(cat "$app/file")" after
    check "$ending: the way back needs a confirmation" exits 5 bash -c "$(way_back)"
    check "$ending: the way back works" bash -c "cd / && env -u VARVE_REPOSITORY -u VARVE_KEY_FILE $(way_back) --yes"
    check "$ending: all is as before" same "$work/expected" "$app"
done
fresh
check "--yes restores, and the status is the command's" exits 7 guarded --yes "$app" -- sh -c "$breaks; exit 7" "$app"
check "--yes: all is as before" same "$work/expected" "$app"
check "--yes: undo takes it back" "$varve" -q undo --yes
check "--yes: as the command left it" is "$(cat "$app/file")" after

# Commands that cannot be started, and snapshots that cannot be made.
fresh
check "not found" exits 127 guarded "$app" -- "$work/nothing"
check "not found: nothing is offered" not says 'to restore'
check "not executable" exits 126 guarded "$app" -- "$app/file"
check "no command" exits 2 guarded "$app"
check "no repository" exits 10 guarded --repo "$work/nowhere" "$app" -- touch "$work/ran"
check "nothing to save" exits 1 guarded "$work/missing" -- touch "$work/ran"
check "incomplete" exits 3 guarded "$app" "$work/missing" -- touch "$work/ran"
check "in a dry run" exits 0 guarded --dry-run "$app" -- touch "$work/ran"
check "the command was not run" not test -e "$work/ran"
check "incomplete, and allowed" exits 0 guarded --allow-partial "$app" "$work/missing" -- touch "$work/ran"
check "the command was run" test -e "$work/ran"

# JSON: lines of varve alone, the last one the summary.
fresh
guarded --json "$app" -- sh -c "echo data; $breaks; exit 7" "$app" || true
check "JSON: the last line" python3 - "$work/out" <<'E'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
kinds = [line["message_type"] for line in lines]
assert [kind for kind in kinds if kind in ("backup", "summary")] == ["backup", "summary"], kinds
last = lines[-1]
assert last["command_status"] == 7 and last["command_signal"] is None and last["restored"] is False, last
assert last["snapshot_id"][:16] in last["restore_command"], last
E
check "JSON: the output of the command is beside it" says '^data$'

# On a terminal: asked, answered.
fresh
check "yes" exits 7 on_terminal 'go on: ' 'yes\n' -- "$varve" guard "$app" -- sh -c "$breaks; exit 7" "$app"
check "yes: what would change was shown" shows 'replace.*app/file'
check "yes: all is as before" same "$work/expected" "$app"
fresh
check "no" exits 7 on_terminal 'go on: ' 'no\n' -- "$varve" guard "$app" -- sh -c "$breaks; exit 7" "$app"
check "no: the way back was shown" shows 'to restore what was there before it'
check "no: as the command left it" is "$(cat "$app/file")" after
check "Ctrl-C at the question" \
    exits 7 on_terminal 'go on: ' '\x03' -- "$varve" guard "$app" -- sh -c "echo x >'$app/file'; exit 7"
check "Ctrl-C at the question: the way back was shown" shows 'to restore what was there before it'
check "Ctrl-C at the question: as the command left it" is "$(cat "$app/file")" x

# The keys of the terminal are the command's.
waits='trap "echo got-it; exit 9" INT QUIT; echo ready-now; while :; do sleep 0.05; done'
for key in '\x03' '\x1c'; do
    fresh
    check "key $key: the command gets it, varve goes on" exits 9 on_terminal 'ready-now' "$key" 'go on: ' 'yes\n' -- \
        "$varve" guard "$app" -- sh -c "$breaks; $waits" "$app"
    check "key $key: once" is "$(grep -c got-it "$work/shown")" 1
    check "key $key: all is as before" same "$work/expected" "$app"
done
fresh
check "a command that Ctrl-C ends" exits 130 on_terminal 'ready-now' '\x03' 'go on: ' 'yes\n' -- \
    "$varve" guard "$app" -- sh -c "$breaks; echo ready-now; sleep 60" "$app"
check "a command that Ctrl-C ends: all is as before" same "$work/expected" "$app"
fresh
check "a terminal that was left in another state" exits 7 on_terminal 'go on: ' 'yes\n' -- \
    "$varve" guard "$app" -- sh -c "stty raw -echo; $breaks; exit 7" "$app"
check "a terminal that was left in another state: all is as before" same "$work/expected" "$app"

# Signals that are sent to varve alone are handed on.
for signal in TERM INT HUP; do
    fresh
    mkfifo "$work/fifo"
    # The shell starts what runs in the background with SIGINT ignored, which the command would inherit.
    python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$varve" --no-progress guard "$app" -- \
        sh -c "$breaks; echo \$\$ >'$work/child'; echo >'$work/fifo'; exec sleep 60" "$app" \
        >"$work/out" 2>"$work/messages" &
    running=$!
    read -r _ <"$work/fifo"
    kill -$signal $running
    status=0
    wait $running || status=$?
    check "SIG$signal: the command ended by it" is $status $((128 + $(kill -l $signal)))
    check "SIG$signal: the command is gone" not kill -0 "$(cat "$work/child")"
    check "SIG$signal: the way back works" bash -c "$(way_back) --yes"
    check "SIG$signal: all is as before" same "$work/expected" "$app"
    rm "$work/fifo"
done

# Components of a configuration, with hooks around the restore; no cleanup.
fresh
cat >"$work/varve.toml" <<E
[backup]
cleanup = true
skip_if_unchanged = true
[retention]
keep_last = 1
[hooks]
before_restore = "echo before >>'$work/hooks'"
after_restore = "echo after \$VARVE_STATUS >>'$work/hooks'"
[[component]]
name = "all"
kind = "files"
paths = ["app"]
E
before=$(snapshots)
check "components" exits 7 guarded --config "$work/varve.toml" --yes -- sh -c "$breaks; exit 7" "$app"
check "components: all is as before" same "$work/expected" "$app"
check "components: hooks ran" is "$(tr '\n' ' ' <"$work/hooks")" "before after 0 "
check "components: a snapshot and a safety snapshot more, and none less" is "$(snapshots)" $((before + 2))
finish
