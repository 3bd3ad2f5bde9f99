#!/usr/bin/env bash
# Deleting and bringing back, tags, pins and holds on the real binary: what is listed, what is refused, and that a
# manifest which somebody removes by hand is found out.
set -euo pipefail
source "$(dirname "$0")/suite.bash"

export VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/repository
varve() { "$varve" --no-progress -q "$@"; }
varve init >"$work/output"
mkdir "$work/source"
for number in 1 2 3; do
    echo "$number" >"$work/source/file"
    varve backup --name "name$number" --tag old --time "2025-06-0${number}T12:00" "$work/source"
done

# ids OPTION...: the ids that list shows, newest first.
ids() { "$varve" list --json "$@" | grep -o '"id":"[0-9a-f]*"' | cut -d '"' -f 4; }
count() { ids "$@" | grep -c . || true; }
# field REF KEY: what show says of a key.
field() {
    "$varve" show "$1" --json | grep -o "\"$2\":\(\"[^\"]*\"\|\[[^]]*\]\|[a-z0-9]*\)" | head -n 1 | cut -d : -f 2-
}
mapfile -t all < <(ids)
newest=${all[0]} middle=${all[1]} oldest=${all[2]}

check "delete asks, and refuses without a terminal" exits 5 varve delete name2
check "a dry run deletes nothing" varve delete name2 -n
freed=$("$varve" delete name2 -n --json | grep -o '"bytes_freed_if_removed":[0-9]*' | cut -d : -f 2)
check "and says what would come free" test "${freed:-0}" -gt 0
check "nothing is deleted yet" test "$(count)" -eq 3
check "delete" varve delete name2 -y
check "a deleted snapshot is not listed" test "$(ids)" = "$newest"$'\n'"$oldest"
check "but among the deleted ones" test "$(ids --deleted)" = "$middle"
check "with time and reason" grep -q '"deleted":{"reason":"delete","time":"20' <("$varve" list --deleted --json)
for reference in "$middle" name2 "${middle:0:12}" 20250602_120000; do
    check "show $reference finds it no more" exits 13 varve show "$reference"
done
check "latest~1 is the next one" test "$(field latest~1 id)" = "\"$oldest\""
check "@DATE is the one before" test "$(field @2025-06-02 id)" = "\"$oldest\""
check "another one may have its name" varve backup --name name2 "$work/source"
check "delete it too" varve backup delete name2 --force
check "undelete of what is not deleted" exits 13 varve undelete name3
check "undelete of what two deleted ones are called" exits 13 varve undelete name2
check "undelete by a prefix" varve undelete "${middle:0:12}"
check "it is back" test "$(ids)" = "$newest"$'\n'"$middle"$'\n'"$oldest"
check "and whole" varve restore "$middle" -t "$work/restored"
check "verify passes" varve verify --read-data

check "pin" varve pin name1 name2
check "list says so" grep -q pinned <("$varve" list)
check "show says so" test "$(field name1 pinned)" = true
check "a pinned snapshot is not deleted" exits 5 varve delete name1 -y
check "nor one beside it" exits 5 varve delete name3 name1 -y
check "unpin" varve unpin name1 name2
check "show says so again" test "$(field name1 pinned)" = false
check "backup --pin" varve backup --name pinned --pin "$work/source"
check "is pinned" test "$(field pinned pinned)" = true

check "hold" varve hold name1 --until 2999-12-31
check "show says until when" test "$(field name1 hold_until | cut -c 2-5)" = 2999
check "a held snapshot is not deleted" exits 5 varve delete name1 -y
check "an age counts from now" varve hold name1 --until 30d
check "the past is refused" exits 2 varve hold name1 --until 2020-01-01
check "neither date nor release is refused" exits 2 varve hold name1
check "release" varve hold name1 --release
check "show says so" test "$(field name1 hold_until)" = null

check "tag" varve tag name1 --add new --add b --remove old
check "list filters by effective tags" test "$(ids --tag new)" = "$oldest"
check "and by those of the manifest no more" test "$(count --tag old)" -eq 2
check "show has them sorted" test "$(field name1 tags)" = '["b","new"]'
check "tag --set replaces all" varve tag name1 --set x
check "show has it alone" test "$(field name1 tags)" = '["x"]'
check "tag --set '' leaves none" varve tag name1 --set ''
check "show has none" test "$(field name1 tags)" = '[]'
check "a tag with a comma is refused" exits 2 varve tag name1 --add a,b
check "a tag command without tags is refused" exits 2 varve tag name1

varve backup --name late "$work/source"
late=$(field late id | tr -d '"')
check "list is content" varve list
mv "$work/repository/manifests/$late" "$work/late"
mv "$work/repository/manifests/$newest" "$work/newest"
for command in list verify "verify name1" "restore name1 -t $work/restored2"; do
    # shellcheck disable=SC2086
    check "$command finds the deletion" exits 4 varve $command
done
check "backup finds it, and saves" exits 4 varve backup --name after "$work/source"
check "the snapshot is there" test -n "$(field after id)"
check "list names it" grep -q "DELETION DETECTED.*$late" <("$varve" list 2>&1 >"$work/none" || true)
check "verify --json names it" grep -q "missing_snapshot.*$late\|$late.*missing_snapshot" \
    <("$varve" verify --json || true)
check "verify says that something is missing, and nothing damaged" grep -q '"result": *"INCOMPLETE"' \
    <("$varve" verify --json || true)
check "another machine sees nothing" env XDG_STATE_HOME="$work/state2" "$varve" -q list
cp -a "$work/repository" "$work/copy"
check "a copy elsewhere is behind" grep -q "2 snapshots behind" <("$varve" -r "$work/copy" list 2>&1)
mv "$work/newest" "$work/repository/manifests/$newest"
check "one comes back" exits 4 varve list
check "a dry run accepts nothing" exits 4 varve list --accept-missing -n
check "--accept-missing" varve list --accept-missing
check "is for good" varve list
check "for other machines too" varve verify
# A line of the memory is 48 bytes.
seen=$(find "$work/state" -name seen | head -n 1)
printf 'x' | dd of="$seen" bs=1 seek=10 conv=notrunc status=none
check "a damaged memory breaks nothing" varve list

check "no manifest that is left was changed" test "$(
    cd "$work/repository/manifests" && for file in *; do
        [ "$(sha256sum <"$file" | cut -d ' ' -f 1)" = "$file" ] || echo "$file"
    done
)" = ""
check "no session is left" test -z "$(ls -A "$work/repository/sessions")"
finish
