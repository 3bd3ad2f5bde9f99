import Glibc
import Testing
import Varve

/// What LocalBackend expects of the operating system, held by the real layer and the one in memory alike.
@Suite struct FileLayerTests {
    struct Fixture {
        let layer: any FileLayer
        let directory: TemporaryDirectory?

        init(real: Bool) throws {
            directory = real ? try TemporaryDirectory() : nil
            layer = directory.map { RealFileLayer($0.path) } ?? MemoryFileLayer()
            try layer.makeDirectory("a")
            try layer.makeDirectory("b")
            try write("a/file", [1, 2, 3])
        }

        func write(_ path: String, _ bytes: [UInt8]) throws {
            let file = try layer.create(path)
            try bytes.withUnsafeBytes { try file.writeAll($0, at: 0) }
        }

        func read(_ path: String) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 100)
            let file = try layer.open(path)
            let count = try bytes.withUnsafeMutableBytes { try file.readAll(into: $0, at: 0) }
            return Array(bytes[..<count])
        }

        func errno(_ body: () throws -> Void) -> Int32? { #expect(throws: StoreError.self) { try body() }?.errno }
    }

    @Test("Errors carry the number the system call gives", arguments: [true, false])
    func errorNumbers(real: Bool) throws {
        let fixture = try Fixture(real: real)
        let layer = fixture.layer
        #expect(fixture.errno { _ = try layer.open("x") } == ENOENT)
        #expect(fixture.errno { _ = try layer.list("x") } == ENOENT)
        #expect(fixture.errno { _ = try layer.list("a/file") } == ENOTDIR)
        #expect(fixture.errno { _ = try layer.entry("x") } == ENOENT)
        #expect(fixture.errno { _ = try layer.create("a/file") } == EEXIST)
        #expect(fixture.errno { _ = try layer.create("x/file") } == ENOENT)
        #expect(fixture.errno { try layer.makeDirectory("a") } == EEXIST)
        #expect(fixture.errno { try layer.makeDirectory("x/y") } == ENOENT)
        #expect(fixture.errno { try layer.rename("x", to: "y") } == ENOENT)
        #expect(fixture.errno { try layer.rename("a/file", to: "x/y") } == ENOENT)
        #expect(fixture.errno { try layer.rename("a", to: "b") } == EEXIST)
        #expect(fixture.errno { try layer.renameReplacing("x", to: "a/file") } == ENOENT)
        #expect(fixture.errno { try layer.unlink("x") } == ENOENT)
        #expect(fixture.errno { try layer.unlink("a") } == EISDIR)
        #expect(fixture.errno { try layer.removeDirectory("a") } == ENOTEMPTY)
        #expect(fixture.errno { try layer.removeDirectory("a/file") } == ENOTDIR)
        #expect(fixture.errno { try layer.syncDirectory("x") } == ENOENT)
    }

    @Test("An open file is the file it was, whatever happens to its name", arguments: [true, false])
    func openFilesFollowRenames(real: Bool) throws {
        let fixture = try Fixture(real: real)
        let file = try fixture.layer.create("a/other")
        try fixture.layer.rename("a", to: "c")
        try [UInt8](arrayLiteral: 9, 8).withUnsafeBytes { try file.writeAll($0, at: 2) }
        try fixture.layer.rename("c/other", to: "b/name")
        try file.syncData()
        #expect(try fixture.read("b/name") == [0, 0, 9, 8])
        #expect(try file.size() == 4)
        try fixture.layer.unlink("b/name")
        #expect(try file.size() == 4)
        #expect(try fixture.read("c/file") == [1, 2, 3])
    }

    @Test("A replacing rename leaves the new bytes only", arguments: [true, false])
    func replacing(real: Bool) throws {
        let fixture = try Fixture(real: real)
        try fixture.write("b/new", [7])
        try fixture.layer.renameReplacing("b/new", to: "a/file")
        #expect(try fixture.read("a/file") == [7])
        #expect(try fixture.layer.list("b").isEmpty)
        #expect(try fixture.layer.entry("a/file") == BackendEntry(name: "file", size: 1, isDirectory: false))
    }

    @Test("The free space of a real place is known, and that it is local or not")
    func place() throws {
        let fixture = try Fixture(real: true)
        #expect(try #require(fixture.layer.freeSpace()) > 0)
        _ = fixture.layer.isLocal
        #expect(RealFileLayer("/proc").isLocal == false)
    }
}
