import CSys
import Glibc
public import VarveFormat

/// The way back from a restore in place: ends an interrupted one, or undoes the last finished one. Holds the lock that
/// restores in place share as long as it lives.
public final class RestoreUndo: Sendable {
    /// A restore that can be taken back.
    public struct Subject: Sendable {
        /// What was restored.
        public let snapshot: SnapshotID
        /// The repository that it came from.
        public let repository: RepositoryID
        /// What the restore overwrote or removed; nil if nothing, or if no safety snapshot was wanted.
        public let safety: SnapshotID?
        /// When it began.
        public let time: Timestamp
        /// It was interrupted: no repository is needed to end it.
        public let isInterrupted: Bool
        /// Names that it made.
        public let created: Int
        /// Names that it gave to something else, or removed.
        public let replaced: Int
        /// What can be done is to clear up: everything had been restored before the end, or everything undone.
        public let isComplete: Bool
        /// It was itself the undo of a finished restore, which can be undone again once this is ended.
        public let isUndo: Bool
        fileprivate let remains: RestoreRecovery.Remains?
        fileprivate let finished: RestoreMemory.Finished?

        fileprivate init(
            _ journal: RestoreJournal, remains: RestoreRecovery.Remains? = nil, finished: RestoreMemory.Finished? = nil
        ) {
            snapshot = journal.snapshot
            repository = journal.repository
            safety = journal.safety
            time = journal.time
            isInterrupted = remains != nil
            let names = journal.steps.filter { $0.kind != .attributes }
            created = names.count { $0.old == nil }
            replaced = names.count { $0.old != nil }
            isComplete = remains != nil && journal.state == .committed
            isUndo = journal.isUndo
            self.remains = remains
            self.finished = finished
        }
    }

    private let memory: RestoreMemory?
    private let root: SafeRoot
    private let paths: [[UInt8]]

    /// Looks into the state directory, and beside the given paths for restores that the state directory does not know.
    ///
    /// - Throws: `busy` while a restore in place runs.
    public init(stateDirectory: String?, near paths: [[UInt8]]) throws(StoreError) {
        memory = try RestoreMemory.open(stateDirectory)
        root = try SafeRoot([UInt8(ascii: "/")])
        self.paths = paths
    }

    /// The interrupted restore, or else the last finished one that was not undone; nil if there is neither.
    ///
    /// - Throws: `damaged` if a journal is; `busy`.
    public func subject() throws(StoreError) -> Subject? {
        if let remains = try RestoreRecovery(root: root, memory: memory).find(near: paths) {
            // One that ended before its first stage left nothing to speak of.
            if remains.journal.state != .staging || !remains.journal.stages.isEmpty {
                return Subject(remains.journal, remains: remains)
            }
        }
        return try memory?.finished().first.map { Subject($0.journal, finished: $0) }
    }

    /// Ends what was interrupted: takes it back, or clears up where it was complete. False if the undo is still to be
    /// made, of `finished(of:)`: the restore was complete, or an undo of it was not and is taken back.
    ///
    /// - Throws: what keeps steps from being taken back; give it again when the cause is gone.
    public func end(_ subject: Subject) throws(StoreError) -> Bool {
        guard let remains = subject.remains else { return false }
        let isCompleted = try RestoreRecovery(root: root, memory: memory).end(remains) == .completed
        return isCompleted == subject.isUndo
    }

    /// The finished restore that is to be undone once an interrupted subject is ended: the one that an interrupted undo
    /// was of, else the last one. Nil if it is not remembered.
    ///
    /// - Throws: if the state directory cannot be read.
    public func finished(of subject: Subject) throws(StoreError) -> Subject? {
        let all = try memory?.finished() ?? []
        let request = subject.isUndo ? subject.remains?.journal.request : nil
        let found = all.first { request == nil || $0.undoRequest == request }
        return found.map { Subject($0.journal, finished: $0) }
    }

