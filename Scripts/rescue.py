#!/usr/bin/python3
"""Lists and restores the snapshots of a varve repository without varve. Written from FORMAT.md; (n) is its section n.
    rescue.py list REPO, or restore REPO SNAPSHOT TARGET; and --key-file F or --password-file F if it is encrypted
SNAPSHOT: an id, a unique prefix of one, an alias, a name or `latest`. TARGET: new or empty. Owners are set by number.
Exit: 0 ok, 1 failed, 2 usage, 3 something was not set, 4 damage, 10 no repository, 12 wrong key, 13 no snapshot."""
import fcntl, functools, glob, hashlib, hmac, json, os, re, resource, struct, sys, types, zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
DATA, LIST, TREE, TREELIST = 1, 2, 3, 4  # blob types (3.3)
FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK, SOCKET = range(1, 8)  # entry types (9.1)
FORMATS = {FIFO: 0o010600, CHARACTER: 0o020600, BLOCK: 0o060600, SOCKET: 0o140600}  # S_IFIFO and so on
IMPLIED, SPARSE, HARDLINK, XATTRS, FLAGS = 1, 2, 4, 8, 16  # entry flags (9.1)
CHATTR = {16: 0x800000, 8: 0x80, 4: 0x40, 2: 0x20, 1: 0x10}  # inode flags (9.1): Linux's bits, immutable last
GETFLAGS, SETFLAGS, MIB, NAME = 0x80086601, 0x40086602, 1 << 20, "/" + "[0-9a-f]" * 64
def check(condition, message):
    if not condition: raise ValueError(message)
def say(message): print(message, file=sys.stderr)
def stop(status, message): sys.exit(say(message) or status)
def sha256(data): return hashlib.sha256(data).digest()
def expand(prk, info): return hmac.digest(prk, info + b"\1", "sha256")  # RFC 5869, 32 bytes of output
def hkdf(salt, secret, info): return expand(hmac.digest(salt, secret, "sha256"), info)
def read(path, limit, at=0):  # at most `limit` bytes, before any are allocated (14)
    with open(path, "rb") as file: return os.pread(file.fileno(), limit, at)
def unzstd(data, size=None, base=b""):  # one frame with its content size, nothing behind it (14)
    known, out = zstandard.get_frame_parameters(data), bytearray()
    check(max(known.content_size, known.window_size) <= 16 * MIB, "zstd frame above its limits")
    prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if base else None
    stream = zstandard.ZstdDecompressor(dict_data=prefix, max_window_size=16 * MIB).decompressobj()
    for start in range(0, len(data), 4096):  # in small steps: a forged frame must not fill the memory
        out += stream.decompress(data[start:start + 4096])
        check(len(out) <= known.content_size, "zstd frame longer than it says")
    exact = stream.eof and not stream.unused_data and len(out) == known.content_size and size in (None, len(out))
    return check(exact, "zstd frame of another length") or bytes(out)
