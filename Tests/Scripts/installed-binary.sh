#!/usr/bin/env bash
# The installed binary needs nothing of the toolchain: it is run where the toolchain's directory is hidden.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$root/Scripts/install" "$work/prefix"
binary=$work/prefix/bin/varve

toolchain=$(cd "$(dirname "$(readlink -f "$(command -v swift)")")/../.." && pwd)
enter=(unshare -m)
if [ "$(id -u)" -ne 0 ]; then enter=(unshare -r -m); fi
if [ "$toolchain" = / ] || ! "${enter[@]}" true 2>/dev/null; then
    echo "skipped: the toolchain cannot be hidden here (unshare is not permitted, or it lies in /usr)"
    exit 77
fi
mkdir "$work/source"
seq 1 100000 > "$work/source/numbers"
ln -s numbers "$work/source/link"
cat > "$work/inside" <<'INSIDE'
set -euo pipefail
mount -t tmpfs none "$1"
if command -v swift >/dev/null 2>&1; then echo "the toolchain is still visible" >&2; exit 1; fi
export XDG_CACHE_HOME=$3/cache XDG_STATE_HOME=$3/state VARVE_KEY_FILE=$3/key VARVE_REPOSITORY=$3/repository
"$2" version
"$2" init
"$2" backup "$3/source"
"$2" verify --read-data
"$2" restore latest --target "$3/restored"
diff -r --no-dereference "$3/source" "$3/restored$3/source"
INSIDE
"${enter[@]}" bash "$work/inside" "$toolchain" "$binary" "$work"
echo "needed where it runs: $(ldd "$binary" | awk '{ print $1 }' | sed 's,.*/,,' | sort | tr '\n' ' ')"
if ldd "$binary" | grep -qE 'libswift|Foundation|libzstd|libb2|libstdc|not found'; then
    echo "the binary is not self-contained" >&2
    exit 1
fi
