import CSys
import Glibc
import Testing
import Varve
import VarveFormat

private let isRoot = geteuid() == 0

/// Reads back what `MetadataWriter` writes.
private func attributes(_ directory: OpenDirectory, _ name: [UInt8]) throws -> Attributes {
    let stat = try #require(try directory.status(name))
    let names = OwnerNames()
    let xattrs = try name.withCString { try ExtendedAttribute.read(.name(directory: directory.descriptor, $0)) }
    var flags: InodeFlags = []
    if stat.isRegular || stat.isDirectory {
        let descriptor = try directory.openFile(name)
        defer { _ = sys_close(descriptor) }
        flags = try InodeFlags.read(descriptor)
        #expect(try ExtendedAttribute.read(.descriptor(descriptor)) == xattrs)
    }
    return Attributes(
        mode: stat.permissions, uid: stat.uid, gid: stat.gid, owner: names.user(stat.uid), group: names.group(stat.gid),
        mtimeSeconds: stat.mtimeSeconds, mtimeNanoseconds: stat.mtimeNanoseconds, xattrs: xattrs, inodeFlags: flags)
}

extension [UInt8] {
    fileprivate func withCString<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result {
        try (map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { try body($0.baseAddress.unsafelyUnwrapped) }
    }
}

@Suite("MetadataWriter")
struct MetadataWriterTests {
    private let scratch: ScratchDirectory
    private let writer = MetadataWriter()

    init() throws { scratch = try ScratchDirectory() }

    private var directory: OpenDirectory { scratch.root.directory }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func user(_ name: String, _ value: String) -> ExtendedAttribute {
        ExtendedAttribute(name: bytes("user." + name), value: bytes(value))
    }

    private func apply(_ wanted: Attributes, toFile name: String, _ writer: MetadataWriter? = nil) throws {
        let descriptor = try directory.openFile(bytes(name))
        defer { _ = sys_close(descriptor) }
        try (writer ?? self.writer).apply(wanted, to: .open(descriptor))
    }

    /// What a file of ours without anything special has.
    private func plain(mode: UInt32 = 0o640) -> Attributes {
        let names = OwnerNames()
        return Attributes(
            mode: mode, uid: geteuid(), gid: getegid(), owner: names.user(geteuid()), group: names.group(getegid()),
            mtimeSeconds: 1_000_000_000, mtimeNanoseconds: 123_456_789)
    }

    @Test("mode, time and user attributes of a file and a directory come back")
    func ordinary() throws {
        var wanted = plain(mode: 0o1751)
        wanted.xattrs = [user("a", ""), user("b", "value"), user("long", String(repeating: "x", count: 3000))]
        try scratch.file("f")
        try scratch.makeDirectory("d")
        for name in ["f", "d"] {
            try apply(wanted, toFile: name)
            #expect(try attributes(directory, bytes(name)) == wanted)
        }
        #expect(writer.losses.isEmpty)
    }

    @Test("what the file had before and the snapshot has not is removed, inherited ACLs too")
    func extras() throws {
        try scratch.file("f")
        var first = plain()
        first.xattrs = [user("gone", "1"), user("kept", "2")]
        first.inodeFlags = [.noDump]
        try apply(first, toFile: "f")
        var second = plain(mode: 0o444)
        second.xattrs = [user("kept", "3")]
        try apply(second, toFile: "f")
        #expect(try attributes(directory, bytes("f")) == second)
        if Tool.run("/usr/bin/setfacl", ["-d", "-m", "u:1:rwx", scratch.path]) {
            try directory.makeDirectory(bytes("heir"))
            #expect(try !attributes(directory, bytes("heir")).xattrs.isEmpty)
            try apply(plain(mode: 0o755), toFile: "heir")
            #expect(try attributes(directory, bytes("heir")) == plain(mode: 0o755))
        }
    }

    @Test(
        "times before 1970, after 2106 and with nanoseconds come back",
        arguments: [(-1, 999_999_999), (-2_000_000_000, 1), (0, 0), (4_294_967_296, 5), (15_000_000_000, 999_999_999)])
    func times(_ seconds: Int64, _ nanoseconds: UInt32) throws {
        try scratch.file("f")
        var wanted = plain()
        wanted.mtimeSeconds = seconds
        wanted.mtimeNanoseconds = nanoseconds
        try apply(wanted, toFile: "f")
        try directory.makeSymbolicLink(bytes("l"), target: bytes("f"))
        try writer.apply(wanted, toName: bytes("l"), in: directory, type: S_IFLNK)
        for name in ["f", "l"] {
            let stat = try #require(try directory.status(bytes(name)))
            let isKept = stat.mtimeSeconds == seconds && stat.mtimeNanoseconds == nanoseconds
            #expect(isKept || writer.losses[.time] != nil)
        }
    }

