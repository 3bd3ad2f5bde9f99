import Testing
import Varve
import VarveFormat

@Suite("SnapshotList")
struct SnapshotListTests {
    private let backend = MemoryBackend()
    private let repository: Repository

    init() throws { repository = try Repository.create(on: backend, options: .init(), openOptions: .init()) }

    private func sealed(_ kind: FileKind, _ directory: String, _ bytes: [UInt8]) throws -> FileID {
        let sealed = try SealedFile(keys: repository.keys, repository: repository.id).seal(kind, bytes)
        let id = SHA256Digest.of(sealed)
        try backend.putIfAbsent("\(directory)/\(id.hex)", sealed, session: nil)
        return id
    }

    private func manifest(
        _ second: Int64, tips: [FileID], sequence: Int, state: SnapshotState = .complete, replaces: [SnapshotID] = [],
        job: String? = nil
    ) throws -> SnapshotID {
        var manifest = Manifest(
            repositoryID: repository.id, host: "h", program: "test", kind: .full, origin: .user, state: state,
            time: Timestamp(seconds: second, nanoseconds: 0), paths: [Array("/x".utf8)],
            treeRoot: BlobID(1, 2, 3, 4), tips: tips, sequence: sequence)
        manifest.replaces = replaces
        manifest.job = job
        return try sealed(.manifest, "manifests", manifest.encode())
    }

    @Test("snapshots come newest first, and the next one continues from the tips")
    func order() throws {
        let first = try manifest(100, tips: [], sequence: 1)
        let left = try manifest(300, tips: [first], sequence: 2)
        let right = try manifest(200, tips: [first], sequence: 2)
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [left, right, first] && list.unreadable.isEmpty)
        #expect(list.tips == [left, right].sorted() && list.nextSequence == 3)
    }

    @Test("an interrupted snapshot is replaced by one of the same job alone")
    func replaces() throws {
        let interrupted = try manifest(1, tips: [], sequence: 1, state: .interrupted)
        let complete = try manifest(2, tips: [interrupted], sequence: 2)
        let other = try manifest(3, tips: [complete], sequence: 3, replaces: [interrupted, complete], job: "other")
        #expect(try repository.snapshots().snapshots.map(\.id) == [other, complete, interrupted])
        let same = try manifest(4, tips: [other], sequence: 4, replaces: [interrupted, complete])
        #expect(try repository.snapshots().snapshots.map(\.id) == [same, other, complete])
        #expect(try repository.snapshots().all.count == 4)
    }

    @Test("a sequence that does not follow from the tips is refused as forged")
    func forged() throws {
        let first = try manifest(1, tips: [], sequence: 1)
        let forged = try [
            manifest(2, tips: [first], sequence: 1), manifest(3, tips: [first], sequence: 3),
            manifest(4, tips: [], sequence: 2),
        ]
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [first] && Set(list.unreadable.map(\.id)) == Set(forged))
        #expect(list.unreadable.allSatisfy { $0.error.code == .damaged && $0.directory == "manifests" })
    }

    @Test("a tip that was deleted makes nobody a forger")
    func deletedTip() throws {
        let first = try manifest(1, tips: [], sequence: 1)
        let second = try manifest(2, tips: [first], sequence: 2)
        let third = try manifest(3, tips: [first, second], sequence: 3)
        try backend.remove("manifests/\(second.hex)")
        #expect(try repository.snapshots().snapshots.map(\.id) == [third, first])
    }

    @Test("the later verification in the graph is the one that counts")
    func verification() throws {
        let snapshot = try manifest(1, tips: [], sequence: 1)
        func verified(_ result: String, _ tips: [FileID], _ sequence: Int, second: Int64) throws -> FileID {
            let record = Record(
                repositoryID: repository.id, kind: "verified", subjects: [snapshot],
                time: Timestamp(seconds: second, nanoseconds: 0), tips: tips, sequence: sequence,
                details: .object(["level": .string("data"), "result": .string(result)]))
            return try sealed(.record, "records", record.encode())
        }
        #expect(try repository.snapshots().snapshots.first?.status == "unverified")
        let first = try verified("damaged", [snapshot], 2, second: 900)
        _ = try verified("ok", [first], 3, second: 800)
        let found = try #require(try repository.snapshots().snapshots.first)
        #expect(found.status == "ok" && found.verification?.level == "data")
    }

    @Test("a manifest that cannot be read is told, and hides no other")
    func unreadable() throws {
        let good = try manifest(1, tips: [], sequence: 1)
        let bad = try manifest(2, tips: [good], sequence: 2)
        var bytes = try backend.read("manifests/\(bad.hex)", limit: 1 << 20)
        bytes[bytes.count / 2] ^= 1
        try backend.remove("manifests/\(bad.hex)")
        try backend.putIfAbsent("manifests/\(bad.hex)", bytes, session: nil)
        try backend.putIfAbsent("manifests/not-a-name", [1], session: nil)
        let list = try repository.snapshots()
        #expect(list.snapshots.map(\.id) == [good] && list.unreadable.map(\.id) == [bad])
    }
}
