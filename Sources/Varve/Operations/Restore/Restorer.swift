import CSys
import Glibc
import VarveFormat

/// Brings what a snapshot holds back into a file system.
///
/// A planner walks the tree, makes the directories and gathers files by the frames that hold them; workers decode each
/// frame once and write all files that need it. Each file is written under a temporary name beside its own, read back
/// and compared, given its attributes and renamed. No entry can lead out of the target.
public struct Restorer: Sendable {
    private let repository: Repository
    private let snapshot: Snapshot
    private let options: Options
    private let progress: Progress

    /// Prepares a restore.
    public init(repository: Repository, snapshot: Snapshot, options: Options, progress: Progress) {
        self.repository = repository
        self.snapshot = snapshot
        self.options = options
        self.progress = progress
    }

    /// What a restore would change, without reading the content of any file.
    ///
    /// - Throws: as `run`.
    public func plan() throws(StoreError) -> RestorePlanSummary {
        let session = openSession()
        defer { session?.close() }
        return try forecast(try SnapshotContent(repository))
    }

    /// Restores. Entries that cannot be restored are errors of the report, and the restore goes on.
    ///
    /// - Throws: `notFound` if the snapshot does not have the path, or was deleted meanwhile; `damaged` or `missing` if
    ///   the way to it cannot be read; `noSpace` before anything is written, or when the disk is full; `interrupted`;
    ///   what keeps the target from being opened.
    public func run() throws(StoreError) -> RestoreReport {
        let start = Timestamp.now()
        guard options.target != nil || options.stripComponents == 0 else {
            throw StoreError(.usage, "components cannot be cut from paths that are restored in place")
        }
        let session = openSession()
        defer { session?.close() }
        progress.update { $0.phase = "scanning" }
        let content = try SnapshotContent(repository)
        var report = RestoreReport()
        if options.isDryRun {
            report.add(try forecast(content))
        } else {
            try checkSpace(content)
            progress.update { $0.phase = "writing" }
            let wasThere = repository.hasManifest(snapshot.id)
            let result = attempt { () throws(StoreError) in
                options.target == nil ? try restoreInPlace(content) : try restore(content)
            }
            if wasThere, (try? result.get().errorsTotal) != 0, !repository.hasManifest(snapshot.id) {
                // What is missing is no damage: the snapshot was deleted, and a collector was faster than this session.
                throw StoreError(.notFound, "the snapshot was deleted while it was being restored")
            }
            report = try result.get()
        }
        report.duration = Timestamp.now().seconds(since: start)
        return report
    }

    private func attempt<Value>(_ body: () throws(StoreError) -> Value) -> Result<Value, StoreError> {
        do throws(StoreError) { return .success(try body()) } catch { return .failure(error) }
    }

    private func openSession() -> Session? {
        Session.openReader(on: repository.backend, program: repository.options.program, snapshots: [snapshot.id])
    }

    private func restore(
        _ content: SnapshotContent, _ transaction: RestoreTransaction? = nil
    ) throws(StoreError) -> RestoreReport {
        // Looked up first: nothing is made for a path that is not there.
        let walker = try walker(content)
        let place = try RestoreTarget(options.target, makes: true)
        let count = options.threads > 0 ? options.threads : repository.threadCount
        let run = RestoreRun(
            content: content, options: options, progress: progress, root: place.root, threadCount: count,
            transaction: transaction)
        let planner = RestoreShared(try planner(run, place, walker, content))
        let workers = try (0..<count).map { _ throws(StoreError) in RestoreShared(try RestoreWorker(run)) }
        try Threads.run(count + 1) { index in
            if index < count { return workers[index].value.work() }
            planner.value.plan()
            run.tasks.close()
        }
        planner.value.finish()
        try run.checkStopped()
        try run.checkContents()
        run.reportSummaries()
        return run.finishedReport
    }

    /// Restores to the recorded places, with a way back.
    private func restoreInPlace(_ content: SnapshotContent) throws(StoreError) -> RestoreReport {
        _ = try walker(content)
        let memory = try RestoreMemory.open(repository.options.stateDirectory)
        let restore = try InPlaceRestore(
            repository: repository, options: options, progress: progress, memory: memory)
        let journal = RestoreJournal(
            repository: repository.id, snapshot: snapshot.id, request: request, isUndo: false, time: .now())
        let paths = options.subpath.map { [$0] } ?? snapshot.manifest.paths
        let notice = try restore.recover(for: journal, near: paths)
        if options.makesSafetySnapshot { try checkSafety(content) }
        var report = try restore.run(journal) { transaction throws(StoreError) in
            try stage(content, in: transaction)
        }
        if let notice { report.notices.append(notice) }
        return report
    }

    /// Puts what is to be restored into the stages of a transaction.
    func stage(in transaction: RestoreTransaction) throws(StoreError) -> InPlaceRestore.Staged {
        try stage(try SnapshotContent(repository), in: transaction)
    }

