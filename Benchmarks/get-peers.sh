#!/bin/bash
# Brings the peers to measure beside: restic (newest that Debian has, without touching the system's suites), borg 1.4 (PyPI, own virtual environment), rsync, zstd, time.
# usage: get-peers.sh [outdir=peers]; prints the paths. A peer that cannot be had is said to be absent.
set -euo pipefail
OUT=$(realpath -m "${1:-peers}"); mkdir -p "$OUT"; cd "$OUT"
apt-get install -y -qq rsync zstd time libacl1-dev liblz4-dev libzstd-dev libxxhash-dev libssl-dev pkg-config build-essential python3-venv >/dev/null 2>&1 || true
if [ ! -x restic ]; then
  mkdir -p apt/lists/partial apt/cache/archives/partial apt/parts
  uri=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources | head -1)
  for suite in sid trixie bookworm; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $suite main" > apt/sources.list
    o="-oDir::Etc::SourceList=$OUT/apt/sources.list -oDir::Etc::SourceParts=$OUT/apt/parts -oDir::State::Lists=$OUT/apt/lists -oDir::Cache=$OUT/apt/cache"
    if apt-get $o -qq update >/dev/null 2>&1 && apt-get $o -qq download restic >/dev/null 2>&1; then
      dpkg-deb -x restic_*.deb x && cp x/usr/bin/restic restic && ./restic version >/dev/null 2>&1 && break
      rm -rf restic restic_*.deb x
    fi
  done
fi
[ -x restic ] && echo "restic: $OUT/restic ($(./restic version | cut -d' ' -f2))" || echo "restic: absent"
if [ ! -x venv/bin/borg ]; then python3 -m venv venv >/dev/null 2>&1 && venv/bin/pip install -q 'borgbackup>=1.4,<1.5' >/dev/null 2>&1 || true; fi
[ -x venv/bin/borg ] && echo "borg: $OUT/venv/bin/borg ($(venv/bin/borg --version | cut -d' ' -f2))" || echo "borg: absent"
