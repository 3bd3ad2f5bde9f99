import CSys
import Glibc
import Testing
import Varve
import VarveFormat

@Suite("EntryMetadata")
struct EntryMetadataTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("status by name and by descriptor is the same, with size, links and type")
    func status() throws {
        let scratch = try ScratchDirectory()
        let name = try scratch.file("f", "12345")
        let descriptor = try scratch.root.directory.openFile(name)
        defer { _ = sys_close(descriptor) }
        let stat = try FileStat.of(descriptor)
        #expect(try FileStat.at(scratch.root.directory.descriptor, name) == stat)
        #expect(stat.size == 5 && stat.links == 1 && stat.isRegular && stat.uid == geteuid())
        #expect(try scratch.root.directory.status(bytes("absent")) == nil)
    }

    @Test("a symbolic link is looked at itself")
    func link() throws {
        let scratch = try ScratchDirectory()
        try scratch.root.directory.makeSymbolicLink(bytes("l"), target: bytes("/"))
        #expect(try scratch.root.directory.status(bytes("l"))?.isSymbolicLink == true)
    }

    @Test("attributes larger than the first buffer, and many of them, are read, sorted by bytes")
    func attributes() throws {
        let scratch = try ScratchDirectory()
        let name = try scratch.file("f")
        let descriptor = try scratch.root.directory.openFile(name)
        defer { _ = sys_close(descriptor) }
        var expected: [ExtendedAttribute] = []
        for index in 0..<60 {
            let attribute = bytes("user.\(index)-a-name-that-fills-the-list")
            guard sys_fsetxattr(descriptor, String(decoding: attribute, as: UTF8.self), [7], 1) >= 0 else { break }
            expected.append(ExtendedAttribute(name: attribute, value: [7]))
        }
        let long = [UInt8](repeating: 9, count: 1800)
        if sys_fsetxattr(descriptor, "user.A", long, long.count) >= 0 {
            expected.append(ExtendedAttribute(name: bytes("user.A"), value: long))
        }
        expected.sort { $0.name.lexicographicallyPrecedes($1.name) }
        #expect(try ExtendedAttribute.read(.descriptor(descriptor)) == expected)
        let handle = try scratch.root.directory.openHandle(name)
        defer { _ = sys_close(handle) }
        #expect(try ExtendedAttribute.read(.pathDescriptor(handle)) == expected)
    }

    @Test("a name of any bytes is reached")
    func oddNames() throws {
        let scratch = try ScratchDirectory()
        let odd: [UInt8] = [0xFF, 0x25, 0x73, 0x0A]
        try scratch.root.directory.rename(try scratch.file("f"), to: odd, ifTaken: .refused)
        let descriptor = try scratch.root.directory.openFile(odd)
        defer { _ = sys_close(descriptor) }
        let isSet = sys_fsetxattr(descriptor, "user.x", [1], 1) >= 0
        let listed = try scratch.root.directory.list()
        let directory = scratch.root.directory.descriptor
        let read = try listed.withName(0) { name, _ in
            try ExtendedAttribute.read(.name(directory: directory, name))
        }
        #expect(read.count == (isSet ? 1 : 0))
    }

    @Test("kernel file systems are told from ordinary ones")
    func fileSystems() throws {
        func type(_ path: String) -> String? {
            let descriptor = sys_openat(SYS_AT_FDCWD, path, SYS_O_RDONLY | SYS_O_DIRECTORY, 0)
            guard descriptor >= 0, let stat = try? FileStat.of(descriptor) else { return nil }
            defer { _ = sys_close(descriptor) }
            return SpecialFileSystems.virtualType(descriptor, device: stat.device)
        }
        #expect(type("/proc") == "proc")
        #expect(type("/sys") == nil || type("/sys") == "sysfs")
        #expect(type("/dev/pts") == nil || type("/dev/pts") == "devpts")
        #expect(type("/tmp") == nil)
        #expect(type("/dev/shm") == nil, "a tmpfs holds people's files")
    }

    @Test("owner names are found both ways, and the unknown are empty")
    func owners() throws {
        let names = OwnerNames()
        for _ in 0..<2 {
            #expect(names.user(0) == bytes("root"))
            #expect(names.group(0) == bytes("root"))
            #expect(names.uid(bytes("root")) == 0)
            #expect(names.gid(bytes("root")) == 0)
            #expect(names.user(3_999_999_999) == [])
            #expect(names.group(3_999_999_999) == [])
            #expect(names.uid(bytes("no such user")) == nil)
            #expect(names.gid([]) == nil)
            #expect(names.uid(bytes("root\0")) == nil)
        }
    }
}
