#!/usr/bin/env python3
"""Writes the vectors beside it, from FORMAT.md alone: nothing here comes from the Swift sources.

A vector is a text file named by the one thing that it shows. Its first lines say what a reader must answer
(`expect:`), what the bytes are (`structure:`) and, where a reader needs it, what it was told beforehand; then come the
bytes in hexadecimal. All belong to the repository 000102030405060708090a0b0c0d0e0f.
"""
import hashlib
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = bytes(range(16))
vectors = {}


def add(name, structure, expect, data, **context):
    assert name not in vectors, name
    vectors[name] = (structure, expect, bytes(data), context)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def svarint(value):
    return varint(((value << 1) ^ (value >> 63)) & 0xFFFFFFFFFFFFFFFF)


def string(value):
    return varint(len(value)) + value


def blob(number):
    return bytes([number]) * 32


def sha256(data):
    return hashlib.sha256(data).digest()


# Trees

FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK, SOCKET = range(1, 8)
IMPLIED, SPARSE, HARD_LINK, XATTRS, INODE_FLAGS = (1 << bit for bit in range(5))
EMPTY_FILE = varint(0) + b"\0"


def entry(name, type, content, flags=0, mode=0o644, owner=varint(0) + string(b"root"), group=varint(0) + string(b"root"),
          time=svarint(1750682096) + varint(123456789), link=b"", xattrs=b"", inode=b""):
    if flags & IMPLIED:
        time = b""
    return (string(name) + bytes([type, flags]) + varint(mode) + owner + group + time + link + xattrs + inode + content)


def tree(*entries, version=1, count=None):
    return bytes([version]) + varint(len(entries) if count is None else count) + b"".join(entries)


def xattrs(*pairs):
    return varint(len(pairs)) + b"".join(string(name) + string(value) for name, value in pairs)


def file(name, **more):
    return entry(name, FILE, EMPTY_FILE, **more)


def directory(name, content=b"\0", **more):
    return entry(name, DIRECTORY, content, mode=0o755, **more)


add("tree-file-and-symlink", "tree", "ok", tree(
    entry(b"a.txt", FILE, varint(5) + b"\x01" + varint(1) + blob(0xAA)), entry(b"link", SYMLINK, string(b"a.txt"), mode=0o777)))
add("tree-without-entries", "tree", "ok", tree())
add("tree-every-type", "tree", "ok", tree(
    entry(b"block", BLOCK, varint(8) + varint(1)), entry(b"char", CHARACTER, varint(1) + varint(1048575)),
    directory(b"dir", b"\x01" + blob(1)), entry(b"fifo", FIFO, b""), file(b"file"), entry(b"link", SYMLINK, string(b"/")),
    entry(b"socket", SOCKET, b"")))
add("tree-every-content-form", "tree", "ok", tree(
    directory(b"d0"), directory(b"d1", b"\x01" + blob(1)), directory(b"d2", b"\x02" + blob(2)), file(b"f0"),
    entry(b"f1", FILE, varint(70000) + b"\x01" + varint(2) + blob(3) + blob(4)),
    entry(b"f2", FILE, varint(1 << 40) + b"\x02" + blob(5))))
add("tree-every-flag", "tree", "ok", tree(
    directory(b"implied", b"\x01" + blob(1), flags=IMPLIED),
    file(b"x", flags=SPARSE | HARD_LINK | XATTRS | INODE_FLAGS, link=struct.pack("<Q", 0x0123456789ABCDEF),
         xattrs=xattrs((b"user.a", b""), (b"user.b", b"\0\xff")), inode=varint(0b11111))))
add("tree-time-before-1970-and-far-away", "tree", "ok", tree(
    file(b"a", time=svarint(-1) + varint(999999999)), file(b"b", time=svarint(-(1 << 63)) + varint(0)),
    file(b"c", time=svarint((1 << 63) - 1) + varint(0))))
add("tree-name-of-255-bytes-that-are-not-utf-8", "tree", "ok", tree(file(b"\xff" * 255)))
add("tree-names-that-only-look-special", "tree", "ok", tree(
    file(b"\n"), file(b"-rf"), file(b"..."), file(b".a"), file(b"e\xcc\x81"), file(b"\xc3\xa9")))
add("tree-numbers-of-32-bits", "tree", "ok", tree(
    file(b"a", mode=0o7777, owner=varint(0xFFFFFFFF) + string(b""), group=varint(0xFFFFFFFE) + string(b"\xe9quipe"))))
add("tree-symlink-of-4095-bytes", "tree", "ok", tree(entry(b"l", SYMLINK, string(b"t" * 4095))))
add("tree-root", "tree", "ok", tree(directory(b"", b"\x01" + blob(1), flags=IMPLIED)), root="yes")
add("tree-root-captured-itself", "tree", "ok", tree(directory(b"", b"\x02" + blob(1))), root="yes")
add("tree-root-with-a-name", "tree", "malformed", tree(directory(b"a")), root="yes")
add("tree-root-of-two-entries", "tree", "malformed", tree(directory(b""), directory(b"a")), root="yes")
add("tree-root-that-is-a-file", "tree", "malformed", tree(file(b"")), root="yes")
add("tree-name-empty", "tree", "malformed", tree(file(b"")))
add("tree-name-dot", "tree", "malformed", tree(file(b".")))
add("tree-name-dot-dot", "tree", "malformed", tree(file(b"..")))
add("tree-name-with-slash", "tree", "malformed", tree(file(b"../x")))
add("tree-name-with-zero-byte", "tree", "malformed", tree(file(b"a\0b")))
add("tree-name-of-256-bytes", "tree", "over_limit", tree(file(b"a" * 256)))
add("tree-names-out-of-order", "tree", "malformed", tree(file(b"b"), file(b"a")))
add("tree-names-repeated", "tree", "malformed", tree(file(b"a"), file(b"a")))
add("tree-prefix-behind-the-longer-name", "tree", "malformed", tree(file(b"aa"), file(b"a")))
add("tree-version-2", "tree", "unsupported", tree(version=2))
add("tree-type-0", "tree", "unsupported", tree(entry(b"a", 0, b"")))
add("tree-type-8", "tree", "unsupported", tree(entry(b"a", 8, b"")))
add("tree-unknown-flag", "tree", "unsupported", tree(file(b"a", flags=32)))
add("tree-implied-file", "tree", "malformed", tree(file(b"a", flags=IMPLIED)))
add("tree-implied-with-xattrs", "tree", "malformed", tree(
    directory(b"a", flags=IMPLIED | XATTRS, xattrs=xattrs((b"user.a", b"1")))))