    @Test(
        "the ends of the recorded range are set as far as the file system goes, and said",
        arguments: [Int64.min, .max])
    func extremeTimes(_ seconds: Int64) throws {
        try scratch.file("f")
        var wanted = plain()
        wanted.mtimeSeconds = seconds
        try apply(wanted, toFile: "f")
        if try directory.status(bytes("f"))?.mtimeSeconds != seconds { #expect(writer.losses == [.time: 1]) }
    }

    @Test("a time with too many nanoseconds is damage, and the rest is written")
    func impossibleTime() throws {
        try scratch.file("f")
        var wanted = plain(mode: 0o600)
        wanted.mtimeNanoseconds = UInt32(SYS_UTIME_NOW)
        #expect { try apply(wanted, toFile: "f") } throws: { ($0 as? StoreError)?.code == .damaged }
        #expect(try directory.status(bytes("f"))?.permissions == 0o600)
    }

    @Test("owner by number, setuid and setgid, set after the owner", .enabled(if: isRoot))
    func owner() throws {
        try scratch.file("f")
        var wanted = plain(mode: 0o6755)
        (wanted.uid, wanted.gid, wanted.owner, wanted.group) = (54_321, 54_322, [], [])
        try apply(wanted, toFile: "f")
        #expect(try attributes(directory, bytes("f")) == wanted)
    }

    @Test("owner by name where the name exists, by number on request", .enabled(if: isRoot))
    func ownerByName() throws {
        try scratch.file("f")
        var wanted = plain(mode: 0o4755)
        (wanted.uid, wanted.gid, wanted.owner, wanted.group) = (54_321, 54_322, bytes("daemon"), bytes("no such group"))
        try apply(wanted, toFile: "f")
        let stat = try #require(try directory.status(bytes("f")))
        #expect(stat.uid == OwnerNames().uid(bytes("daemon")) && stat.gid == 54_322)
        #expect(stat.permissions == 0o4755)
        try apply(wanted, toFile: "f", MetadataWriter(ownership: .numbers))
        #expect(try directory.status(bytes("f"))?.uid == 54_321)
    }

    @Test("a file that keeps another owner than recorded gets no setuid or setgid")
    func noForeignSetuid() throws {
        try scratch.file("f")
        var wanted = plain(mode: 0o6755)
        (wanted.uid, wanted.gid, wanted.owner, wanted.group) = (54_321, 54_322, [], [])
        let unchanged = MetadataWriter(ownership: .unchanged)
        try apply(wanted, toFile: "f", unchanged)
        #expect(try directory.status(bytes("f"))?.permissions == 0o755)
        #expect(unchanged.losses == [.specialBits: 1])
        try apply(plain(mode: 0o4700), toFile: "f", unchanged)
        #expect(try directory.status(bytes("f"))?.permissions == 0o4700, "one's own may stay")
    }

    @Test("ACLs and capabilities come back", .enabled(if: isRoot))
    func accessControl() throws {
        try scratch.file("from")
        try scratch.file("to")
        try #require(
            Tool.run("/usr/bin/setfacl", ["-m", "u:1:rw,g:2:r,m::rw", scratch.path + "/from"])
                || Tool.run("/usr/sbin/setcap", ["cap_net_raw+ep", scratch.path + "/from"])
                || !Tool.exists("/usr/bin/setfacl"))
        _ = Tool.run("/usr/sbin/setcap", ["cap_net_raw+ep", scratch.path + "/from"])
        var wanted = try attributes(directory, bytes("from"))
        (wanted.uid, wanted.owner) = (54_321, [])
        try apply(wanted, toFile: "to")
        #expect(try attributes(directory, bytes("to")) == wanted)
        if Tool.exists("/usr/bin/setfacl"), Tool.exists("/usr/sbin/setcap") { #expect(wanted.xattrs.count == 2) }
    }

    @Test("inode flags come back, immutable last, and give way to a second restore", .enabled(if: isRoot))
    func inodeFlags() throws {
        try scratch.file("f")
        try scratch.makeDirectory("d")
        var wanted = plain(mode: 0o700)
        wanted.xattrs = [user("a", "1")]
        wanted.inodeFlags = [.immutable, .append, .noDump, .noAccessTime]
        for name in ["f", "d"] {
            try apply(wanted, toFile: name)
            if writer.losses[.inodeFlags] == nil {
                #expect(try attributes(directory, bytes(name)) == wanted)
                #expect(throws: StoreError.self) {
                    try directory.rename(bytes(name), to: bytes("x"), ifTaken: .replaced)
                }
            }
            try apply(plain(), toFile: name)
            #expect(try attributes(directory, bytes(name)) == plain())
        }
    }

