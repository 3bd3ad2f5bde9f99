import CSys
import Glibc
import Synchronization
import Testing
import Varve
import VarveFormat

/// A directory to capture, a repository to capture it into and a cache, all gone after the test.
final class CaptureSite: Sendable {
    let scratch: ScratchDirectory
    let source: String
    let place: String
    let cache: String
    private let threads: Int

    init(threads: Int = 2) throws {
        scratch = try ScratchDirectory()
        source = scratch.path + "/source"
        place = scratch.path + "/repository"
        cache = scratch.path + "/cache"
        self.threads = threads
        try scratch.makeDirectory("source")
        try Self.template.get().write(to: place)
    }

    /// A new repository as `Repository.create` makes it, with small packs. Each test gets a copy: making one anew takes
    /// hundreds of syncs.
    private struct Template: Sendable {
        var files: [(path: String, bytes: [UInt8])] = []
        var directories: [String] = []

        init() throws {
            let backend = MemoryBackend()
            var options = Repository.CreateOptions()
            options.packBytes = 1 << 20
            _ = try Repository.create(on: backend, options: options, openOptions: .init())
            var pending = [""]
            while let directory = pending.popLast() {
                for entry in try backend.list(directory) {
                    let path = directory.isEmpty ? entry.name : directory + "/" + entry.name
                    if entry.isDirectory {
                        directories.append(path)
                        pending.append(path)
                    } else {
                        files.append((path, try backend.read(path, limit: 1 << 20)))
                    }
                }
            }
        }

        func write(to place: String) throws {
            for path in [""] + directories { #expect(mkdir(place + "/" + path, 0o700) == 0) }
            for file in files { FileTool.write(place + "/" + file.path, file.bytes) }
        }
    }

    private static let template = Result { try Template() }

    func repository(
        on backend: (any Backend)? = nil, usesCache: Bool = true, threads: Int? = nil
    ) throws -> Repository {
        var options = Repository.OpenOptions()
        options.cacheDirectory = usesCache ? cache : nil
        options.threads = threads ?? self.threads
        return try Repository.open(on: backend ?? LocalBackend(path: place), options: options)
    }

    /// Captures `source`. Files count as settled at once, unless the test says otherwise.
    @discardableResult
    func capture(
        _ kind: SnapshotKind = .full, on backend: (any Backend)? = nil, usesCache: Bool = true,
        progress: Progress = Progress(), _ change: (inout Archiver.Options) -> Void = { _ in }
    ) throws -> ArchiveReport {
        var options = Archiver.Options()
        options.kind = kind
        options.host = "host"
        options.paths = [Array(source.utf8)]
        options.settlingSeconds = 0
        options.checkpointInterval = 0
        change(&options)
        let repository = try repository(on: backend, usesCache: usesCache)
        return try Archiver(repository: repository, options: options, progress: progress).run()
    }

    // MARK: making files

    func path(_ name: String) -> String { source + "/" + name }