add("tree-implied-with-inode-flags", "tree", "malformed", tree(
    directory(b"a", flags=IMPLIED | INODE_FLAGS, inode=varint(1))))
add("tree-sparse-directory", "tree", "malformed", tree(directory(b"a", flags=SPARSE)))
add("tree-hard-link-to-a-directory", "tree", "malformed", tree(directory(b"a", flags=HARD_LINK, link=bytes(8))))
add("tree-mode-of-13-bits", "tree", "malformed", tree(file(b"a", mode=0o10000)))
add("tree-nanoseconds-of-a-second", "tree", "malformed", tree(file(b"a", time=svarint(0) + varint(10**9))))
add("tree-user-number-of-33-bits", "tree", "over_limit", tree(file(b"a", owner=varint(1 << 32) + string(b""))))
add("tree-xattrs-flag-without-xattrs", "tree", "malformed", tree(file(b"a", flags=XATTRS, xattrs=varint(0))))
add("tree-xattrs-out-of-order", "tree", "malformed", tree(
    file(b"a", flags=XATTRS, xattrs=xattrs((b"user.b", b""), (b"user.a", b"")))))
add("tree-xattrs-repeated", "tree", "malformed", tree(
    file(b"a", flags=XATTRS, xattrs=xattrs((b"user.a", b"1"), (b"user.a", b"2")))))
add("tree-xattr-name-empty", "tree", "malformed", tree(file(b"a", flags=XATTRS, xattrs=xattrs((b"", b"12345678")))))
add("tree-xattr-count-that-has-no-room", "tree", "truncated", tree(file(b"a", flags=XATTRS, xattrs=varint(1 << 20))))
add("tree-xattr-value-of-65537-bytes", "tree", "over_limit", tree(
    file(b"a", flags=XATTRS, xattrs=varint(1) + string(b"user.a") + varint(65537))))
add("tree-inode-flags-0", "tree", "malformed", tree(file(b"a", flags=INODE_FLAGS, inode=varint(0))))
add("tree-inode-flag-unknown", "tree", "unsupported", tree(file(b"a", flags=INODE_FLAGS, inode=varint(32))))
add("tree-empty-file-with-blobs", "tree", "malformed", tree(
    entry(b"a", FILE, varint(0) + b"\x01" + varint(1) + blob(1))))
add("tree-file-with-bytes-but-no-blobs", "tree", "malformed", tree(entry(b"a", FILE, varint(1) + b"\0")))
add("tree-file-of-0-ids", "tree", "malformed", tree(entry(b"a", FILE, varint(1) + b"\x01" + varint(0))))
add("tree-more-blobs-than-bytes", "tree", "malformed", tree(
    entry(b"a", FILE, varint(1) + b"\x01" + varint(2) + blob(1) + blob(2))))
add("tree-more-ids-than-any-fan-out", "tree", "over_limit", tree(
    entry(b"a", FILE, varint(1 << 40) + b"\x01" + varint(65537))))
add("tree-id-count-that-has-no-room", "tree", "truncated", tree(
    entry(b"a", FILE, varint(1 << 40) + b"\x01" + varint(65536) + blob(1))))
add("tree-file-form-3", "tree", "unsupported", tree(entry(b"a", FILE, varint(1) + b"\x03" + blob(1))))
add("tree-directory-form-3", "tree", "unsupported", tree(directory(b"a", b"\x03" + blob(1))))
add("tree-symlink-without-target", "tree", "malformed", tree(entry(b"a", SYMLINK, string(b""))))
add("tree-symlink-target-with-zero-byte", "tree", "malformed", tree(entry(b"a", SYMLINK, string(b"a\0b"))))
add("tree-symlink-of-4096-bytes", "tree", "over_limit", tree(entry(b"a", SYMLINK, string(b"t" * 4096))))
add("tree-device-number-of-33-bits", "tree", "over_limit", tree(entry(b"a", BLOCK, varint(1 << 32) + varint(0))))
add("tree-varint-not-in-shortest-form", "tree", "malformed", b"\x01\x80\x00")
add("tree-varint-of-65-bits", "tree", "malformed", tree(
    entry(b"a", FILE, b"\xff" * 9 + b"\x02" + b"\x02" + blob(1))))
add("tree-count-that-has-no-room", "tree", "truncated", tree(file(b"a"), count=60000))
add("tree-of-more-entries-than-a-tree-has", "tree", "over_limit", tree(count=65537))
add("tree-entry-missing", "tree", "truncated", tree(file(b"a"), count=2))
add("tree-trailing-byte", "tree", "malformed", tree(file(b"a")) + b"\0")
add("tree-of-no-bytes", "tree", "truncated", b"")

# Lists


