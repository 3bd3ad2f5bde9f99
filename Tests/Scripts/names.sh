#!/usr/bin/env bash
# Files are what their names say, to anybody with sha256sum; packs of an unencrypted repository open with zstd.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools zstd sha256sum

source=$work/source
mkdir -p "$source/sub"
cp -r "$root/Sources" "$source/text"
noise "$source/noise" 3000000
head -c 300000 /dev/zero >"$source/zeros"
varve() { "$varve" --no-progress -q "$@"; }

# check_names REPOSITORY: every file below the five directories is named by the SHA-256 of its bytes.
check_names() {
    local file
    while IFS= read -r -d '' file; do
        check "sha256sum of ${file#"$1"/}" test "$(sha256sum "$file" | cut -d ' ' -f 1)" = "$(basename "$file")"
    done < <(find "$1"/{index,keys,manifests,packs,records} -type f -print0)
}

for kind in encrypted unencrypted; do
    repository=$work/$kind
    options=(-r "$repository")
    if [ $kind = encrypted ]; then options+=(--key-file "$work/key"); else init=(--unencrypted); fi
    varve "${options[@]}" init --pack-size 1M ${init[@]+"${init[@]}"} >"$work/output"
    varve "${options[@]}" backup "$source" >"$work/output"
    noise "$source/sub/more" 200000
    varve "${options[@]}" backup --quick "$source" >"$work/output"
    varve "${options[@]}" verify --read-data >"$work/output"
    before=$passed
    check_names "$repository"
    for directory in index keys manifests packs records; do
        check "$kind: there are files in $directory" test -n "$(find "$repository/$directory" -type f -print -quit)"
    done
    echo "$kind: $((passed - before)) files and directories hold what they are named for"
done

packs=0
bytes=0
while IFS= read -r -d '' pack; do
    check "zstd -t $(basename "$pack")" zstd -tq "$pack"
    bytes=$((bytes + $(zstd -dcq "$pack" | wc -c)))
    packs=$((packs + 1))
done < <(find "$work/unencrypted/packs" -type f -print0)
# Everything that was captured comes out of the packs: at least what cannot be deduplicated.
check "the packs hold the source" test "$bytes" -ge 3200000
check "a pack holds text as it was" \
    bash -c "find '$work/unencrypted/packs/data' -type f -exec zstd -dcq {} \; | grep -qa 'struct BlobID'"
echo "unencrypted: zstd opens $packs packs, $bytes bytes"
finish
