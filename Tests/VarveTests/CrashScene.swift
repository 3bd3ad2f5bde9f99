import Glibc
import Synchronization
import Testing
import Varve
import VarveFormat

/// A repository whose every change is recorded, with what it has acknowledged and when.
final class CrashScene: Sendable {
    struct Acknowledged: Sendable {
        /// The number of operations after which the caller knew.
        let position: Int
        let id: SnapshotID
    }

    private struct State {
        var acknowledged: [Acknowledged] = []
        var sources: [SnapshotID: SourceTree.State] = [:]
        /// Captures that were asked to stop: some of the source.
        var partial: Set<SnapshotID> = []
    }

    let layer: RecordingFileLayer
    let key: [UInt8]?
    /// The number of operations after which the new repository was acknowledged.
    let created: Int
    let caches: TemporaryDirectory
    private let state = Mutex(State())

    init(isEncrypted: Bool) throws {
        key = isEncrypted ? try Syscalls.randomBytes(32) : nil
        caches = try TemporaryDirectory()
        layer = RecordingFileLayer(MemoryFileLayer())
        var options = Repository.CreateOptions()
        options.secret = Self.secrets(key).first
        options.fileChunkAverage = 2_048
        _ = try Repository.create(on: LocalBackend(layer: layer), options: options, openOptions: .init())
        created = layer.operationCount
    }

    var acknowledged: [Acknowledged] { state.withLock { $0.acknowledged } }

    /// Opens the repository in a layer, with the caches of this machine or none.
    func open(_ layer: any FileLayer, cacheDirectory: String?, threads: Int = 1) throws(StoreError) -> Repository {
        var options = Repository.OpenOptions()
        options.secrets = Self.secrets(key)
        options.cacheDirectory = cacheDirectory
        options.threads = threads
        return try Repository.open(on: LocalBackend(layer: layer), options: options)
    }

    /// Captures and notes when that was acknowledged.
    ///
    /// - Parameter other: a layer above the recording one.
    @discardableResult
    func capture(
        _ source: SourceTree.State, _ kind: SnapshotKind, through other: (any FileLayer)? = nil, threads: Int = 1
    ) throws(StoreError) -> ArchiveReport {
        let repository = try open(other ?? layer, cacheDirectory: caches.path, threads: threads)
        let report = try Self.archive(source, kind, repository)
        guard let id = report.snapshotID else { throw StoreError(.failed, "no snapshot was made") }
        note(id, source, isPartial: false)
        return report
    }

    /// Begins to capture and stops before the `number`-th change, which leaves a checkpoint.
    func interruptedCapture(_ source: SourceTree.State, before number: Int) throws {
        let progress = Progress()
        let hooked = HookedFileLayer(layer, before: number) { progress.cancel() }
        let known = Set(acknowledged.map(\.id))
        let repository = try open(hooked, cacheDirectory: caches.path)
        let error = #expect(throws: StoreError.self) { try Self.archive(source, .full, repository, progress) }
        #expect(error?.code == .interrupted)
        for (id, manifest) in try repository.snapshots().every.map({ ($0.id, $0.manifest) })
        where manifest.state == .interrupted && !known.contains(id) {
            note(id, source, isPartial: true)
        }
    }

    /// What a snapshot must hold; nil for one that was never acknowledged.
    func source(_ id: SnapshotID) -> (state: SourceTree.State, isPartial: Bool)? {
        state.withLock { state in state.sources[id].map { ($0, state.partial.contains(id)) } }
    }

    @discardableResult
    static func archive(
        _ source: SourceTree.State, _ kind: SnapshotKind, _ repository: Repository, _ progress: Progress = Progress()
    ) throws(StoreError) -> ArchiveReport {
        var options = Archiver.Options()
        options.kind = kind
        options.paths = [source.path]
        options.host = "host"
        options.checkpointInterval = 0
        return try Archiver(repository: repository, options: options, progress: progress).run()
    }

    private func note(_ id: SnapshotID, _ source: SourceTree.State, isPartial: Bool) {
        let position = layer.operationCount
        state.withLock { state in
            state.acknowledged.append(Acknowledged(position: position, id: id))
            state.sources[id] = source
            if isPartial { state.partial.insert(id) }
        }
    }

    static func secrets(_ key: [UInt8]?) -> [RepositorySecret] {
        guard var copy = key else { return [] }
        return [.keyFile(SecretBytes(taking: &copy))]
    }
}