def blob_list(level, ids, version=1, count=None):
    return bytes([version, level]) + varint(len(ids) if count is None else count) + b"".join(ids)


add("list-of-three-blobs", "list", "ok", blob_list(0, [blob(1), blob(2), blob(2)]))
add("list-of-lists", "list", "ok", blob_list(1, [blob(3), blob(4)]))
add("list-of-level-7", "list", "ok", blob_list(7, [blob(3), blob(4)]))
add("list-of-level-8", "list", "over_limit", blob_list(8, [blob(3), blob(4)]))
add("list-version-0", "list", "unsupported", blob_list(0, [blob(1)], version=0))
add("list-without-ids", "list", "malformed", blob_list(0, []))
add("list-of-65537-ids", "list", "over_limit", blob_list(0, [blob(1)], count=65537))
add("list-count-that-has-no-room", "list", "truncated", blob_list(0, [blob(1)], count=2))
add("list-trailing-byte", "list", "malformed", blob_list(0, [blob(1)]) + b"\0")

# Config


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def config(blank="0" * 64, **changes):
    value = {
        "blob_hash": "blake2b-256", "features": [], "format": 1, "list_fanout": 256, "magic": "varve",
        "chunker": {"file": [16384, 65536, 262144], "large": [262144, 1048576, 4194304], "stream": [4096, 16384, 65536],
                    "large_from": 1073741824},
        "pack_bytes": 16777216, "repository_id": REPOSITORY.hex(), "sha256": blank, "suite": 1, "tree_pack_bytes": 4194304}
    value.update(changes)
    data = canonical({key: item for key, item in value.items() if item is not None})
    return data.replace(blank.encode(), sha256(data).hex().encode(), 1) if blank == "0" * 64 else data


CONFIG = config()
STREAM = {"file": [16384, 65536, 262144], "large": [262144, 1048576, 4194304], "stream": [4096, 16384, 65536],
          "large_from": 1073741824}
add("config-encrypted", "config", "ok", CONFIG)
add("config-unencrypted", "config", "ok", config(suite=0))
add("config-format-2", "config", "unsupported", config(format=2))
add("config-format-2-with-another-checksum", "config", "unsupported", config(blank="1" * 64, format=2))
add("config-without-format", "config", "malformed", config(format=None))
add("config-one-digit-changed", "config", "checksum", CONFIG.replace(b"65536", b"65535"))
add("config-white-space-added", "config", "checksum", CONFIG.replace(b",", b", "))
add("config-without-checksum", "config", "checksum", config(sha256=None))
add("config-of-something-else", "config", "malformed", config(magic="other"))
add("config-unknown-feature", "config", "unsupported", config(features=["parity"]))
add("config-unknown-hash", "config", "unsupported", config(blob_hash="sha1"))
add("config-unknown-suite", "config", "unsupported", config(suite=2))
add("config-suite-of-another-type", "config", "malformed", config(suite="1"))
add("config-fan-out-63", "config", "over_limit", config(list_fanout=63))
add("config-fan-out-65537", "config", "over_limit", config(list_fanout=65537))
add("config-packs-below-1-mib", "config", "over_limit", config(pack_bytes=1048575))
add("config-tree-packs-above-128-mib", "config", "over_limit", config(tree_pack_bytes=134217729))
add("config-average-not-a-power-of-two", "config", "malformed", config(chunker=STREAM | {"file": [100, 65535, 262144]}))
add("config-average-below-minimum", "config", "over_limit", config(chunker=STREAM | {"large": [8192, 4096, 16384]}))
add("config-minimum-below-64", "config", "over_limit", config(chunker=STREAM | {"stream": [63, 64, 128]}))
add("config-chunks-above-a-frame", "config", "over_limit", config(chunker=STREAM | {"large": [64, 64, 16777217]}))
add("config-two-chunk-sizes", "config", "malformed", config(chunker=STREAM | {"stream": [4096, 65536]}))
add("config-id-in-capitals", "config", "malformed", config(repository_id=REPOSITORY.hex().upper()))
add("config-of-4097-bytes", "config", "over_limit", config(padding="x" * (4097 - len(config(padding="")))))
add("config-cut-short", "config", "truncated", CONFIG[:-2])
add("config-key-repeated", "config", "malformed", b'{"format":1,"format":1}\n')

# Key slots


def slot(magic=b"varvslot", version=1, kind=1, suite=1, zero=bytes(4), log_n=16, r=8, p=2, zero2=bytes(5),
         salt=bytes(range(32, 64)), time=1750682096, label=b"laptop", nonce=bytes(range(64, 76)),
         sealed=bytes(range(80, 128)), zero3=bytes(52)):
    record = (magic + struct.pack("<HBB", version, kind, suite) + zero + REPOSITORY + bytes([log_n, r, p]) + zero2 + salt
              + struct.pack("<q", time) + label.ljust(64, b"\0") + nonce + sealed + zero3)
    assert len(record) == 256
    return record