    @Test("flags that the file system lacks are counted and the others set", .enabled(if: isRoot))
    func missingFlag() throws {
        try scratch.file("f")
        var wanted = plain()
        wanted.inodeFlags = [.noCopyOnWrite, .noDump]
        let descriptor = try directory.openFile(bytes("f"))
        defer { _ = sys_close(descriptor) }
        writer.prepare(descriptor, wanted)
        try writer.apply(wanted, to: .open(descriptor))
        let flags = try InodeFlags.read(descriptor)
        if flags != [] { #expect(flags.contains(.noDump)) }
        #expect(flags.contains(.noCopyOnWrite) || writer.losses == [.inodeFlags: 1])
    }

    @Test("symbolic links, FIFOs and devices get owner, time and attributes of their own", .enabled(if: isRoot))
    func specialFiles() throws {
        let victim = try scratch.file("victim")
        let before = try attributes(directory, victim)
        try directory.makeSymbolicLink(bytes("l"), target: victim)
        try directory.makeFIFO(bytes("p"))
        var made: [(String, UInt32)] = [("l", S_IFLNK), ("p", S_IFIFO)]
        if (try? directory.makeDevice(bytes("c"), isBlock: false, device: sys_makedev(1, 3))) != nil {
            made.append(("c", S_IFCHR))
            try directory.makeDevice(bytes("b"), isBlock: true, device: sys_makedev(7, 300))
            made.append(("b", S_IFBLK))
            #expect(try directory.status(bytes("b"))?.specialDevice == sys_makedev(7, 300))
        }
        for (name, type) in made {
            var wanted = plain(mode: type == S_IFLNK ? 0o777 : 0o664)
            (wanted.uid, wanted.gid, wanted.owner, wanted.group) = (54_321, 54_322, [], [])
            wanted.xattrs = [ExtendedAttribute(name: bytes("trusted.t"), value: bytes(name))]
            try writer.apply(wanted, toName: bytes(name), in: directory, type: type)
            #expect(try attributes(directory, bytes(name)) == wanted, "\(name)")
        }
        #expect(try attributes(directory, victim) == before, "nothing went through the link")
        #expect(writer.losses.isEmpty)
    }

    @Test("a name that something else has meanwhile is refused")
    func replaced() throws {
        try scratch.file("p")
        #expect { try writer.apply(plain(), toName: bytes("p"), in: directory, type: S_IFIFO) } throws: {
            ($0 as? StoreError)?.code == .refused && ($0 as? StoreError)?.path == bytes("p")
        }
    }

    @Test("an attribute of a namespace that is not there is counted, not fatal")
    func unknownNamespace() throws {
        try scratch.file("f")
        var wanted = plain()
        wanted.xattrs = [ExtendedAttribute(name: bytes("nonsense.a"), value: [1]), user("z", "1")]
        try apply(wanted, toFile: "f")
        #expect(writer.losses == [.xattrs(namespace: "nonsense"): 1])
        #expect(try attributes(directory, bytes("f")).xattrs == [user("z", "1")])
    }

    @Test("an attribute name that is none is damage")
    func impossibleName() throws {
        try scratch.file("f")
        for name in [[], [UInt8(ascii: "a"), 0, 1]] as [[UInt8]] {
            var wanted = plain()
            wanted.xattrs = [ExtendedAttribute(name: name, value: [])]
            #expect { try apply(wanted, toFile: "f") } throws: { ($0 as? StoreError)?.code == .damaged }
        }
    }
}