    func makeDirectory(_ name: String) { #expect(mkdir(path(name), 0o755) == 0) }

    func write(_ name: String, _ bytes: [UInt8]) { FileTool.write(path(name), bytes) }

    func write(_ name: String, _ text: String = "") { write(name, Array(text.utf8)) }

    func write(_ name: String, random count: Int, seed: UInt64) {
        var random = SeededBytes(seed: seed)
        write(name, random.bytes(count))
    }

    func link(_ name: String, _ newName: String) { #expect(Glibc.link(path(name), path(newName)) == 0) }

    // MARK: reading snapshots

    /// Every entry below the source by its path relative to it; the source itself is the empty path.
    func tree(_ report: ArchiveReport) throws -> [String: TreeEntry] {
        let all = try fullTree(report.manifest.treeRoot)
        var result: [String: TreeEntry] = [:]
        for (path, entry) in all where path == source || path.hasPrefix(source + "/") {
            result[String(path.dropFirst(source.count + 1))] = entry
        }
        return result
    }

    /// Every entry by its absolute path; the root is the empty path.
    func fullTree(_ root: BlobID) throws -> [String: TreeEntry] {
        let reader = try SnapshotBlobs(repository(usesCache: false))
        var result: [String: TreeEntry] = [:]
        var pending: [(String, TreeEntry)] = []
        for entry in try TreeCoding.parse(try reader.loader.load(.tree, root), isRoot: true) {
            pending.append(("", entry))
        }
        while let (path, entry) = pending.popLast() {
            result[path] = entry
            guard case .directory(let content) = entry.content else { continue }
            for child in try reader.entries(content) {
                pending.append((path + "/" + String(decoding: child.name, as: UTF8.self), child))
            }
        }
        return result
    }

    /// The bytes of a captured file.
    func content(_ entry: TreeEntry?) throws -> [UInt8] {
        guard case .file(_, let blobs)? = entry?.content else { return [] }
        return try SnapshotBlobs(repository(usesCache: false)).bytes(blobs)
    }

    /// Fails unless every file of a snapshot has the bytes that lie in the source now.
    func expectSameAsSource(_ report: ArchiveReport) throws {
        let reader = try SnapshotBlobs(repository(usesCache: false))
        for (name, entry) in try tree(report) {
            guard case .file(let size, let blobs) = entry.content else { continue }
            let bytes = try reader.bytes(blobs)
            #expect(bytes == FileTool.read(path(name)), "\(name)")
            #expect(UInt64(bytes.count) == size, "\(name)")
        }
    }

    func files(_ directory: String) throws -> [String] {
        try LocalBackend(path: place).list(directory).map(\.name)
    }
}

/// Reads blobs of a repository.
struct SnapshotBlobs {
    let loader: BlobLoader

    init(_ repository: Repository) throws {
        loader = repository.loader(try repository.openIndex(isUsable: nil))
    }

    func leaves(_ type: BlobType, _ root: BlobID) throws -> [BlobID] {
        let node = try BlobListNode(parsing: try loader.load(type, root))
        if node.level == 0 { return node.ids }
        return try node.ids.flatMap { try leaves(type, $0) }
    }

    func entries(_ content: DirectoryContent) throws -> [TreeEntry] {
        switch content {
        case .empty: []
        case .tree(let id): try TreeCoding.parse(try loader.load(.tree, id))
        case .treeList(let id):
            try leaves(.treeList, id).flatMap { try TreeCoding.parse(try loader.load(.tree, $0)) }
        }
    }

    func ids(_ content: FileContent) throws -> [BlobID] {
        switch content {
        case .empty: []
        case .blobs(let ids): ids
        case .list(let id): try leaves(.list, id)
        }
    }

    func bytes(_ content: FileContent) throws -> [UInt8] {
        try ids(content).flatMap { try loader.load(.data, $0) }
    }
}

/// Plain file operations by path.
enum FileTool {
    static func write(_ path: String, _ bytes: [UInt8], flags: Int32 = O_TRUNC) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o644)
        #expect(descriptor >= 0, "\(path)")
        #expect(bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) } == bytes.count)
        close(descriptor)
    }

    static func read(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = Glibc.read(descriptor, &buffer, buffer.count), count > 0 { bytes += buffer[..<count] }
        return bytes
    }

    /// Puts the modification time of a file back to what it was.
    static func setTime(_ path: String, _ stat: FileStat) {
        let time = timespec(tv_sec: Int(stat.mtimeSeconds), tv_nsec: Int(stat.mtimeNanoseconds))
        #expect(utimensat(AT_FDCWD, path, [time, time], 0) == 0)
    }
}

/// A backend that calls back before uploads begin and before commits.
final class HookedBackend: Backend {
    private let base: any Backend
    private let uploads = Atomic(0)
    private let onUpload: @Sendable (Int) -> Void
    private let onCommit: @Sendable (SessionID) throws -> Void

    init(
        _ base: any Backend, onUpload: @escaping @Sendable (Int) -> Void = { _ in },
        onCommit: @escaping @Sendable (SessionID) throws -> Void = { _ in }
    ) {
        self.base = base
        self.onUpload = onUpload
        self.onCommit = onCommit
    }

    var location: String { base.location }
    var hasCoherentListings: Bool { base.hasCoherentListings }
    func createLayout(directories: [String]) throws(StoreError) { try base.createLayout(directories: directories) }
    func list(_ directory: String) throws(StoreError) -> [BackendEntry] { try base.list(directory) }
    func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8] { try base.read(path, limit: limit) }
    func open(_ path: String) throws(StoreError) -> any BackendFile { try base.open(path) }
    func putIfAbsent(_ path: String, _ bytes: [UInt8], session: SessionID?) throws(StoreError) {
        try base.putIfAbsent(path, bytes, session: session)
    }
    func replace(_ path: String, _ bytes: [UInt8]) throws(StoreError) { try base.replace(path, bytes) }
    func makeDirectory(_ path: String) throws(StoreError) { try base.makeDirectory(path) }
    func rename(_ path: String, to newPath: String) throws(StoreError) { try base.rename(path, to: newPath) }
    func remove(_ path: String) throws(StoreError) { try base.remove(path) }
    func removeTree(_ path: String) throws(StoreError) { try base.removeTree(path) }
    func syncDirectories(_ directories: [String]) throws(StoreError) { try base.syncDirectories(directories) }
    func beginUpload(session: SessionID) throws(StoreError) -> any Upload {
        onUpload(uploads.add(1, ordering: .relaxed).newValue)
        return try base.beginUpload(session: session)
    }
    func commit(session: SessionID, _ bytes: [UInt8], as path: String) throws(StoreError) {
        do { try onCommit(session) } catch { throw StoreError(.failed, "\(error)") }
        try base.commit(session: session, bytes, as: path)
    }
    func expire(session: SessionID) throws(StoreError) -> Bool { try base.expire(session: session) }
    func freeSpace() -> UInt64? { base.freeSpace() }
}