NO_STRETCH = {"log_n": 0, "r": 0, "p": 0, "salt": bytes(32)}
COPY = NO_STRETCH | {"kind": 0, "suite": 0, "nonce": bytes(12), "sealed": bytes(48)}
add("slot-password", "slot", "ok", slot())
add("slot-key-file", "slot", "ok", slot(kind=2, **NO_STRETCH))
add("slot-config-copy", "slot", "ok", slot(**COPY))
add("slot-label-of-64-bytes", "slot", "ok", slot(label=b"\xc3\xa9" * 32))
add("slot-other-magic", "slot", "malformed", slot(magic=b"varvslox"))
add("slot-version-2", "slot", "unsupported", slot(version=2))
add("slot-kind-reserved", "slot", "unsupported", slot(kind=3))
add("slot-suite-reserved", "slot", "unsupported", slot(suite=2))
add("slot-password-in-suite-0", "slot", "malformed", slot(suite=0))
add("slot-config-copy-in-suite-1", "slot", "malformed", slot(**COPY | {"suite": 1}))
add("slot-config-copy-with-a-key", "slot", "malformed", slot(**COPY | {"sealed": bytes(47) + b"\x01"}))
add("slot-key-file-with-scrypt", "slot", "malformed", slot(kind=2))
add("slot-reserved-bytes-before-the-id", "slot", "malformed", slot(zero=b"\0\0\x01\0"))
add("slot-reserved-bytes-before-the-salt", "slot", "malformed", slot(zero2=b"\0\0\0\0\x01"))
add("slot-reserved-bytes-at-the-end", "slot", "malformed", slot(zero3=bytes(51) + b"\x01"))
add("slot-n-too-small", "slot", "over_limit", slot(log_n=14))
add("slot-n-too-large", "slot", "over_limit", slot(log_n=21))
add("slot-r-0", "slot", "over_limit", slot(r=0))
add("slot-r-17", "slot", "over_limit", slot(r=17))
add("slot-p-9", "slot", "over_limit", slot(p=9))
add("slot-memory-above-1-gib", "slot", "over_limit", slot(log_n=20, r=9))
add("slot-memory-of-1-gib", "slot", "ok", slot(log_n=20, r=8))
add("slot-label-not-utf-8", "slot", "malformed", slot(label=b"\xff"))
add("slot-label-not-padded-with-zeros", "slot", "malformed", slot(label=b"a\0b"))
add("slot-of-255-bytes", "slot", "truncated", slot()[:-1])
add("slot-of-257-bytes", "slot", "malformed", slot() + b"\0")

# Manifests and records


def manifest(**changes):
    value = {
        "bytes": {"total": 5, "read": 5, "added": 5, "stored": 400},
        "counts": dict.fromkeys(["files", "dirs", "symlinks", "specials", "files_new", "files_changed", "files_unmodified",
                                 "excluded", "skipped", "blobs_new", "blobs_total", "packs_added"], 1),
        "errors_total": 0, "format_version": 1, "host": "h\u00f6st", "kind": "full", "origin": "user", "paths": ["/srv"],
        "program": "varve 0.1", "repository_id": REPOSITORY.hex(), "sequence": 2, "state": "complete",
        "time": "2025-06-23T12:34:56.123456789Z", "tips": ["11" * 32], "tree_root": "aa" * 32}
    value.update(changes)
    return canonical({key: item for key, item in value.items() if item is not None})


EVERYTHING = {
    "alias": "20250623_123456", "app_version": "2.1", "components": [{"kind": "files", "name": "uploads"}],
    "databases": [{"name": "app", "tables": 3}], "description": "before \"the\" upgrade\n\u0001", "duration_seconds": 1.25,
    "errors": [{"errno": 13, "message": "permission denied", "operation": "open", "path": {"base64": "L/8="}}],
    "errors_total": 1, "excludes": ["*.tmp"], "job": "nightly", "name": "n", "parent": "22" * 32,
    "paths": ["/srv", {"base64": "L2H/"}], "replaces": ["33" * 32], "tags": ["a", "b"], "trust_mtime": True,
    "type": "full", "user": "me", "validation": [{"check": "integrity", "ok": True}]}
add("manifest-of-required-keys", "manifest", "ok", manifest())
add("manifest-of-every-key", "manifest", "ok", manifest(**EVERYTHING))
add("manifest-with-unknown-keys", "manifest", "ok", manifest(zebra=[1, {"a": None}], Alpha=0.5))
add("manifest-of-another-repository", "manifest", "mismatch", manifest(repository_id="ff" * 16))
add("manifest-unknown-read-feature", "manifest", "unsupported", manifest(read_features=["delta"]))
add("manifest-format-version-2", "manifest", "unsupported", manifest(format_version=2))
add("manifest-unknown-kind", "manifest", "unsupported", manifest(kind="half"))
add("manifest-unknown-origin", "manifest", "unsupported", manifest(origin="elsewhere"))
add("manifest-unknown-state", "manifest", "unsupported", manifest(state="done"))
add("manifest-without-root", "manifest", "malformed", manifest(tree_root=None))
add("manifest-without-tips", "manifest", "malformed", manifest(tips=None))
add("manifest-sequence-0", "manifest", "malformed", manifest(sequence=0))
add("manifest-tips-not-sorted", "manifest", "malformed", manifest(tips=["22" * 32, "11" * 32]))
add("manifest-tips-repeated", "manifest", "malformed", manifest(tips=["11" * 32, "11" * 32]))
add("manifest-of-65-tips", "manifest", "over_limit", manifest(tips=["%064x" % number for number in range(65)]))
add("manifest-tags-not-sorted", "manifest", "malformed", manifest(tags=["b", "a"]))
add("manifest-of-1001-errors", "manifest", "over_limit", manifest(errors=[{"path": "/a"}] * 1001))
add("manifest-negative-count", "manifest", "malformed", manifest(errors_total=-1))
add("manifest-time-in-another-zone", "manifest", "malformed", manifest(time="2025-06-23T14:34:56+02:00"))
add("manifest-time-on-february-30", "manifest", "malformed", manifest(time="2025-02-30T00:00:00Z"))
add("manifest-path-of-wrong-base64", "manifest", "malformed", manifest(paths=[{"base64": "L/8"}]))
add("manifest-key-repeated", "manifest", "malformed", manifest().replace(b'{"bytes"', b'{"host":"a","bytes"', 1))
add("manifest-key-repeated-behind-an-escape", "manifest", "malformed",
    manifest().replace(b'{"bytes"', b'{"\\u0068ost":"a","bytes"', 1))
