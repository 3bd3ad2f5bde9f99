#!/usr/bin/env bash
# Brings the peers to measure beside: restic (the newest that Debian has, without touching the system's suites),
# borg 1.4 (from PyPI, in a virtual environment of its own), rsync, zstd, time.
# usage: get-peers.sh [outdir=peers]; prints the paths. A peer that cannot be had is said to be absent.
set -euo pipefail
out=$(realpath -m "${1:-peers}")
mkdir -p "$out"
cd "$out"
packages=(rsync zstd time libacl1-dev liblz4-dev libzstd-dev libxxhash-dev libssl-dev pkg-config build-essential
    python3-venv)
apt-get install -y -qq "${packages[@]}" >/dev/null 2>&1 || true

if [ ! -x restic ]; then
    mkdir -p apt/lists/partial apt/cache/archives/partial apt/parts
    uri=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources | head -1)
    options=(-oDir::Etc::SourceList="$out/apt/sources.list" -oDir::Etc::SourceParts="$out/apt/parts"
        -oDir::State::Lists="$out/apt/lists" -oDir::Cache="$out/apt/cache")
    for suite in sid trixie bookworm; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" >apt/sources.list
        apt-get "${options[@]}" -qq update >/dev/null 2>&1 || continue
        apt-get "${options[@]}" -qq download restic >/dev/null 2>&1 || continue
        dpkg-deb -x restic_*.deb x && cp x/usr/bin/restic restic && ./restic version >/dev/null 2>&1 && break
        rm -rf restic restic_*.deb x
    done
fi
[ -x restic ] && echo "restic: $out/restic ($(./restic version | cut -d' ' -f2))" || echo "restic: absent"

if [ ! -x venv/bin/borg ]; then
    python3 -m venv venv >/dev/null 2>&1 && venv/bin/pip install -q 'borgbackup>=1.4,<1.5' >/dev/null 2>&1 || true
fi
if [ -x venv/bin/borg ]; then
    echo "borg: $out/venv/bin/borg ($(venv/bin/borg --version | cut -d" " -f2))"
else
    echo "borg: absent"
fi