    private func stage(
        _ content: SnapshotContent, in transaction: RestoreTransaction
    ) throws(StoreError) -> InPlaceRestore.Staged {
        let report = try restore(content, transaction)
        let ownership: MetadataWriter.Ownership =
            options.restoresOwner ? (options.numericIDs ? .numbers : .names) : .unchanged
        return InPlaceRestore.Staged(report: report, metadata: MetadataWriter(ownership: ownership))
    }

    /// Refuses before anything is prepared if a safety snapshot will be needed and cannot be made.
    private func checkSafety(_ content: SnapshotContent) throws(StoreError) {
        do throws(StoreError) {
            try SafetySnapshot(repository: repository, options: options, progress: progress).checkRepository()
        } catch {
            let plan = try forecast(content)
            if plan.replaced + plan.compared + plan.deleted > 0 { throw error }
        }
    }

    /// Equal for restores that ask for the same.
    private var request: FileID {
        var writer = ByteWriter()
        writer.id(repository.id)
        writer.id(snapshot.id)
        writer.byteString(options.subpath ?? [])
        let asked = "\(options.overwrite) \(options.deletes) \(options.restoresOwner) \(options.numericIDs)"
        writer.byteString(Array(asked.utf8))
        writer.byteString(Array("\(options.includesOnly) \(options.rules.map { "\($0)" })".utf8))
        return SHA256Digest.of(writer.bytes)
    }

    private func forecast(_ content: SnapshotContent) throws(StoreError) -> RestorePlanSummary {
        var options = options
        options.isDryRun = true
        let place = try RestoreTarget(options.target, makes: false)
        let run = RestoreRun(
            content: content, options: options, progress: progress, root: place.root, threadCount: 1)
        var planner = try planner(run, place, try walker(content), content)
        planner.plan()
        planner.finish()
        try run.checkStopped()
        return run.finishedForecast
    }

    private func walker(_ content: SnapshotContent) throws(StoreError) -> TreeWalker {
        let root = snapshot.manifest.treeRoot
        let walker = try TreeWalker(content.loader, root: root, start: options.subpath ?? [])
        return options.target == nil ? try TreeWalker(content.loader, root: root) : walker
    }

    private func planner(
        _ run: RestoreRun, _ place: RestoreTarget, _ walker: TreeWalker, _ content: SnapshotContent
    ) throws(StoreError) -> RestorePlanner {
        var attributes: Attributes?
        let isStart = options.stripComponents == 0 && (place.isNew || options.target == nil && options.subpath == nil)
        if isStart, run.transaction == nil, let start = walker.start, start.type == .directory, !start.isImplied {
            attributes = start.attributes
        }
        // Cut paths may fall together, so that something may be in the way even in a new directory.
        let target = RestoreDirectory(
            parent: nil, name: [], path: walker.path, attributes: attributes, isImplied: false,
            isNew: place.isNew && options.stripComponents == 0)
        return try RestorePlanner(run, scope: RestoreScope(options: run.options, target: target), walker: walker)
    }

    /// Refuses before anything is written if the disk cannot hold it.
    private func checkSpace(_ content: SnapshotContent) throws(StoreError) {
        guard let free = freeSpace() else { return }
        let counts = snapshot.manifest.counts
        let roughly = UInt64(max(0, snapshot.manifest.bytes.total)) + UInt64(max(0, counts.files)) * 4_096
        if roughly <= free { return }
        let needed = try forecast(content).space
        guard needed > free else { return }
        throw StoreError(
            .noSpace, "the restore needs \(needed) bytes, and \(free) are free", path: options.target,
            remedy: "free some space or restore to another place", errno: ENOSPC)
    }

    /// Bytes that are free where the restore writes; nil where nobody knows.
    private func freeSpace() -> UInt64? {
        let places = options.target.map { [$0] } ?? options.subpath.map { [$0] } ?? snapshot.manifest.paths
        var free: [UInt64: UInt64] = [:]
        for place in places {
            guard let found = RestoreTarget.nearest(place) else { return nil }
            free[found.device] = found.free
        }
        return free.isEmpty ? nil : free.values.reduce(0, &+)
    }
}

/// Hands a value over to one thread, which alone uses it until it ends.
private final class RestoreShared<Value>: Sendable {
    nonisolated(unsafe) var value: Value

    init(_ value: Value) { self.value = value }
}

extension RestoreReport {
    /// Takes over what a dry run found.
    mutating func add(_ forecast: RestorePlanSummary) {
        filesRestored = forecast.created + forecast.replaced
        filesUnchanged = forecast.unchanged + forecast.compared
        bytesWritten = forecast.bytes
        deleted = forecast.deleted
        errorsTotal = forecast.failing
    }
}