add("manifest-not-utf-8", "manifest", "malformed", manifest().replace("\u00f6".encode(), b"\xf6"))
add("manifest-lone-surrogate", "manifest", "malformed", manifest().replace("\u00f6".encode(), b"\\ud800"))
add("manifest-nested-65-deep", "manifest", "over_limit", manifest(deep=json.loads("[" * 64 + "]" * 64)))
add("manifest-nested-64-deep", "manifest", "ok", manifest(deep=json.loads("[" * 63 + "]" * 63)))
add("manifest-trailing-value", "manifest", "malformed", manifest() + b"{}")
add("manifest-that-is-an-array", "manifest", "malformed", b"[]\n")


def record(**changes):
    value = {"format_version": 1, "kind": "verified", "repository_id": REPOSITORY.hex(), "sequence": 3, "subjects": ["11" * 32],
             "time": "2025-06-23T12:34:56.000000000Z", "tips": ["11" * 32], "details": {"level": "data", "result": "ok"}}
    value.update(changes)
    return canonical({key: item for key, item in value.items() if item is not None})


add("record-verified", "record", "ok", record())
add("record-of-unknown-kind", "record", "ok", record(kind="anything", details=None))
add("record-of-another-repository", "record", "mismatch", record(repository_id="ff" * 16))
add("record-unknown-read-feature", "record", "unsupported", record(read_features=["x"]))
add("record-without-subjects", "record", "malformed", record(subjects=None))
add("record-subject-of-31-bytes", "record", "malformed", record(subjects=["11" * 31]))
add("record-details-not-an-object", "record", "malformed", record(details=[1]))



def statement(kind, details=None, **changes):
    return record(kind=kind, details=details, **changes)


add("record-tombstone", "record", "ok", statement("tombstone", {"reason": "delete"}))
add("record-tombstone-of-two", "record", "ok", statement("tombstone", {"reason": "forget"}, subjects=["22" * 32, "11" * 32]))
add("record-tombstone-without-reason", "record", "malformed", statement("tombstone"))
add("record-undelete", "record", "ok", statement("undelete"))
add("record-tags-added-and-removed", "record", "ok", statement("tag", {"add": ["a", "\u00e4"], "remove": ["b"]}))
add("record-tags-set", "record", "ok", statement("tag", {"set": []}))
add("record-tags-not-sorted", "record", "malformed", statement("tag", {"set": ["b", "a"]}))
add("record-tags-repeated", "record", "malformed", statement("tag", {"add": ["a", "a"]}))
add("record-tags-set-and-added", "record", "malformed", statement("tag", {"add": ["a"], "set": ["b"]}))
add("record-pin", "record", "ok", statement("pin", {"pinned": True}))
add("record-pin-of-a-number", "record", "malformed", statement("pin", {"pinned": 1}))
add("record-hold", "record", "ok", statement("hold", {"until": "2031-01-01T00:00:00.000000000Z"}))
add("record-hold-lifted", "record", "ok", statement("hold", {"until": None}))
add("record-hold-without-until", "record", "malformed", statement("hold", {}))
add("record-hold-until-a-date", "record", "malformed", statement("hold", {"until": "2031-01-01"}))
DRILL = {"bytes": 5, "files": 1, "result": "ok"}
add("record-drilled", "record", "ok", statement("drilled", DRILL))
add("record-drilled-in-part", "record", "ok", statement("drilled", DRILL | {"check": "failed", "part": "2/7", "result": "failed"}))
add("record-drilled-with-databases", "record", "ok", statement("drilled", DRILL | {"databases": "ok"}))
add("record-drilled-with-databases-neither-ok-nor-failed", "record", "malformed", statement("drilled", DRILL | {"databases": 3}))
add("record-drilled-without-bytes", "record", "malformed", statement("drilled", {"files": 1, "result": "ok"}))
add("record-drilled-neither-ok-nor-failed", "record", "malformed", statement("drilled", DRILL | {"result": "damaged"}))
add("record-accepted", "record", "ok", statement("accepted"))
add("record-with-more-details", "record", "ok", statement("pin", {"by": "me", "pinned": False}))

# Condemned records


def condemned(*ids, first="varve condemned 1", time="time 2025-06-23T12:34:56.123456789Z", reason="reason unreferenced",
              end="\n"):
    return ("\n".join([line for line in (first, time, reason) if line] + list(ids)) + end).encode()


PACK = ["pack " + ("%02x" % number) * 32 for number in range(3)]
GONE = ["snapshot " + ("%02x" % number) * 32 for number in range(3)]
add("condemned-unreferenced", "condemned", "ok", condemned(*PACK, *GONE))
add("condemned-rewritten", "condemned", "ok", condemned(*PACK, reason="reason rewritten"))
add("condemned-snapshots-alone", "condemned", "ok", condemned(*GONE))
add("condemned-nothing", "condemned", "ok", condemned())
add("condemned-of-no-bytes", "condemned", "truncated", b"")
add("condemned-last-line-cut-short", "condemned", "truncated", condemned(*PACK, end=""))
add("condemned-without-reason", "condemned", "truncated", condemned(reason=None))
add("condemned-version-2", "condemned", "unsupported", condemned(first="varve condemned 2"))
add("condemned-unknown-reason", "condemned", "unsupported", condemned(reason="reason whim"))
add("condemned-without-time", "condemned", "malformed", condemned(*PACK, time=None))
add("condemned-time-in-another-zone", "condemned", "malformed", condemned(time="time 2025-06-23T14:34:56+02:00"))
add("condemned-packs-out-of-order", "condemned", "malformed", condemned(PACK[1], PACK[0]))
add("condemned-pack-repeated", "condemned", "malformed", condemned(PACK[1], PACK[1]))
add("condemned-snapshots-out-of-order", "condemned", "malformed", condemned(GONE[1], GONE[0]))
add("condemned-pack-behind-snapshots", "condemned", "malformed", condemned(*GONE, *PACK))
add("condemned-pack-of-31-bytes", "condemned", "malformed", condemned(PACK[0][:-2]))
add("condemned-pack-in-capitals", "condemned", "malformed", condemned("pack " + "AB" * 32))
add("condemned-id-without-a-word", "condemned", "malformed", condemned("ab" * 32))
add("condemned-empty-line", "condemned", "malformed", condemned("", *PACK))

