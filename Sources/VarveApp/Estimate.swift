import Synchronization
package import Varve
import VarveFormat

/// What a first backup would need: the real capture into a repository that keeps nothing but sizes.
package enum Estimate {
    /// Reads everything that the options name and stores nothing.
    ///
    /// - Throws: what a capture throws.
    package static func run(
        _ options: Archiver.Options, threads: Int, progress: Progress
    ) throws(StoreError) -> (report: ArchiveReport, bytesStored: UInt64) {
        let backend = SizeBackend()
        var open = Repository.OpenOptions()
        open.threads = threads
        let repository = try Repository.create(
            on: backend, options: Repository.CreateOptions(), openOptions: open)
        var options = options
        options.checkpointInterval = 0
        options.verifiesEncoding = false
        options.isDryRun = false
        let report = try Archiver(repository: repository, options: options, progress: progress).run()
        return (report, backend.bytesStored)
    }
}

/// A repository in memory that forgets the bytes of packs and index files and counts them.
private final class SizeBackend: Backend {
    private let memory = MemoryBackend(location: "estimate")
    private let total = Mutex<UInt64>(0)

    var bytesStored: UInt64 { total.withLock { $0 } }

    func add(_ bytes: UInt64) { total.withLock { $0 += bytes } }

    var location: String { memory.location }
    var hasCoherentListings: Bool { true }
    func createLayout(directories: [String]) throws(StoreError) { try memory.createLayout(directories: directories) }
    func list(_ directory: String) throws(StoreError) -> [BackendEntry] { try memory.list(directory) }
    func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8] { try memory.read(path, limit: limit) }
    func open(_ path: String) throws(StoreError) -> any BackendFile { try memory.open(path) }
    func putIfAbsent(_ path: String, _ bytes: [UInt8], session: SessionID?) throws(StoreError) {
        try memory.putIfAbsent(path, bytes, session: session)
    }
    func replace(_ path: String, _ bytes: [UInt8]) throws(StoreError) { try memory.replace(path, bytes) }
    func makeDirectory(_ path: String) throws(StoreError) { try memory.makeDirectory(path) }
    func rename(_ path: String, to newPath: String) throws(StoreError) { try memory.rename(path, to: newPath) }
    func remove(_ path: String) throws(StoreError) { try memory.remove(path) }
    func removeTree(_ path: String) throws(StoreError) { try memory.removeTree(path) }
    func syncDirectories(_ directories: [String]) throws(StoreError) { try memory.syncDirectories(directories) }
    func beginUpload(session: SessionID) throws(StoreError) -> any Upload { SizeUpload(self) }
    func commit(session: SessionID, _ bytes: [UInt8], as path: String) throws(StoreError) {
        try memory.commit(session: session, bytes, as: path)
        add(UInt64(bytes.count))
    }
    func expire(session: SessionID) throws(StoreError) -> Bool { try memory.expire(session: session) }
    func freeSpace() -> UInt64? { nil }
}

/// Counts what is written. The bytes count once they would have got a name.
private final class SizeUpload: Upload {
    private let backend: SizeBackend
    private let count = Mutex<UInt64>(0)

    init(_ backend: SizeBackend) { self.backend = backend }

    var byteCount: UInt64 { count.withLock { $0 } }
    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) { count.withLock { $0 += UInt64(bytes.count) } }
    func startWriteback() {}
    func sync(expected: FileID) throws(StoreError) {}
    func publish(as path: String) throws(StoreError) { backend.add(byteCount) }
    func abandon() {}
}
