import CSys
import Glibc
import VarveFormat

/// Ends what a restore in place left that was killed: takes its steps back, or clears up after it where it had made
/// them all (docs/RESTORE.md).
struct RestoreRecovery {
    /// What an end that came too early left.
    struct Remains {
        /// From the journal where there is one, else from the note.
        var journal: RestoreJournal
    }

    /// How a recovery ended.
    enum Outcome: Sendable {
        /// Nothing had been changed.
        case untouched
        /// Everything is as it was before.
        case takenBack
        /// Everything had been restored.
        case completed
    }

    private static let committedName = Array("committed".utf8)

    let root: SafeRoot
    let memory: RestoreMemory?

    // MARK: finding

    /// What the last restore left, by the state directory or by stages beside the given paths; nil if nothing.
    ///
    /// - Throws: `busy` if it is still running; `damaged` if its journal is.
    func find(near paths: [[UInt8]]) throws(StoreError) -> Remains? {
        if let current = try memory?.current() { return Remains(journal: try complete(current)) }
        for path in paths {
            let names = TreePath.components(path)
            for directory in [names, Array(names.dropLast())] {
                if let found = try find(in: directory) { return found }
            }
        }
        return nil
    }

    private func find(in names: [[UInt8]]) throws(StoreError) -> Remains? {
        guard let directory = try? root.openDirectory(names), let list = try? directory.list() else { return nil }
        for index in 0..<list.count where RestoreStage.isName(list.name(index)) {
            let name = Array(list.name(index))
            // Nobody else's: whoever may write beside could lay a journal there.
            guard let stage = try? directory.openDirectory(name), try FileStat.of(stage.descriptor).uid == geteuid()
            else { continue }
            if let note = try RestoreJournal.read(RestoreStage.noteName, in: stage) {
                return Remains(journal: try complete(note))
            }
            try RestoreStage.lock(stage)
            defer { sys_unlock(stage.descriptor) }
            // Killed before the note was there: the stage is empty.
            let time = try directory.modificationTime()
            try RestoreStage.remove(
                .init(directory: names, name: name, before: time, after: time), root: root, time: time)
        }
        return nil
    }

    /// The journal that a note leads to.
    private func complete(_ note: RestoreJournal) throws(StoreError) -> RestoreJournal {
        guard let first = note.stages.first, RestoreStage.isName(first.name),
            let stage = try? root.openDirectory(first.components)
        else { return note }
        try RestoreStage.lock(stage)
        defer { sys_unlock(stage.descriptor) }
        if var journal = try RestoreJournal.read(Self.committedName, in: stage) {
            journal.state = .committed
            return journal
        }
        if note.state == .committed { return note }
        return try RestoreJournal.read(RestoreStage.journalName, in: stage) ?? note
    }

    // MARK: ending

    /// Brings everything to the old state, or where all steps had been made, leaves the new one.
    func end(_ remains: Remains, _ pass: (_ what: String) throws(StoreError) -> Void = { _ in })
        throws(StoreError) -> Outcome
    {
        let journal = remains.journal
        switch journal.state {
        case .staging:
            try clear(journal, pass)
            return .untouched
        case .applying:
            try takeBack(journal, pass)
            return .takenBack
        case .committed:
            try finish(journal, pass)
            return .completed
        }
    }

    /// Takes all steps back and removes the stages.
    func takeBack(
        _ journal: RestoreJournal, _ pass: (_ what: String) throws(StoreError) -> Void
    ) throws(StoreError) {
        do throws(StoreError) {
            try RestorePlayer(root: root, journal: journal, metadata: MetadataWriter()).takeBack(pass)
        } catch {
            throw StoreError(
                error.code, "the restore could not be taken back completely: \(error.message)", path: error.path,
                remedy: "remove the cause and give varve undo again: what is needed for it is kept",
                errno: error.errno)
        }
        try sync(journal)
        try clear(journal, pass)
    }

    /// Removes the stages of a restore that changed nothing, or nothing any more.
    func clear(
        _ journal: RestoreJournal, _ pass: (_ what: String) throws(StoreError) -> Void
    ) throws(StoreError) {
        for stage in journal.stages {
            try pass("remove stage")
            try RestoreStage.remove(stage, root: root, time: stage.before)
        }
        try pass("forget")
        try memory?.removeCurrent()
    }

    /// All steps were made: from now on nothing is taken back.
    func commit(_ journal: RestoreJournal) throws(StoreError) {
        try sync(journal)
        guard let first = journal.stages.first else { return }
        let stage = try root.openDirectory(first.components)
        try stage.rename(RestoreStage.journalName, to: Self.committedName, ifTaken: .replaced)
        try stage.sync()
    }

    /// After the commit: remembers the restore for an undo, then removes what it replaced.
    func finish(
        _ journal: RestoreJournal, _ pass: (_ what: String) throws(StoreError) -> Void
    ) throws(StoreError) {
        var journal = journal
        journal.state = .committed
        try pass("remember")
        if let memory {
            if journal.isUndo {
                for finished in try memory.finished() where finished.undoRequest == journal.request {
                    try memory.remove(finished)
                }
            } else if !journal.steps.isEmpty {
                try memory.add(journal)
            }
            try pass("note the end")
            try memory.write(journal)
        }
        for stage in journal.stages {
            try pass("remove stage")
            try RestoreStage.remove(stage, root: root, time: stage.after)
        }
        try pass("forget")
        try memory?.removeCurrent()
    }

    private func sync(_ journal: RestoreJournal) throws(StoreError) {
        for stage in journal.stages {
            guard let directory = try? root.openDirectory(stage.directory) else { continue }
            try directory.syncFileSystem()
        }
    }
}
