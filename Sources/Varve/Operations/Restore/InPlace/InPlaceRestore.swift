import CSys
import Glibc
import VarveFormat

/// A restore to the recorded places: staged, saved from loss, and then made step by step so that every end but the last
/// can be taken back (docs/RESTORE.md).
struct InPlaceRestore {
    let repository: Repository
    let options: Restorer.Options
    let progress: Progress
    let memory: RestoreMemory?
    let root: SafeRoot
    private let recovery: RestoreRecovery

    /// What staging gave.
    struct Staged {
        var report = RestoreReport()
        /// Writes the attributes of what stays.
        var metadata = MetadataWriter()
    }

    init(
        repository: Repository, options: Restorer.Options, progress: Progress, memory: RestoreMemory?
    ) throws(StoreError) {
        self.repository = repository
        self.options = options
        self.progress = progress
        self.memory = memory
        root = try SafeRoot([UInt8(ascii: "/")], resolution: options.resolution)
        recovery = RestoreRecovery(root: root, memory: memory)
    }

    // MARK: before

    /// Takes back what an earlier run of the same restore left, or an undo of it.
    ///
    /// - Parameter paths: what will be restored.
    /// - Returns: what there is to say about it.
    /// - Throws: `refused` if another restore, or the undo of another one, was left unfinished.
    func recover(for journal: RestoreJournal, near paths: [[UInt8]]) throws(StoreError) -> String? {
        guard let left = try recovery.find(near: paths) else { return nil }
        guard left.journal.state == .applying else {
            _ = try recovery.end(left)
            return nil
        }
        let what: String
        if left.journal.isUndo {
            guard try isUndo(left.journal, of: journal) else {
                throw StoreError(
                    .refused, "an undo was interrupted",
                    remedy: "go on with varve undo, or give the restore again that was being undone")
            }
            what = "an undo of this restore"
        } else {
            guard left.journal.request == journal.request else {
                throw StoreError(
                    .refused, "an earlier restore of snapshot \(left.journal.snapshot.hex.prefix(12)) was interrupted",
                    remedy: "take it back with varve undo, or give the same command again")
            }
            what = "the earlier run of this restore"
        }
        _ = try recovery.end(left)
        return "\(what) was interrupted: it was taken back first"
    }

    /// Whether the restore that is undone asked for the same.
    private func isUndo(_ undo: RestoreJournal, of journal: RestoreJournal) throws(StoreError) -> Bool {
        let finished = try memory?.finished() ?? []
        return finished.contains { $0.undoRequest == undo.request && $0.journal.request == journal.request }
    }

    // MARK: the whole

    /// Does everything. Whatever is thrown, nothing is changed then, or if even that fails, it can be taken back later.
    ///
    /// - Parameter stage: puts everything new into stages and notes the steps.
    func run(
        _ journal: RestoreJournal, stage: (RestoreTransaction) throws(StoreError) -> Staged
    ) throws(StoreError) -> RestoreReport {
        let transaction = RestoreTransaction(root: root, journal: journal, memory: memory, probe: options.probe)
        var staged: Staged
        do throws(StoreError) {
            try memory?.write(journal)
            staged = try stage(transaction)
            guard staged.report.errorsTotal == 0 || options.allowsPartial else {
                staged.report.isAbandoned = true
                try recovery.clear(transaction.journal) { _ in }
                return staged.report
            }
            guard !transaction.journal.steps.isEmpty else {
                try options.beforeCommit?()
                try recovery.clear(transaction.journal) { _ in }
                return staged.report
            }
            try prepare(transaction)
        } catch {
            if transaction.probe?.leavesAll == true { throw error }
            try recovery.clear(transaction.journal) { _ in }
            throw error
        }
        try apply(transaction, staged)
        staged.report.safetySnapshotID = transaction.journal.safety
        for (loss, count) in staged.metadata.losses.sorted(by: { $0.key.description < $1.key.description }) {
            staged.report.notices.append("\(loss.description) (\(count) files that stay)")
        }
        do throws(StoreError) {
            try recovery.finish(transaction.journal) { what throws(StoreError) in try transaction.pass(what) }
        } catch {
            if transaction.probe?.leavesAll == true { throw error }
            staged.report.notices.append(
                "everything was restored, but what was replaced could not be cleared away: \(error)")
        }
        if memory == nil {
            staged.report.notices.append("there is no state directory: varve undo will not know of this restore")
        }
        return staged.report
    }