# File headers, pack directories and trailers, segments

SALT, COMMITMENT = bytes(range(100, 132)), bytes(range(132, 164))


def header(magic=b"varvpack", version=1, kind=1, suite=1, secret=0, zero=bytes(3), features=0, zero2=bytes(8), sum=None):
    fields = (magic + struct.pack("<HBBB", version, kind, suite, secret) + zero + struct.pack("<Q", features) + zero2
              + REPOSITORY + SALT + COMMITMENT)
    assert len(fields) == 112
    return fields + (sha256(fields)[:16] if sum is None else sum)


add("header-data-pack", "header", "ok", header(), magic="varvpack")
add("header-tree-pack", "header", "ok", header(kind=2, suite=0), magic="varvpack")
add("header-index", "header", "ok", header(magic=b"varvindx", kind=3), magic="varvindx")
add("header-manifest", "header", "ok", header(magic=b"varvmani", kind=4), magic="varvmani")
add("header-record", "header", "ok", header(magic=b"varvrecd", kind=5), magic="varvrecd")
add("header-of-another-magic", "header", "malformed", header(), magic="varvmani")
add("header-wrong-checksum", "header", "checksum", header(sum=bytes(16)), magic="varvpack")
add("header-version-2", "header", "unsupported", header(version=2), magic="varvpack")
add("header-kind-of-another-magic", "header", "unsupported", header(kind=4), magic="varvpack")
add("header-kind-6", "header", "unsupported", header(kind=6), magic="varvpack")
add("header-suite-2", "header", "unsupported", header(suite=2), magic="varvpack")
add("header-secret-type-1", "header", "unsupported", header(secret=1), magic="varvpack")
add("header-data-pack-with-deltas", "header", "ok", header(features=1), magic="varvpack")
add("header-index-with-deltas", "header", "ok", header(magic=b"varvindx", kind=3, features=1), magic="varvindx")
add("header-manifest-with-deltas", "header", "unsupported", header(magic=b"varvmani", kind=4, features=1), magic="varvmani")
add("header-unknown-read-feature", "header", "unsupported", header(features=2), magic="varvpack")
add("header-reserved-bytes", "header", "malformed", header(zero=b"\0\0\x01"), magic="varvpack")
add("header-reserved-bytes-behind-the-features", "header", "malformed", header(zero2=bytes(7) + b"\x01"), magic="varvpack")
add("header-of-127-bytes", "header", "truncated", header()[:-1], magic="varvpack")

DATA, LIST, TREE, TREELIST = range(1, 5)


def frame(stored, raw, codec, *blobs, count=None, base=None):
    base = base[0] + varint(base[1]) if base else b""
    return (varint(stored) + varint(raw) + bytes([codec]) + base + varint(len(blobs) if count is None else count)
            + b"".join(bytes([kind]) + id + varint(length) for kind, id, length in blobs))


def pack_directory(*frames, count=None):
    return varint(len(frames) if count is None else count) + b"".join(frames)


ONE = frame(90, 300, 1, (DATA, blob(1), 100), (DATA, blob(2), 200))
TWO = frame(416, 400, 0, (DATA, blob(3), 400))
DIRECTORY_BYTES = pack_directory(ONE, TWO)
IN_DATA = {"kind": 1, "suite": 1}
add("directory-of-two-frames", "directory", "ok", DIRECTORY_BYTES, frames=506, **IN_DATA)
add("directory-of-a-tree-pack", "directory", "ok", pack_directory(
    frame(50, 60, 1, (TREE, blob(1), 10), (LIST, blob(2), 20), (TREELIST, blob(3), 30))), kind=2, suite=0, frames=50)
add("directory-blob-type-5", "directory", "unsupported", pack_directory(frame(50, 10, 1, (5, blob(1), 10))), frames=50, **IN_DATA)
add("directory-tree-in-a-data-pack", "directory", "malformed", pack_directory(frame(50, 10, 1, (TREE, blob(1), 10))),
    frames=50, **IN_DATA)
add("directory-codec-3", "directory", "unsupported", pack_directory(frame(50, 10, 3, (DATA, blob(1), 10))),
    frames=50, **IN_DATA)
DELTA = frame(50, 300, 2, (DATA, blob(1), 100), (DATA, blob(2), 200), base=(blob(9), 5))
add("directory-delta-frame", "directory", "ok", pack_directory(DELTA), frames=50, **IN_DATA)
add("directory-delta-frame-in-suite-0", "directory", "ok", pack_directory(
    frame(50, 300, 2, (DATA, blob(1), 300), base=(blob(9), 65535))), frames=50, kind=1, suite=0)
add("directory-delta-frame-in-a-tree-pack", "directory", "ok", pack_directory(
    frame(50, 300, 2, (LIST, blob(1), 300), base=(blob(9), 0))), frames=50, kind=2, suite=1)
