import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct SnapshotReaderTests {
    private func content(_ reader: SnapshotReader, _ path: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try reader.readFile(Array(path.utf8)) { (piece) throws(StoreError) in bytes += piece }
        return bytes
    }

    private func list(_ reader: SnapshotReader, _ path: String, _ isRecursive: Bool) throws -> [String] {
        var paths: [String] = []
        let failures = try reader.list(Array(path.utf8), isRecursive: isRecursive) { (path, _) throws(StoreError) in
            paths.append(String(decoding: path, as: UTF8.self))
        }
        return paths + failures.map { "\($0.code)" }
    }

    @Test func `Entries are found by path, and absent ones are nil`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([fixture.directory("d", [fixture.link("l", to: "x")])])
        let reader = try SnapshotReader(repository: fixture.repository, snapshot: snapshot)
        #expect(try reader.entry(at: Array("/d/l".utf8))?.content == .symlink(target: [120]))
        #expect(try reader.entry(at: Array("/".utf8))?.type == .directory)
        #expect(try reader.entry(at: Array("/d/m".utf8)) == nil)
        #expect(try reader.entry(at: Array("/d/l/m".utf8)) == nil)
    }

    @Test func `Listing shows a directory's entries, or everything below`() throws {
        let fixture = try SnapshotFixture()
        let snapshot = try fixture.snapshot([
            fixture.directory("d", [fixture.directory("e", [fixture.file("f")]), fixture.file("g")])
        ])
        let reader = try SnapshotReader(repository: fixture.repository, snapshot: snapshot)
        #expect(try list(reader, "/d", false) == ["/d/e", "/d/g"])
        #expect(try list(reader, "/", true) == ["/d", "/d/e", "/d/e/f", "/d/g"])
        #expect(try list(reader, "/d/g", false) == ["/d/g"])
        #expect(throws: StoreError.self) { try list(reader, "/x", false) }
    }

    @Test func `The content of any file comes back in order`() throws {
        let fixture = try SnapshotFixture()
        var random = SeededBytes(seed: 23)
        let source = fixture.directory.path + "/source"
        mkdir(source, 0o755)
        var expected: [String: [UInt8]] = [:]
        for (number, count) in [0, 1, 70_000, 9_000_000].enumerated() {
            let bytes = random.bytes(count)
            expected["\(source)/f\(number)"] = bytes
            let descriptor = open("\(source)/f\(number)", O_WRONLY | O_CLOEXEC | O_CREAT, 0o644)
            #expect(write(descriptor, bytes, count) == count)
            close(descriptor)
        }
        let snapshot = try fixture.capture(Array(source.utf8))
        let reader = try SnapshotReader(repository: fixture.repository, snapshot: snapshot)
        for (path, bytes) in expected { #expect(try content(reader, path) == bytes, "\(bytes.count) bytes") }
        let long = try #require(try reader.entry(at: Array("\(source)/f3".utf8)))
        #expect(try reader.blobCount(long) > 64)
    }

    @Test func `What is no file has no content, and damage is no content either`() throws {
        let fixture = try SnapshotFixture()
        var lost = fixture.file("lost")
        lost.content = .file(size: 5, blobs: .blobs([BlobID(1, 2, 3, 4)]))
        var short = fixture.file("short", "abc")
        if case .file(_, let blobs) = short.content { short.content = .file(size: 2, blobs: blobs) }
        let snapshot = try fixture.snapshot([fixture.directory("d", []), lost, short])
        let reader = try SnapshotReader(repository: fixture.repository, snapshot: snapshot)
        let codes = ["/d", "/lost", "/none", "/short"].map { path in
            #expect(throws: StoreError.self) { try content(reader, path) }?.code
        }
        #expect(codes == [.notFound, .missing, .notFound, .damaged])
    }
}
