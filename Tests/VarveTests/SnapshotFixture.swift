import CSys
import Glibc
import Varve
import VarveFormat

/// A repository in memory, with snapshots of real directories and of trees made by hand, and a directory for both.
final class SnapshotFixture {
    let directory: TemporaryDirectory
    let repository: Repository
    private var blobs: [(type: BlobType, bytes: [UInt8])] = []

    init(encrypted: Bool = true) throws {
        directory = try TemporaryDirectory()
        var options = Repository.CreateOptions()
        var key = (0..<32).map { UInt8($0) }
        if encrypted { options.secret = .keyFile(SecretBytes(taking: &key)) }
        repository = try Repository.create(
            on: MemoryBackend(), options: options, openOptions: Repository.OpenOptions())
    }

    /// A path in the fixture's directory.
    func path(_ name: String) -> [UInt8] { Array("\(directory.path)/\(name)".utf8) }

    /// Captures a directory.
    func capture(_ path: [UInt8]) throws -> Snapshot {
        var options = Archiver.Options()
        options.paths = [path]
        options.host = "host"
        let report = try Archiver(repository: repository, options: options, progress: Progress()).run()
        guard let id = report.snapshotID, report.errors.isEmpty else {
            throw StoreError(.failed, "not captured: \(report.errors)")
        }
        return Snapshot(id: id, manifest: report.manifest)
    }

    // MARK: trees made by hand

    /// Stores a blob with the next snapshot and returns its id.
    func blob(_ type: BlobType, _ bytes: [UInt8]) -> BlobID {
        blobs.append((type, bytes))
        return repository.keys.blobHasher.id(type, bytes)
    }

    /// The content of a directory.
    func tree(_ entries: [TreeEntry]) -> DirectoryContent {
        entries.isEmpty ? .empty : .tree(blob(.tree, TreeCoding.encode(entries: entries)))
    }

    func file(_ name: String, _ content: String = "x", mode: UInt32 = 0o644, key: UInt64? = nil) -> TreeEntry {
        file(Array(name.utf8), content, mode: mode, key: key)
    }

    func file(_ name: [UInt8], _ content: String = "x", mode: UInt32 = 0o644, key: UInt64? = nil) -> TreeEntry {
        let bytes = Array(content.utf8)
        let blobs: FileContent = bytes.isEmpty ? .empty : .blobs([blob(.data, bytes)])
        return TreeEntry(
            name: name, type: .file, hardLinkKey: key, attributes: attributes(mode),
            content: .file(size: UInt64(bytes.count), blobs: blobs))
    }

    func directory(_ name: String, _ entries: [TreeEntry], mode: UInt32 = 0o755, implied: Bool = false) -> TreeEntry {
        TreeEntry(
            name: Array(name.utf8), type: .directory, isImplied: implied, attributes: attributes(mode),
            content: .directory(tree(entries)))
    }

    func link(_ name: String, to target: String) -> TreeEntry {
        TreeEntry(
            name: Array(name.utf8), type: .symlink, attributes: attributes(0o777),
            content: .symlink(target: Array(target.utf8)))
    }

    func special(_ name: String, _ type: EntryType, _ content: EntryContent = .none) -> TreeEntry {
        TreeEntry(name: Array(name.utf8), type: type, attributes: attributes(0o600), content: content)
    }

    func attributes(_ mode: UInt32) -> Attributes {
        Attributes(mode: mode, uid: geteuid(), gid: getegid(), mtimeSeconds: 1_000_000_000, mtimeNanoseconds: 7)
    }

    /// A snapshot whose directory `/` holds these entries. Everything that was made since the last one is stored.
    func snapshot(_ entries: [TreeEntry], implied: Bool = false) throws -> Snapshot {
        let root = directory("", entries, implied: implied)
        return try snapshot(rootTree: blob(.tree, TreeCoding.encode(entries: [root])))
    }

    func snapshot(rootTree: BlobID) throws -> Snapshot {
        try store()
        let manifest = Manifest(
            repositoryID: repository.id, host: "host", program: "test", kind: .full, origin: .user, state: .complete,
            time: Timestamp(seconds: 1, nanoseconds: 0), paths: [[UInt8(ascii: "/")]], treeRoot: rootTree, tips: [],
            sequence: 1)
        return Snapshot(id: SnapshotID(1, 2, 3, 4), manifest: manifest)
    }

    private func store() throws {
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
            var stored: Set<BlobID> = []
            for blob in blobs where kind.holds(blob.type) {
                let id = repository.keys.blobHasher.id(blob.type, blob.bytes)
                guard stored.insert(id).inserted else { continue }
                try blob.bytes.withBytes { bytes throws(StoreError) in try writer.add(blob.type, id, bytes) }
            }
            try writer.flush()
        }
        blobs = []
        _ = try IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id
        ).publish(try publisher.commitPoint())
    }

    // MARK: restoring

    /// Restores into a directory of the fixture.
    @discardableResult
    func restore(
        _ snapshot: Snapshot, to name: String, _ change: (inout Restorer.Options) -> Void = { _ in }
    ) throws -> RestoreReport {
        var options = Restorer.Options()
        options.target = path(name)
        change(&options)
        return try Restorer(repository: repository, snapshot: snapshot, options: options, progress: Progress()).run()
    }

    // MARK: the fixture's directory

    /// The text of a file; nil if it is not there.
    func text(_ path: String) -> String? {
        let full = directory.path + "/" + path
        guard access(full, F_OK) == 0 else { return nil }
        return String(decoding: TreeImage.content(full), as: UTF8.self)
    }

    /// Makes a file, with the nanoseconds of `attributes` if it gets a time.
    func put(_ path: String, _ text: String, mtime: Int64? = nil) {
        let full = directory.path + "/" + path
        let descriptor = open(full, O_WRONLY | O_CLOEXEC | O_CREAT | O_TRUNC, 0o644)
        _ = text.withCString { write(descriptor, $0, strlen($0)) }
        close(descriptor)
        if let mtime { _ = sys_utimensat(AT_FDCWD, full, 0, SYS_UTIME_OMIT, mtime, 7, 0) }
    }

    func make(_ path: String) { mkdir(directory.path + "/" + path, 0o755) }

    func names(_ path: String) -> [String] { TreeImage.names(directory.path + "/" + path).sorted() }
}