add("directory-delta-frame-of-a-wrapper-alone", "directory", "malformed", pack_directory(
    frame(8, 300, 2, (DATA, blob(1), 300), base=(blob(9), 0))), frames=8, kind=1, suite=0)
add("directory-base-number-above-the-frames-of-a-pack", "directory", "over_limit", pack_directory(
    frame(50, 300, 2, (DATA, blob(1), 300), base=(blob(9), 65536))), frames=50, **IN_DATA)
add("directory-base-cut-short", "directory", "truncated", pack_directory(ONE, DELTA)[:1 + len(ONE) + 14],
    frames=140, **IN_DATA)
add("directory-stored-frame-in-suite-0", "directory", "malformed", pack_directory(frame(10, 10, 0, (DATA, blob(1), 10))),
    kind=1, suite=0, frames=10)
add("directory-frame-without-blobs", "directory", "malformed", pack_directory(
    frame(50, 10, 1, count=0) + bytes(40)), frames=50, **IN_DATA)
add("directory-empty-blob", "directory", "malformed", pack_directory(
    frame(50, 10, 1, (DATA, blob(1), 0), (DATA, blob(2), 10))), frames=50, **IN_DATA)
add("directory-blobs-that-do-not-fill-the-frame", "directory", "malformed", pack_directory(
    frame(50, 11, 1, (DATA, blob(1), 10))), frames=50, **IN_DATA)
add("directory-frame-above-16-mib", "directory", "over_limit", pack_directory(
    frame(50, 16777217, 1, (DATA, blob(1), 16777217))), frames=50, **IN_DATA)
add("directory-frames-longer-than-the-pack", "directory", "mismatch", DIRECTORY_BYTES, frames=505, **IN_DATA)
add("directory-count-that-has-no-room", "directory", "truncated", pack_directory(ONE, count=1000), frames=506, **IN_DATA)
add("directory-of-65537-frames", "directory", "over_limit", pack_directory(count=65537), frames=506, **IN_DATA)
add("directory-trailing-byte", "directory", "malformed", DIRECTORY_BYTES + b"\0", frames=506, **IN_DATA)

STORED = len(DIRECTORY_BYTES) + 16
OFFSET = 136 + 506 + 8
PACK = OFFSET + STORED + 8 + 216


def trailer(head=None, offset=OFFSET, stored=STORED, raw=len(DIRECTORY_BYTES), length=PACK, sum=None):
    fields = ((head or header(magic=b"varvtail")) + struct.pack("<QIIQ", offset, stored, raw, length) + sha256(b"directory"))
    assert len(fields) == 184
    return fields + (sha256(fields) if sum is None else sum)


add("trailer-of-a-data-pack", "trailer", "ok", trailer(), pack=PACK)
add("trailer-wrong-checksum", "trailer", "checksum", trailer(sum=bytes(32)), pack=PACK)
add("trailer-with-the-magic-of-a-header", "trailer", "malformed", trailer(head=header()), pack=PACK)
add("trailer-of-a-manifest", "trailer", "unsupported", trailer(head=header(magic=b"varvtail", kind=4)), pack=PACK)
add("trailer-of-a-longer-pack", "trailer", "mismatch", trailer(), pack=PACK + 1)
add("trailer-directory-elsewhere", "trailer", "malformed", trailer(offset=OFFSET - 1), pack=PACK)
add("trailer-directory-without-tag", "trailer", "malformed", trailer(stored=STORED - 1, offset=OFFSET + 1), pack=PACK)
add("trailer-offset-that-overflows", "trailer", "malformed", trailer(offset=(1 << 64) - 1), pack=PACK)
add("trailer-pack-above-256-mib", "trailer", "over_limit", trailer(length=1 << 40), pack=1 << 40)
add("trailer-of-215-bytes", "trailer", "truncated", trailer()[:-1], pack=PACK)


