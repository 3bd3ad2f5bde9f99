#!/usr/bin/env bash
# T14: an independent reader, written from FORMAT.md alone in another language, restores a tree of every metadata kind
# from an encrypted and from an unencrypted repository, without index/, by key file and by password; and so does varve.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
varve=${VARVE:?the path of the varve binary}
export LC_ALL=C.UTF-8
work=$(mktemp -d)
# shellcheck disable=SC2317
clean() {
    chattr -R -ia "$work" 2>/dev/null || true
    chmod -R u+rwX "$work" 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT
/usr/bin/python3 -c 'import zstandard, cryptography' 2>/dev/null || {
    echo "skipped: python3-zstandard and python3-cryptography are not installed"
    exit 77
}
for tool in rsync getfattr lsattr; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed" && exit 77; }
done
lines=$(wc -l < "$root/Scripts/rescue.py")
[ "$lines" -le 250 ] || { echo "rescue.py has $lines lines, more than 250" >&2; exit 1; }

export XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state
unset VARVE_REPOSITORY VARVE_PASSWORD VARVE_PASSWORD_FILE VARVE_PASSWORD_COMMAND VARVE_KEY_FILE VARVE_KIND
source=$work/source
"$root/Tests/Scripts/make-every-kind.sh" "$source"
printf 'correct horse battery staple\n' > "$work/password"

attributes() { (cd "$1" && getfattr -hRd -m - -e hex . 2>/dev/null); }
# Only the flags that varve keeps; the rest belongs to the file system.
flags() { (cd "$1" && lsattr -Ra . 2>/dev/null | awk '{ f = $1; gsub(/[^iadAC]/, "", f); $1 = f; print }' | sort); }
stats() { (cd "$1" && find . -printf '%p|%y|%m|%U|%G|%T@|%n|%s|%l\n' | sort); }

compare() {
    local what=$1 restored=$2 difference
    difference=$(rsync -aHAXSnc --delete --itemize-changes "$source/" "$restored/" 2>&1 || true)
    difference+=$(diff <(attributes "$source") <(attributes "$restored") || true)
    difference+=$(diff <(flags "$source") <(flags "$restored") || true)
    # The sizes of directories belong to the file system.
    difference+=$(diff <(stats "$source" | sed 's/|d|\(.*\)|[0-9]*|$/|d|\1||/') \
        <(stats "$restored" | sed 's/|d|\(.*\)|[0-9]*|$/|d|\1||/') || true)
    if [ -n "$difference" ]; then
        printf '%s: the restored tree differs:\n%s\n' "$what" "$(printf '%s\n' "$difference" | head -n 20)" >&2
        exit 1
    fi
    local holes_before holes_after
    holes_before=$(du -sk "$source/sparse" | cut -f 1) holes_after=$(du -sk "$restored/sparse" | cut -f 1)
    [ "$holes_after" -le $((holes_before + 64)) ] || { echo "$what: holes were filled" >&2; exit 1; }
    echo "$what: $(find "$restored" | wc -l) entries are the same"
}

# rescue WHAT REPOSITORY OPTION...
rescue() {
    local what=$1 repository=$2 status=0
    shift 2
    /usr/bin/python3 "$root/Scripts/rescue.py" list "$repository" "$@" | grep -q every-kind
    /usr/bin/python3 "$root/Scripts/rescue.py" restore "$repository" every-kind "$work/restored" "$@" || status=$?
    [ "$status" -eq 0 ] || { echo "$what: rescue.py ended with $status" >&2; exit 1; }
    compare "rescue.py, $what" "$work/restored$source"
    remove_restored
    "$varve" -r "$repository" "$@" restore every-kind --target "$work/restored" >/dev/null 2>&1 || status=$?
    if [ "$(id -u)" -eq 0 ] && [ "$status" -ne 0 ]; then echo "$what: restore ended with $status" >&2 && exit 1; fi
    compare "varve, $what" "$work/restored$source"
    remove_restored
}

remove_restored() {
    chattr -R -ia "$work/restored" 2>/dev/null || true
    chmod -R u+rwX "$work/restored" && rm -rf "$work/restored"
}

# backup REPOSITORY OPTION...: a snapshot named every-kind, then the index files away
backup() {
    local repository=$1 status=0
    shift
    "$varve" backup -r "$repository" "$@" "$source" --name every-kind >/dev/null || status=$?
    # An ordinary user cannot read the files that keep their owner out; then the snapshot says so.
    if [ "$(id -u)" -eq 0 ] && [ "$status" -ne 0 ]; then echo "backup ended with $status" >&2 && exit 1; fi
    cp -a "$repository" "$repository.without-index"
    rm -rf "$repository.without-index/index"
}

"$varve" init -q -r "$work/encrypted" --key-file "$work/key" >/dev/null 2>&1
"$varve" key add -r "$work/encrypted" --key-file "$work/key" --new-password-file "$work/password" >/dev/null
backup "$work/encrypted" --key-file "$work/key"
rescue "encrypted, by key file" "$work/encrypted.without-index" --key-file "$work/key"
rescue "encrypted, by password" "$work/encrypted.without-index" --password-file "$work/password"
status=0
/usr/bin/python3 "$root/Scripts/rescue.py" list "$work/encrypted" --password-file /etc/hostname 2>/dev/null || status=$?
[ "$status" -eq 12 ] || { echo "a wrong password ended with $status instead of 12" >&2; exit 1; }

"$varve" init -r "$work/clear" --unencrypted >/dev/null
backup "$work/clear"
rescue "unencrypted" "$work/clear.without-index"
