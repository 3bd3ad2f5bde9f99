import Synchronization
import Testing
import Varve
import VarveFormat

/// A repository with snapshots whose content is known, to collect in.
final class CollectionSite: Sendable {
    private struct State {
        var sources: [SnapshotID: SourceTree.State] = [:]
        var time = Timestamp(seconds: 1_750_000_000)
    }

    let backend: any Backend
    private let state = Mutex(State())

    /// Makes a new repository.
    convenience init(hasCoherentListings: Bool = true) throws {
        try self.init(making: MemoryBackend(hasCoherentListings: hasCoherentListings))
    }

    init(making backend: any Backend) throws {
        self.backend = backend
        var options = Repository.CreateOptions()
        options.fileChunkAverage = 2_048
        _ = try Repository.create(on: backend, options: options, openOptions: .init())
    }

    /// What is known of `other`, over a copy of its repository. The processes behind its sessions are gone.
    init(_ backend: any Backend, of other: CollectionSite) throws {
        self.backend = backend
        state.withLock { new in new = other.state.withLock { $0 } }
        try endProcesses()
    }

    /// A repository of the same files. Nothing done to one is seen in the other.
    func copy() throws -> CollectionSite {
        let memory = try #require(backend as? MemoryBackend)
        let copy = MemoryBackend(hasCoherentListings: memory.hasCoherentListings)
        let contents = memory.contents
        try copy.createLayout(directories: contents.filter { $0.value == nil && $0.key != "" }.keys.sorted())
        for (path, bytes) in contents { if let bytes { try copy.putIfAbsent(path, bytes, session: nil) } }
        return try CollectionSite(copy, of: self)
    }

    /// Makes the process behind each session one that is gone.
    func endProcesses() throws {
        for session in try SessionEntry.list(on: backend) {
            guard var info = session.info else { continue }
            info.startTime += 1
            try backend.replace(Session.directory(session.id) + "/info", info.encode())
        }
    }

    func repository(_ other: (any Backend)? = nil) throws(StoreError) -> Repository {
        var options = Repository.OpenOptions()
        options.threads = 1
        return try Repository.open(on: other ?? backend, options: options)
    }

    // MARK: snapshots

    @discardableResult
    func capture(_ source: SourceTree.State, on other: (any Backend)? = nil) throws -> SnapshotID {
        let report = try CrashScene.archive(source, .full, try repository(other))
        let id = try #require(report.snapshotID)
        state.withLock { $0.sources[id] = source }
        return id
    }

    func delete(_ ids: SnapshotID...) throws {
        try SnapshotEditor(repository: try repository()).delete(ids, reason: "delete", includesSafety: false)
    }

    func undelete(_ ids: SnapshotID...) throws(StoreError) {
        try SnapshotEditor(repository: try repository()).undelete(ids)
    }

    // MARK: collecting

    /// The clock of collections.
    func pass(seconds: Int64) {
        state.withLock { $0.time = Timestamp(seconds: $0.time.seconds + seconds, nanoseconds: 0) }
    }

    var options: CollectOptions {
        var options = CollectOptions()
        options.rewriteGrace = 0
        let time = state.withLock { $0.time }
        options.now = { time }
        return options
    }

    @discardableResult
    func collect(
        on other: (any Backend)? = nil, _ change: (inout CollectOptions) -> Void = { _ in }
    ) throws(StoreError) -> CollectReport {
        var options = options
        change(&options)
        return try Collector(repository: try repository(other), options: options, progress: Progress()).run()
    }

    // MARK: looking

    func names(_ directory: String) throws -> [String] { try backend.list(directory).map(\.name) }

    var packs: Set<PackID> { get throws { Set(try PackListing(backend).packs.keys) } }

    /// Whether every snapshot that counts reads back as it was captured, and verify finds nothing wrong; the reason if
    /// not.
    func problem(expecting ids: [SnapshotID]) throws -> String? {
        let repository = try repository()
        let list = try repository.snapshots()
        if let file = list.unreadable.first { return "\(file.directory)/\(file.id.hex): \(file.error)" }
        let standing = Set(list.snapshots.map(\.id))
        for id in ids where !standing.contains(id) { return "the snapshot \(id.hex) is gone" }
        let contents = try SnapshotContents(repository)
        for snapshot in list.snapshots {
            guard let source = state.withLock({ $0.sources[snapshot.id] }) else { continue }
            let found = try contents.read(snapshot.manifest, below: source.path)
            if found != source.contents { return "a snapshot reads back otherwise than it was captured" }
        }
        var options = Verifier.Options()
        options.level = .data
        options.recordResult = false
        var finding: Finding?
        let report = try Verifier(repository: repository, options: options, progress: Progress()).run {
            if finding == nil { finding = $0 }
        }
        guard report.result == .passed, finding == nil else {
            return "verify finds \(report.result): \(finding?.message ?? "")"
        }
        return nil
    }

    /// Expects that the snapshots that count are these, whole.
    func expectWhole(_ ids: [SnapshotID], _ where: @autoclosure () -> String = "") throws {
        let problem = try problem(expecting: ids)
        #expect(problem == nil, "\(problem ?? "") \(`where`())")
    }

    /// Expects that a collection has left nothing behind, and no more waste than it may.
    func expectTidy(_ where: @autoclosure () -> String = "") throws {
        #expect(try names("condemned").isEmpty, "\(`where`())")
        #expect(try names("sessions").isEmpty, "\(`where`())")
        let report = try collect { $0.isDryRun = true }
        #expect(report.packsRemoved == 0 && report.packsRewritten == 0, "\(`where`())")
        let all = Double(report.bytesLive + report.bytesUnusedKept)
        #expect(Double(report.bytesUnusedKept) <= options.maxUnused * all, "\(`where`())")
    }
}