    /// Undoes a finished restore: removes the names that it made, brings back what it overwrote or removed, and the
    /// attributes that it changed. As safe as a restore in place, and made as one.
    ///
    /// - Throws: `notFound` if the safety snapshot was deleted; `refused` if there was none, or the repository is
    ///   another one; else as `Restorer.run`.
    public func undo(
        _ subject: Subject, repository: Repository, options: Restorer.Options, progress: Progress
    ) throws(StoreError) -> RestoreReport {
        guard let finished = subject.finished else { throw StoreError(.notFound, "there is nothing to undo") }
        let done = finished.journal
        guard done.repository == repository.id else {
            throw StoreError(
                .refused, "the last restore came from another repository (\(done.repository.hex))",
                remedy: "give that one with --repo")
        }
        let safety = try safetySnapshot(of: done, repository)
        var options = options
        options.target = nil
        options.subpath = nil
        options.overwrite = .ifChanged
        options.deletes = true
        options.numericIDs = true
        let journal = RestoreJournal(
            repository: repository.id, snapshot: safety?.id ?? done.snapshot,
            request: finished.undoRequest, isUndo: true, time: .now())
        let restore = try InPlaceRestore(repository: repository, options: options, progress: progress, memory: memory)
        if options.makesSafetySnapshot, subject.created + subject.replaced > 0 {
            try SafetySnapshot(repository: repository, options: options, progress: progress).checkRepository()
        }
        let settings = options
        return try restore.run(journal) { transaction throws(StoreError) in
            var staged = InPlaceRestore.Staged()
            if let safety {
                let restorer = Restorer(
                    repository: repository, snapshot: safety, options: settings, progress: progress)
                staged = try restorer.stage(in: transaction)
            }
            try takeBack(done, transaction, &staged.report)
            return staged
        }
    }

    private func safetySnapshot(
        of done: RestoreJournal, _ repository: Repository
    ) throws(StoreError) -> Snapshot? {
        guard let id = done.safety else {
            guard !done.steps.contains(where: { $0.kind != .attributes && $0.old != nil }) else {
                throw StoreError(
                    .refused, "the last restore was made without a safety snapshot: what it overwrote is gone")
            }
            return nil
        }
        if let snapshot = try repository.snapshots().snapshots.first(where: { $0.id == id }) { return snapshot }
        throw StoreError(
            .notFound, "the safety snapshot \(id.hex.prefix(12)) of the last restore was deleted",
            remedy: "bring it back with varve undelete if its space was not reclaimed")
    }

    /// Notes the steps that no snapshot knows of: names that were new go, attributes come back.
    private func takeBack(
        _ done: RestoreJournal, _ transaction: RestoreTransaction, _ report: inout RestoreReport
    ) throws(StoreError) {
        for step in done.steps where step.kind != .attributes && step.old == nil {
            guard let opened = try? root.openDirectory(step.directory), try opened.status(step.name) != nil else {
                continue
            }
            let directory = RestoreDirectory.implied(step.directory)
            if DatabaseGuard.isDatabase(step.name, in: opened) {
                // What SQLite made beside it since is of no use without it, and of harm to another one.
                for name in DatabaseGuard.suffixes.map({ step.name + $0 }) where try opened.status(name) != nil {
                    let path = TreePath.joined(step.directory + [name])
                    if !transaction.takes(path), !done.steps.contains(where: { $0.path == path }) {
                        try transaction.remove(name, in: directory, opened)
                    }
                }
            }
            try transaction.remove(step.name, in: directory, opened)
            report.deleted += 1
        }
        for step in done.steps where step.kind == .attributes {
            guard let before = step.before else { continue }
            try restoreAttributes(before, of: step, transaction)
        }
    }

    private func restoreAttributes(
        _ before: Attributes, of step: RestoreStep, _ transaction: RestoreTransaction
    ) throws(StoreError) {
        guard let directory = try? root.openDirectory(step.directory) else { return }
        if step.name.isEmpty {
            let target = MetadataTarget.open(directory.descriptor)
            return try transaction.attributes(of: [], in: [], target, after: before)
        }
        guard let found = try directory.status(step.name), !transaction.takes(step.path),
            found.mode & S_IFMT == (step.old?.mode ?? 0) & S_IFMT
        else { return }
        let isOpen = found.isRegular || found.isDirectory
        let descriptor = isOpen ? try directory.openFile(step.name) : try directory.openHandle(step.name)
        defer { _ = sys_close(descriptor) }
        try transaction.attributes(
            of: step.name, in: step.directory, isOpen ? .open(descriptor) : .handle(descriptor), after: before)
    }
}
