import Testing
import Varve
import VarveFormat

/// Trees and lists that are whole, but that nobody should have written.
@Suite struct TreeHitsTests {
    /// Blobs of a snapshot in the making.
    private struct Forgery {
        let hasher: BlobHasher
        var blobs: [(type: BlobType, bytes: [UInt8])] = []

        mutating func add(_ type: BlobType, _ bytes: [UInt8]) -> BlobID {
            blobs.append((type, bytes))
            return hasher.id(type, bytes)
        }

        mutating func tree(_ entries: [TreeEntry]) -> BlobID { add(.tree, TreeCoding.encode(entries: entries)) }

        mutating func list(_ type: BlobType, _ level: Int, _ ids: [BlobID]) -> BlobID {
            add(type, BlobListNode(level: level, ids: ids).encode())
        }
    }

    private static func entry(_ name: String, _ content: EntryContent) -> TreeEntry {
        let type: EntryType
        if case .directory = content { type = .directory } else { type = .file }
        return TreeEntry(
            name: Array(name.utf8), type: type, attributes: Attributes(mode: 0o755), content: content)
    }

    private static func file(_ name: String, _ size: UInt64, _ ids: [BlobID]) -> TreeEntry {
        entry(name, .file(size: size, blobs: .blobs(ids)))
    }

    private static func directory(_ name: String, _ tree: BlobID) -> TreeEntry { entry(name, .directory(.tree(tree))) }

    /// Stores a snapshot whose directory `/` holds some entries, and verifies it.
    private static func verify(
        _ make: (inout Forgery) -> [TreeEntry]
    ) throws -> (result: VerifyReport.Result, paths: [String]) {
        try verifyRoot { forgery in
            let top = forgery.tree(make(&forgery))
            return forgery.tree([directory("", top)])
        }
    }

    private static func verifyRoot(
        _ make: (inout Forgery) -> BlobID
    ) throws -> (result: VerifyReport.Result, paths: [String]) {
        let repository = try Repository.create(
            on: MemoryBackend(), options: Repository.CreateOptions(), openOptions: Repository.OpenOptions())
        var forgery = Forgery(hasher: repository.keys.blobHasher)
        let root = make(&forgery)
        try store(forgery, root, in: repository)
        var paths: [String] = []
        let verifier = Verifier(repository: repository, options: Verifier.Options(), progress: Progress())
        let report = try verifier.run { finding in
            if let path = finding.path { paths.append(String(decoding: path, as: UTF8.self)) }
        }
        let status = try repository.snapshots().snapshots.map(\.status)
        #expect(status == [["PASSED": "ok", "FAILED": "damaged", "INCOMPLETE": "incomplete"][report.result.rawValue]])
        return (report.result, paths.sorted())
    }