class Bytes:  # a cursor over integers and byte strings (1)
    def __init__(self, data): self.data, self.at = data, 0
    def bytes(self, limit=16 * MIB): return self.take(self.varint(limit))
    def u8(self): return self.take(1)[0]
    def take(self, count):
        self.at += count
        return check(self.at <= len(self.data), "structure cut short") or self.data[self.at - count:self.at]
    def varint(self, limit=2**64 - 1):
        value, shift, byte = 0, 0, 128
        while byte & 128 and shift < 70:
            byte = self.u8()
            value, shift = value | (byte & 127) << shift, shift + 7
        return check(byte < 128 and (byte or shift == 7) and value <= limit, "varint too long or too great") or value
    def count(self, size):  # from 1 to what the remaining bytes can hold (14)
        count = self.varint((len(self.data) - self.at) // size)
        return check(count, "count of zero") or range(count)
class Repository:
    def __init__(self, path, key_file, password_file):
        self.path, self.frames, self.packs, self.where = path, [], {}, {}
        if not os.path.isdir(f"{path}/packs"): stop(10, f"{path}: no repository here")
        slots = list(self.loaded("keys" + NAME, lambda slot: read(slot, 8192)))
        configs = [*self.loaded("config", lambda file: read(file, 4096)), *(slot[580:] for slot in slots)]
        raw = next(filter(self.is_good_config, configs), b"")  # or the copy out of a slot (4)
        if configs[:1] != [raw]: say("config is damaged: looking for a copy in keys/")
        config, self.salt = json.loads(raw), sha256(raw)
        if config["format"] != 1: stop(1, f"format {config['format']} is not known to this program")
        known = config["suite"] in (0, 1) and config["blob_hash"] == "blake2b-256" and not config["features"]
        self.suite, self.id = check(known, "unknown feature") or config["suite"], bytes.fromhex(config["repository_id"])
        if self.suite != bool(key_file or password_file): stop(12, "encrypted repositories, and no others, need a key")
        self.prk = sha256(b"varve format 1 unencrypted")  # (3.2)
        if self.suite: self.prk = hmac.digest(self.salt, self.master(slots, key_file, password_file), "sha256")
        self.id_keys = [self.key(f"id {name}") for name in ("", "data", "list", "tree", "treelist")]
    def key(self, info): return expand(self.prk, b"varve 1 " + info.encode())
    def is_good_config(self, raw):  # (4)
        digest = re.search(rb'"sha256" *: *"([0-9a-f]{64})"', raw)
        return digest and sha256(raw.replace(digest[1], b"0" * 64)).hex().encode() == digest[1]
    def loaded(self, pattern, load):  # names of another form are ignored (2)
        for path in glob.iglob(f"{glob.escape(self.path)}/{pattern}"):
            try: yield load(path)
            except Exception as error: say(f"{path}: damaged: {error!r}")
    def master(self, slots, key_file, password_file):  # the master key out of a slot (5)
        kind, secret = (2, read(key_file, 33)) if key_file else (1, read(password_file, MIB).removesuffix(b"\n"))
        stretch, damaged = functools.cache(hashlib.scrypt), False
        for slot in slots:
            body = next((slot[i:i + 256] for i in (0, 288) if sha256(slot[i:i + 256]) == slot[i + 256:i + 288]), b"")
            damaged |= body[:10] != b"varvslot\1\0" or body[16:32] != self.id
            if body[10:12] != bytes([kind, 1]): continue
            key, info, (n, r, p) = secret, b"varve 1 slot " + (b"", b"password", b"key file")[kind], body[32:35]
            if kind == 1:  # one stretch serves all slots
                check(15 <= n <= 20 and 0 < r <= 16 and 0 < p <= 8 and 128 * r << n <= 1 << 30, "scrypt limits")
                key = stretch(secret, salt=body[40:72], n=1 << n, r=r, p=p, maxmem=2**31 - 1, dklen=32)
            try: return AESGCM(hkdf(self.salt, key, info)).decrypt(body[144:156], body[156:204], body[:144])
            except Exception: pass  # somebody else's
        check(not damaged, "no key slot opens, and one is damaged: it may have been the right one")
        stop(12, "wrong password or key file")
    def file_key(self, header, magic, kind, info):  # the key of the file that this header belongs to (3.2, 6)
        known = magic + struct.pack("<HBBIQQ", 1, kind, self.suite, 0, header[16] & (kind < 3), 0) + self.id
        check(header[:48] == known and sha256(header[:112])[:16] == header[112:], "header damaged, foreign or unknown")
        commitment = expand(self.key("commitment"), b"varve 1 file commitment" + header[48:80])
        check(hmac.compare_digest(commitment, header[80:112]), "key commitment does not match")
        return hkdf(header[48:80], self.key(info), b"varve 1 file" + self.id + bytes([kind, self.suite]))
    def statement(self, path):  # a manifest or record (10)
        raw, kind = read(path, 18 * MIB), path.split("/")[-2].removesuffix("s")
        check(path.endswith(sha256(raw).hex()), "bytes do not match the name")
        head, magic, code = raw[:128], *{"manifest": (b"varvmani", 4), "record": (b"varvrecd", 5)}[kind]
        if self.suite: raw = unzstd(AESGCM(self.file_key(head, magic, code, kind)).decrypt(bytes(12), raw[128:], head))
        value = dict(json.loads(raw), id=os.path.basename(path))
        check(value["format_version"] == 1 and not value.get("read_features"), "unknown version or feature")
        return check(value["repository_id"] == self.id.hex(), "belongs to another repository") or value
    def load_pack(self, path):  # its directory, from its end: index/ is not needed (7)
        kind, size = 2 if "/packs/tree/" in path else 1, os.path.getsize(path)
        trailer = read(path, 216, max(0, size - 216))
        offset, stored, length, pack_length = struct.unpack("<QIIQ", trailer[128:152])
        check(sha256(trailer[:184]) == trailer[184:] and pack_length == size <= 256 * MIB, "trailer is damaged")
        check(offset + stored == size - 224 and stored - 16 <= length <= 8 * MIB, "trailer does not fit")
        payload, at = read(path, stored, offset), 136
        check(sha256(payload) == trailer[152:184], "directory is damaged")
        key = self.file_key(trailer[:128], b"varvtail", kind, "data")
        directory = Bytes(self.unseal(key, kind, 0, 2**32 - 1, length, payload))
        for number in directory.count(37):
            stored, raw, codec, start = directory.varint(16908288), directory.varint(16 * MIB), directory.u8(), 0
            base = (directory.take(32).hex(), directory.varint(65535)) if codec == 2 and trailer[16] else None
            for _ in directory.count(34):
                blob_type, blob, size = directory.u8(), directory.take(32), directory.varint(raw)
                check(size and blob_type in ((), (DATA,), (LIST, TREE, TREELIST))[kind], "blob of a wrong type")
                start += self.where.setdefault(blob, []).append(len(self.frames) << 48 | start << 24 | size - 1) or size
            check(start == raw and number < 65536 and (codec == 1 or codec == 0 and self.suite or base), "odd frame")
            at += self.frames.append((path, key, kind, number, at, stored, raw, codec, base)) or stored
        self.packs[kind, path[-64:]] = range(len(self.frames))[-number - 1:]
        check(directory.at == len(directory.data) == length and at + 8 == offset, "frames do not fill the pack")
    def unseal(self, key, kind, codec, number, raw, data):  # a frame, or the directory (3.4, 7)
        nonce = number.to_bytes(12, "little") if number < 2**32 - 1 else b"\xff" * 12
        bound = self.id + struct.pack("<BBBBIII", kind, self.suite, codec, 0, number, raw, len(data))
        return AESGCM(key).decrypt(nonce, data, bound) if self.suite else data
    @functools.lru_cache(8)
    def frame(self, index):
        path, key, kind, number, at, stored, raw, codec, base = self.frames[index]
        data = self.unseal(key, kind, codec, number, raw, read(path, stored, at))
        if not base: return unzstd(data, raw) if codec else data
        index = self.packs[kind, base[0]][base[1]]  # the frame that this one needs as prefix (7)
        return check(not self.frames[index][8], "odd base") or unzstd(data[8 - 8 * self.suite:], raw, self.frame(index))
    def blob(self, blob, blob_type):  # every location counts (8); the bytes must hash to the id (3.3)
        for place in self.where.get(blob, ()):
            try: data = self.frame(place >> 48)[place >> 24 & 0xffffff:][:(place & 0xffffff) + 1]
            except Exception: continue
            if hashlib.blake2b(data, digest_size=32, key=self.id_keys[blob_type]).digest() == blob: return data
        raise ValueError(f"blob {blob.hex()} is missing or damaged")
    def content(self, e):  # the ids of a file's data or of a directory's trees (9.1)
        return e.ids if e.form < 2 else self.leaves(e.ids[0], LIST if e.type == FILE else TREELIST, range(8))
    def leaves(self, blob, blob_type, levels):  # (9.3)
        cursor = Bytes(self.blob(blob, blob_type))
        version, level = cursor.take(2)
        check(version == 1 and level in levels, "list of a wrong version or level")
        ids = [cursor.take(32) for _ in cursor.count(32)]
        check(cursor.at == len(cursor.data), "trailing bytes")
        for child in ids: yield from self.leaves(child, blob_type, [level - 1]) if level else [child]
    def entries(self, blobs, root=False):  # of one tree, or of several (9.2)
        previous = None
        for cursor in (Bytes(self.blob(blob, TREE)) for blob in blobs):
            check(cursor.u8() == 1, "tree of an unknown version")
            for entry in (parse_entry(cursor) for _ in cursor.count(8)):
                check((entry.name == b"") == root and (previous is None or entry.name > previous), "names out of order")
                previous = entry.name
                yield entry
            check(cursor.at == len(cursor.data), "trailing bytes")
def parse_entry(cursor):  # (9.1)
    e = types.SimpleNamespace(name=cursor.bytes(255), type=cursor.u8(), flags=cursor.u8(), mode=cursor.varint(0o7777))
    check(not set(b"/\0") & set(e.name) and e.name not in (b".", b".."), f"forbidden name {e.name!r}")
    check(0 < e.type < 8 and e.flags < (2 if e.type == DIRECTORY and e.flags & IMPLIED else 32), "unknown type or flag")
    e.uid, _, e.gid, _ = cursor.varint(), cursor.bytes(), cursor.varint(), cursor.bytes()
    seconds, nanoseconds = (0, 0) if e.flags & IMPLIED else (cursor.varint(), cursor.varint(10**9 - 1))
    e.mtime = (seconds >> 1 ^ -(seconds & 1)) * 10**9 + nanoseconds
    e.link = cursor.take(8) if e.flags & HARDLINK else None
    e.xattrs = [(cursor.bytes(), cursor.bytes()) for _ in cursor.count(2)] if e.flags & XATTRS else []
    check(all(a[0] < b[0] for a, b in zip(e.xattrs, e.xattrs[1:])), "xattrs out of order")
    e.inode_flags = cursor.varint(31) if e.flags & FLAGS else 0
    e.size, e.form = cursor.varint() if e.type == FILE else 0, cursor.u8() if e.type < SYMLINK else 0
    e.ids = [cursor.take(32) for _ in (cursor.count(32) if (e.type, e.form) == (FILE, 1) else range((0, 1, 1)[e.form]))]
    e.target = cursor.bytes(4095) if e.type == SYMLINK else None
    e.device = os.makedev(cursor.varint(), cursor.varint()) if e.type in (CHARACTER, BLOCK) else 0
    return e
class Restorer:  # works from descriptors of directories that it made: nothing can escape the target
    def __init__(self, repository, target):
        self.repository, self.links, self.flagged, self.status = repository, {}, [], 0
        if os.makedirs(target, exist_ok=True) or os.listdir(target): stop(1, f"{target}: not empty")
        os.chmod(target, 0o700)  # so that nobody can put symlinks into it meanwhile
        self.target, files = os.open(target, os.O_DIRECTORY), resource.RLIMIT_NOFILE
        resource.setrlimit(files, resource.getrlimit(files)[1:] * 2)  # one descriptor for each level of directories
    def attempt(self, path, what, action, *arguments, **options):
        try: return action(*arguments, **options)
        except Exception as error:
            self.status = max(self.status, 3 if isinstance(error, (OSError, OverflowError)) else 4)
            say(f"{os.fsdecode(path)!a}: {what}: {error!r}")
    def run(self, tree_root):
        stack = [(self.target, None, b"", self.repository.entries([bytes.fromhex(tree_root)], root=True))]
        while stack:
            parent, directory, path, children = stack[-1]
            e = self.attempt(path, "directory is damaged", next, children, None)
            place = path + b"/" + e.name if e and directory else b""
            made = self.attempt(place, "not restored", self.make, parent, e, place) if e else None
            if not e and stack.pop() and directory: self.finish(parent, directory, path)
            elif made and e.type != DIRECTORY: self.finish(made, e, place)
            elif made: stack.append((made, e, place, self.repository.entries(self.repository.content(e))))
        for path, bits in self.flagged: self.attempt(path, "inode flags", self.set_flags, path[1:], bits)  # links first
        return self.status
    def make(self, parent, e, path):  # returns a descriptor of what it made
        if e.link in self.links:
            return os.link(self.links[e.link], e.name, src_dir_fd=self.target, dst_dir_fd=parent, follow_symlinks=False)
        if e.type == SYMLINK: os.symlink(e.target, e.name, dir_fd=parent)
        elif e.type == DIRECTORY and e.name: os.mkdir(e.name, 0o700, dir_fd=parent)
        elif e.type > SYMLINK: os.mknod(e.name, FORMATS[e.type], e.device, dir_fd=parent)
        how = (os.O_CREAT | os.O_EXCL | os.O_RDWR, os.O_DIRECTORY, os.O_PATH)[min(e.type, SYMLINK) - 1]
        made = os.open(e.name or b".", how | os.O_NOFOLLOW, 0o600, dir_fd=parent)
        try: self.write(made, e) if e.type == FILE else None
        except Exception: raise os.unlink(e.name, dir_fd=parent) or sys.exc_info()[1]
        if e.link: self.links[e.link] = path[1:]
        return made
    def write(self, made, e):
        with open(made, "wb", MIB, closefd=False) as file:
            for data in (self.repository.blob(blob, DATA) for blob in self.repository.content(e)):
                for start in range(-(file.tell() % 4096), len(data), 4096):
                    piece = data[max(start, 0):start + 4096]
                    file.seek(len(piece), 1) if e.flags & SPARSE and not piece.strip(b"\0") else file.write(piece)
            check(file.tell() == e.size, "size differs") or file.truncate()
    def finish(self, made, e, path):  # through /proc, which reaches just what the descriptor stands for
        here = f"/proc/self/fd/{made}"
        self.attempt(path, "owner", os.chown, here, e.uid, e.gid)
        for name, value in e.xattrs: self.attempt(path, "xattr", os.setxattr, here, name, value)
        if e.type != SYMLINK: self.attempt(path, "mode", os.chmod, here, e.mode)
        if not e.flags & IMPLIED: self.attempt(path, "time", os.utime, here, ns=(e.mtime, e.mtime))
        if e.inode_flags: self.flagged.append((path, e.inode_flags))
        os.close(made)
    def set_flags(self, path, bits):
        made = os.open(path or b".", os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self.target)
        for linux in (CHATTR[bit] for bit in CHATTR if bits & bit):
            now = struct.unpack("I4x", fcntl.ioctl(made, GETFLAGS, bytes(8)))[0]
            fcntl.ioctl(made, SETFLAGS, struct.pack("I4x", now | linux))
        os.close(made)
def main():
    options, words = {"--key-file": None, "--password-file": None}, sys.argv[1:]
    for name in set(options) & set(words): options[name] = words.pop(words.index(name) + 1)
    verb, *words = [word for word in words if word not in options] or [""]
    if (verb, len(words)) not in (("list", 1), ("restore", 3)): stop(2, __doc__)
    repository = Repository(words[0], *options.values())
    found = sorted(repository.loaded("manifests" + NAME, repository.statement), key=lambda m: m["time"], reverse=True)
    records = sorted(repository.loaded("records" + NAME, repository.statement), key=lambda r: (r["sequence"], r["id"]))
    gone = {id: r["kind"] for r in records if r["kind"] in ("tombstone", "undelete") for id in r["subjects"]}
    for m in found: m["state"] = "deleted" if gone.get(m["id"]) == "tombstone" else m["state"]
    if verb == "list": return [print(*map(m.get, ("id", "alias", "state", "host", "name", "paths"))) for m in found]
    named = [m for m in found if words[1] in (m["id"], m.get("alias"), m.get("name"))]
    if words[1] == "latest":
        named = [m for m in found if m["state"] in ("complete", "partial") and m["origin"] != "safety"][:1]
    elif not named and len(words[1]) > 3: named = [m for m in found if m["id"].startswith(words[1])]
    if len(named) != 1: stop(13, f"{words[1]}: {len(named)} snapshots go by that name")
    list(repository.loaded("packs/*/[0-9a-f][0-9a-f]" + NAME, repository.load_pack))
    sys.exit(Restorer(repository, words[2]).run(named[0]["tree_root"]))
try: main()
except Exception as error: stop(1 if isinstance(error, OSError) else 4, repr(error))
