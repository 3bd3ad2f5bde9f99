import Glibc
import Testing
import Varve
import VarveFormat

/// Makes a large synthetic repository for measurements: `Benchmarks/many-snapshots` runs this, and nothing else does.
///
/// VARVE_MANY_SNAPSHOTS names a directory for `repository` and `key`; VARVE_MANY_COUNT says how many snapshots. Each
/// has trees of its own and shares most of its content with the one before, as daily backups of one source do.
@Suite("ManySnapshots", .enabled(if: getenv("VARVE_MANY_SNAPSHOTS") != nil))
struct ManySnapshots {
    private let directory: String
    private let count: Int
    private let repository: Repository

    init() throws {
        directory = getenv("VARVE_MANY_SNAPSHOTS").map { String(cString: $0) } ?? ""
        count = getenv("VARVE_MANY_COUNT").flatMap { Int(String(cString: $0)) } ?? 100_000
        let key = [UInt8](repeating: 7, count: 32)
        FileTool.write(directory + "/key", key)
        var secret = key
        var options = Repository.CreateOptions()
        options.secret = .keyFile(SecretBytes(taking: &secret))
        repository = try Repository.create(at: directory + "/repository", options: options, openOptions: .init())
    }

    @Test("makes the repository")
    func make() throws {
        let session = try Session.openWriter(on: repository.backend, program: "test")
        defer { session.close() }
        let publisher = try PackPublisher(backend: repository.backend)
        defer { publisher.close() }
        let context = PackWriterContext(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id,
            dataPackBytes: repository.config.packBytes, treePackBytes: repository.config.treePackBytes,
            compressionLevel: 3, verifiesFrames: false)
        let writers = try [FileKind.dataPack, .treePack].map { kind in
            try PackWriter(context: context, kind: kind) { pack throws(StoreError) in try publisher.take(pack) }
        }
        let roots = try trees(data: writers[0], tree: writers[1])
        for writer in writers { try writer.flush() }
        _ = try IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id
        ).publish(try publisher.commitPoint())
        try manifests(roots)
        #expect(try repository.snapshots().snapshots.count == count)
    }

    /// The root trees of all snapshots: of each, one file in /srv/data differs from the snapshot before.
    private func trees(data: PackWriter, tree: PackWriter) throws -> [BlobID] {
        func store(_ type: BlobType, _ bytes: [UInt8]) throws -> BlobID {
            let id = repository.keys.blobHasher.id(type, bytes)
            let writer = type == .data ? data : tree
            try bytes.withBytes { bytes throws(StoreError) in try writer.add(type, id, bytes) }
            return id
        }
        func directory(_ name: String, _ entries: [TreeEntry]) throws -> TreeEntry {
            let content = DirectoryContent.tree(try store(.tree, TreeCoding.encode(entries: entries)))
            let attributes = Attributes(mode: 0o755, mtimeSeconds: 1_000_000_000)
            return TreeEntry(
                name: Array(name.utf8), type: .directory, isImplied: name == "srv" || name.isEmpty,
                attributes: name == "srv" || name.isEmpty ? Attributes(mode: 0o755) : attributes,
                content: .directory(content))
        }
        var files: [TreeEntry] = []
        var roots: [BlobID] = []
        roots.reserveCapacity(count)
        for number in 0..<count {
            let bytes = Array("the content of version \(number)\n".utf8)
            let attributes = Attributes(mode: 0o644, mtimeSeconds: 1_500_000_000 + Int64(number) * 60)
            let file = TreeEntry(
                name: Array("file\(number % 8)".utf8), type: .file, attributes: attributes,
                content: .file(size: UInt64(bytes.count), blobs: .blobs([try store(.data, bytes)])))
            if files.count < 8 { files.append(file) } else { files[number % 8] = file }
            let source = try directory("srv", [try directory("data", files)])
            roots.append(try store(.tree, TreeCoding.encode(entries: [try directory("", [source])])))
        }
        return roots
    }

    /// One manifest behind the other. Written without a sync each, which would take minutes.
    private func manifests(_ roots: [BlobID]) throws {
        var tips: [FileID] = []
        for (number, root) in roots.enumerated() {
            let time = Timestamp(seconds: 1_500_000_000 + Int64(number) * 3_600, nanoseconds: 123_456_789)
            var manifest = Manifest(
                repositoryID: repository.id, host: "server-\(number % 7).example.org", program: "varve 0.1.0",
                kind: number % 5 == 0 ? .full : .quick, origin: .schedule, state: .complete, time: time,
                paths: [Array("/srv/data".utf8)], treeRoot: root, tips: tips, sequence: number + 1)
            manifest.alias = time.alias
            manifest.tags = ["nightly"]
            manifest.job = "nightly"
            manifest.user = "root"
            manifest.parent = tips.first
            manifest.excludes = ["*.tmp", "/srv/data/cache/**"]
            manifest.durationSeconds = 1.25
            manifest.bytes.total = 8 * 32
            manifest.bytes.stored = 1_000 + number
            manifest.counts.files = 8
            manifest.counts.dirs = 2
            let sealed = try repository.sealed.seal(.manifest, manifest.encode())
            let id = SHA256Digest.of(sealed)
            FileTool.write("\(directory)/repository/\(RepositoryPath.file(.manifest, id))", sealed)
            tips = [id]
        }
    }
}