    private static func store(_ forgery: Forgery, _ root: BlobID, in repository: Repository) throws {
        let session = try Session.openWriter(on: repository.backend, program: "test")
        defer { session.close() }
        let publisher = try PackPublisher(backend: repository.backend)
        defer { publisher.close() }
        let context = PackWriterContext(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id,
            dataPackBytes: 1 << 20, treePackBytes: 1 << 20, compressionLevel: 1, verifiesFrames: true)
        for kind in [FileKind.dataPack, .treePack] {
            let writer = try PackWriter(context: context, kind: kind) { pack throws(StoreError) in
                try publisher.take(pack)
            }
            for blob in forgery.blobs where kind.holds(blob.type) {
                try blob.bytes.withBytes { bytes throws(StoreError) in
                    try writer.add(blob.type, forgery.hasher.id(blob.type, bytes), bytes)
                }
            }
            try writer.flush()
        }
        let index = IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id)
        _ = try index.publish(try publisher.commitPoint())
        let manifest = Manifest(
            repositoryID: repository.id, host: "host", program: "test", kind: .full, origin: .user, state: .complete,
            time: Timestamp(seconds: 1_000), paths: [Array("/".utf8)], treeRoot: root, tips: [], sequence: 1)
        let bytes = try SealedFile(keys: repository.keys, repository: repository.id).seal(.manifest, manifest.encode())
        try repository.backend.commit(
            session: session.id, bytes, as: RepositoryPath.file(.manifest, SHA256Digest.of(bytes)))
    }

    @Test("What is as it should be passes")
    func sound() throws {
        let (result, paths) = try Self.verify { forgery in
            let one = forgery.add(.data, [1, 2, 3])
            let two = forgery.add(.data, [4, 5])
            let leaves = forgery.list(.list, 0, [one, two, one])
            let listed = Self.entry("listed", .file(size: 16, blobs: .list(forgery.list(.list, 1, [leaves, leaves]))))
            let piece = forgery.tree([Self.file("a", 3, [one])])
            let cut = Self.entry("cut", .directory(.treeList(forgery.list(.treeList, 0, [piece]))))
            return [cut, Self.file("inline", 5, [one, two]), listed]
        }
        #expect(result == .passed)
        #expect(paths.isEmpty)
    }

    @Test("A file whose blobs do not add up to its size cannot be restored")
    func sizes() throws {
        let (result, paths) = try Self.verify { forgery in
            let one = forgery.add(.data, [1, 2, 3])
            let list = forgery.list(.list, 0, [one, one])
            return [
                Self.entry("list", .file(size: 7, blobs: .list(list))),
                Self.entry("list2", .file(size: 6, blobs: .list(list))), Self.file("long", 4, [one]),
                Self.file("right", 3, [one]), Self.file("short", 5, [one, one]),
            ]
        }
        #expect(result == .failed)
        #expect(paths == ["/list", "/long", "/short"])
    }

    @Test("A list or tree in a place that is not its own cannot be restored")
    func misplaced() throws {
        let (result, paths) = try Self.verify { forgery in
            let one = forgery.add(.data, [1, 2, 3])
            let leaves = forgery.list(.list, 0, [one])
            let skipping = forgery.list(.list, 2, [leaves])
            let root = forgery.tree([Self.directory("", forgery.tree([]))])
            let cut = forgery.list(.treeList, 1, [forgery.list(.treeList, 1, [forgery.list(.treeList, 0, [root])])])
            return [
                Self.entry("cut", .directory(.treeList(cut))),
                Self.entry("cutroot", .directory(.treeList(forgery.list(.treeList, 0, [root])))),
                Self.directory("root", root), Self.entry("skip", .file(size: 3, blobs: .list(skipping))),
            ]
        }
        #expect(result == .failed)
        #expect(paths == ["/cut", "/cutroot", "/root", "/skip"])
    }

    @Test("A tree that is no tree is named as its directory, and nothing below it")
    func malformed() throws {
        let (result, paths) = try Self.verify { forgery in
            let one = forgery.add(.data, [1, 2, 3])
            let bad = forgery.add(.tree, [9, 9, 9])
            let piece = forgery.tree([Self.file("fine", 3, [one]), Self.directory("gone", bad)])
            let pieces = forgery.list(.treeList, 0, [piece, bad])
            return [
                Self.directory("bad", bad), Self.entry("cut", .directory(.treeList(pieces))),
                Self.directory("good", piece),
            ]
        }
        #expect(result == .failed)
        #expect(paths == ["/bad", "/cut", "/good/gone"])
        let (rootResult, rootPaths) = try Self.verifyRoot { $0.tree([Self.entry("x", .directory(.empty))]) }
        #expect(rootResult == .failed)
        #expect(rootPaths == ["/"])
    }

    @Test("What no pack has makes a snapshot incomplete")
    func absent() throws {
        let nowhere = BlobID(1, 2, 3, 4)
        let (result, paths) = try Self.verify { forgery in
            let one = forgery.add(.data, [1, 2, 3])
            return [
                Self.directory("d", nowhere), Self.file("f", 6, [one, nowhere]),
                Self.entry("l", .file(size: 3, blobs: .list(forgery.list(.list, 0, [nowhere])))),
                Self.entry("m", .file(size: 3, blobs: .list(nowhere))),
                Self.entry("t", .directory(.treeList(forgery.list(.treeList, 0, [nowhere])))),
            ]
        }
        #expect(result == .incomplete)
        #expect(paths == ["/d", "/f", "/l", "/m", "/t"])
        #expect(try Self.verifyRoot { _ in nowhere } == (.incomplete, ["/"]))
    }

    @Test("A tree that is reached on 2^60 ways is judged once")
    func reuse() throws {
        let (result, paths) = try Self.verify { forgery in
            var tree = forgery.tree([Self.file("leaf", 3, [forgery.add(.data, [1, 2, 3])])])
            for _ in 0..<60 { tree = forgery.tree([Self.directory("a", tree), Self.directory("b", tree)]) }
            return [Self.directory("top", tree)]
        }
        #expect(result == .passed)
        #expect(paths.isEmpty)
    }
}