    /// Everything between staging and the first step: the safety snapshot and the journal.
    private func prepare(_ transaction: RestoreTransaction) throws(StoreError) {
        try DatabaseGuard.check(transaction.journal, root: root)
        let lost = transaction.journal.steps.filter { $0.kind != .attributes && $0.old != nil }.map(\.path)
        if options.makesSafetySnapshot, !lost.isEmpty {
            progress.update { $0.phase = "saving what will be overwritten" }
            try transaction.pass("safety snapshot")
            let safety = try SafetySnapshot(repository: repository, options: options, progress: progress)
                .make(of: lost, before: transaction.journal)
            transaction.change { $0.safety = safety }
            try DatabaseGuard.check(transaction.journal, root: root)
        }
        if transaction.stages.isEmpty, let step = transaction.journal.steps.first {
            // The journal needs a place even if nothing but attributes changes.
            let directory = RestoreDirectory.implied(step.directory)
            _ = try transaction.slot(for: directory, try root.openDirectory(step.directory))
        }
        try complete(transaction)
        progress.update { $0.phase = "writing" }
        try checkCancelled()
        for stage in transaction.stages { try stage.opened.syncFileSystem() }
        try transaction.pass("journal")
        guard let first = transaction.stages.first else { return }
        try transaction.journal.write(RestoreStage.journalName, in: first.opened)
    }

    /// Adds to the journal what is known once everything is staged.
    private func complete(_ transaction: RestoreTransaction) throws(StoreError) {
        let stages = transaction.stages
        var journal = transaction.journal
        journal.state = .applying
        for index in journal.steps.indices where journal.steps[index].kind == .put {
            let step = journal.steps[index]
            guard let found = try stages[step.stage].opened.status(step.stageName) else {
                throw StoreError(.failed, "what was staged is gone", path: step.path)
            }
            journal.steps[index].newInode = found.inode
        }
        for index in journal.stages.indices {
            let path = TreePath.joined(journal.stages[index].directory)
            guard let step = journal.steps.first(where: { $0.kind == .attributes && $0.path == path }),
                let final = step.after ?? step.before
            else { continue }
            journal.stages[index].after = Timestamp(
                seconds: final.mtimeSeconds, nanoseconds: final.mtimeNanoseconds)
        }
        let completed = journal
        transaction.change { $0 = completed }
    }

    /// Makes the steps. If one fails, all are taken back.
    private func apply(_ transaction: RestoreTransaction, _ staged: Staged) throws(StoreError) {
        let journal = transaction.journal
        do throws(StoreError) {
            let player = RestorePlayer(root: root, journal: journal, metadata: staged.metadata)
            try player.apply { what throws(StoreError) in
                try transaction.pass(what)
                try checkCancelled()
            }
            try options.beforeCommit?()
            try transaction.pass("commit")
            try recovery.commit(journal)
        } catch {
            if transaction.probe?.leavesAll == true { throw error }
            try recovery.takeBack(journal) { _ in }
            throw error
        }
    }

    private func checkCancelled() throws(StoreError) {
        if progress.isCancelled { throw StoreError(.interrupted, "interrupted: nothing was changed") }
    }
}

extension RestoreDirectory {
    /// A directory that is there and is not restored itself, by its names below the root.
    static func implied(_ names: [[UInt8]]) -> RestoreDirectory {
        var directory = RestoreDirectory(
            parent: nil, name: [], path: [UInt8(ascii: "/")], attributes: nil, isImplied: true, isNew: false)
        var path: [UInt8] = []
        for name in names {
            path += [UInt8(ascii: "/")] + name
            directory = RestoreDirectory(
                parent: directory, name: name, path: path, attributes: nil, isImplied: true, isNew: false)
        }
        return directory
    }
}