def segment(packs, frames, blobs, magic=b"varvseg1", repository=REPOSITORY, reserved=0, counts=None, filter=None,
            bases=(), base_count=None):
    """packs: (id, length, first frame, count, kind); frames: six numbers; blobs: (id, frame, offset, length, type);
    bases: (frame, number, pack)."""
    if filter is None:
        blocks = max(1, -(-10 * len(blobs) // 512))
        filter = bytearray(64 * blocks)
        for id, *_ in blobs:
            block = int.from_bytes(id[8:16], "big") * blocks >> 64
            bits = int.from_bytes(id[16:24], "big")
            for index in range(6):
                bit = bits >> 9 * index & 511
                filter[64 * block + bit // 8] |= 1 << bit % 8
    body = b"".join(id + struct.pack("<QIIB7x", *rest) for id, *rest in packs)
    body += b"".join(struct.pack("<6I", *fields) for fields in frames)
    body += b"".join(struct.pack("<II", *rest) + id for *rest, id in bases)
    body += b"".join(id + struct.pack("<IIIB3x", *rest) for id, *rest in blobs) + bytes(filter)
    pack_count, frame_count, blob_count = counts or (len(packs), len(frames), len(blobs))
    return (magic + struct.pack("<IIQQ", pack_count, frame_count, blob_count, len(filter)) + repository
            + struct.pack("<QII", 64 + len(body), len(bases) if base_count is None else base_count, reserved) + body)


PACKS = [(blob(0x10), 2000, 0, 2, 1), (blob(0x20), 1000, 2, 1, 2)]
FRAMES = [(0, 136, 90, 300, 1, 2), (0, 226, 416, 400, 0, 1), (1, 136, 50, 10, 1, 1)]
BLOBS = [(blob(1), 0, 0, 100, DATA), (blob(2), 0, 100, 200, DATA), (blob(3), 1, 0, 400, DATA), (blob(4), 2, 0, 10, TREE)]
add("segment-of-two-packs", "segment", "ok", segment(PACKS, FRAMES, BLOBS))
add("segment-of-nothing", "segment", "ok", segment([], [], []))
add("segment-blob-in-two-packs", "segment", "ok", segment(
    [(blob(0x10), 500, 0, 1, 1), (blob(0x20), 500, 1, 1, 1)], [(0, 136, 90, 100, 1, 1), (1, 136, 90, 100, 1, 1)],
    [(blob(1), 0, 0, 100, DATA), (blob(1), 1, 0, 100, DATA)]))
add("segment-other-magic", "segment", "malformed", segment(PACKS, FRAMES, BLOBS, magic=b"varvseg2"))
add("segment-of-another-repository", "segment", "mismatch", segment(PACKS, FRAMES, BLOBS, repository=bytes(16)))
add("segment-reserved-bytes", "segment", "malformed", segment(PACKS, FRAMES, BLOBS, reserved=1))
add("segment-packs-out-of-order", "segment", "malformed", segment(
    [(blob(0x20), 2000, 0, 2, 1), (blob(0x10), 1000, 2, 1, 2)], FRAMES, BLOBS))
add("segment-pack-of-kind-3", "segment", "unsupported", segment([(blob(0x10), 2000, 0, 2, 3), PACKS[1]], FRAMES, BLOBS))
add("segment-frames-numbered-with-a-gap", "segment", "malformed", segment(
    [PACKS[0], (blob(0x20), 1000, 3, 1, 2)], FRAMES, BLOBS))
add("segment-frame-out-of-place", "segment", "malformed", segment(
    PACKS, [FRAMES[0], (0, 227, 416, 400, 0, 1), FRAMES[2]], BLOBS))
add("segment-frame-behind-its-pack", "segment", "malformed", segment([(blob(0x10), 641, 0, 2, 1), PACKS[1]], FRAMES, BLOBS))
add("segment-codec-3", "segment", "unsupported", segment(PACKS, [(0, 136, 90, 300, 3, 2)] + FRAMES[1:], BLOBS))
add("segment-frame-above-16-mib", "segment", "over_limit", segment(
    PACKS, [(0, 136, 90, 16777217, 1, 2)] + FRAMES[1:], BLOBS))
add("segment-blobs-out-of-order", "segment", "malformed", segment(PACKS, FRAMES, [BLOBS[1], BLOBS[0]] + BLOBS[2:]))
add("segment-blob-beyond-its-frame", "segment", "malformed", segment(
    PACKS, FRAMES, BLOBS[:2] + [(blob(3), 1, 1, 400, DATA), BLOBS[3]]))
add("segment-blob-in-no-frame", "segment", "malformed", segment(PACKS, FRAMES, BLOBS[:3] + [(blob(4), 3, 0, 10, TREE)]))
add("segment-counts-that-do-not-add-up", "segment", "malformed", segment(PACKS, FRAMES, BLOBS, counts=(2, 3, 5)))
add("segment-cut-short", "segment", "malformed", segment(PACKS, FRAMES, BLOBS)[:-1])
add("segment-of-63-bytes", "segment", "truncated", segment(PACKS, FRAMES, BLOBS)[:63])

# Frame 0 is plain, 1 and 2 are delta frames, in a pack of their own.
TWICE = [(blob(0x10), 500, 0, 1, 1), (blob(0x20), 500, 1, 2, 1)]
DELTAS = [(0, 136, 90, 100, 1, 1), (1, 136, 50, 100, 2, 1), (1, 186, 50, 100, 2, 1)]
EACH = [(blob(number + 1), number, 0, 100, DATA) for number in range(3)]
BASES = [(1, 0, blob(0x10)), (2, 65535, blob(0x30))]
add("segment-delta-frames", "segment", "ok", segment(TWICE, DELTAS, EACH, bases=BASES))
add("segment-delta-frame-without-base", "segment", "malformed", segment(TWICE, DELTAS, EACH, bases=BASES[:1]))
add("segment-base-of-a-plain-frame", "segment", "malformed", segment(TWICE, DELTAS, EACH, bases=[(0, 0, blob(0x30)), BASES[1]]))
add("segment-base-of-no-frame", "segment", "malformed", segment(TWICE, DELTAS, EACH, bases=[BASES[0], (3, 0, blob(0x10))]))
add("segment-base-in-the-pack-of-its-delta-frame", "segment", "malformed", segment(
    TWICE, DELTAS, EACH, bases=[(1, 1, blob(0x20)), BASES[1]]))
add("segment-base-number-above-the-frames-of-a-pack", "segment", "malformed", segment(
    TWICE, DELTAS, EACH, bases=[(1, 65536, blob(0x10)), BASES[1]]))
add("segment-bases-out-of-order", "segment", "malformed", segment(TWICE, DELTAS, EACH, bases=BASES[::-1]))
add("segment-bases-not-counted", "segment", "malformed", segment(TWICE, DELTAS, EACH, bases=BASES, base_count=0))
add("segment-more-bases-than-frames", "segment", "over_limit", segment(TWICE, DELTAS, EACH, bases=BASES, base_count=4))

for old in os.listdir(HERE):
    if old.endswith(".txt"):
        os.remove(os.path.join(HERE, old))
for name, (structure, expect, data, context) in sorted(vectors.items()):
    lines = [f"expect: {expect}", f"structure: {structure}"] + [f"{key}: {value}" for key, value in context.items()]
    digits = data.hex()
    lines += [digits[start:start + 96] for start in range(0, len(digits), 96)]
    with open(os.path.join(HERE, name + ".txt"), "w") as out:
        out.write("\n".join(lines) + "\n")
print(len(vectors), "vectors")
