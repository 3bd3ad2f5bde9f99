import CSys
import Glibc
import VarveFormat

/// Makes the steps of a journal, and takes them back. Each step is a rename, and whether it was made can be seen from
/// what has the name: so steps can be taken back after any end, and again after an end of that.
struct RestorePlayer {
    let root: SafeRoot
    let journal: RestoreJournal
    /// Writes the attributes of the snapshot.
    let metadata: MetadataWriter
    /// Puts back what was there.
    private let original = MetadataWriter(ownership: .numbers)

    init(root: SafeRoot, journal: RestoreJournal, metadata: MetadataWriter) {
        self.root = root
        self.journal = journal
        self.metadata = metadata
    }

    private func stage(_ step: RestoreStep) throws(StoreError) -> OpenDirectory {
        try root.openDirectory(journal.stages[step.stage].components)
    }

    // MARK: forwards

    /// Makes all steps. A failure leaves the rest undone: the caller takes everything back.
    func apply(_ pass: (_ what: String) throws(StoreError) -> Void) throws(StoreError) {
        try unlockDirectories()
        var relock: [(step: RestoreStep, locks: InodeFlags)] = []
        for step in journal.steps where step.kind != .attributes {
            try pass(step.kind == .put ? "put" : "remove")
            do throws(StoreError) {
                let locks = try make(step)
                if !locks.isEmpty { relock.append((step, locks)) }
            } catch { throw error.at(step.path) }
        }
        for (step, locks) in relock {
            let directory = try root.openDirectory(step.directory)
            let descriptor = try directory.openFile(step.name)
            defer { _ = sys_close(descriptor) }
            RestoreStage.lock(descriptor, locks)
        }
        for step in deepestFirst(journal.steps) {
            try pass("attributes")
            do throws(StoreError) { try finish(step) } catch { throw error.at(step.path) }
        }
    }

    /// Makes one step and returns the flags that were taken off what was put.
    private func make(_ step: RestoreStep) throws(StoreError) -> InodeFlags {
        let directory = try root.openDirectory(step.directory)
        let stage = try stage(step)
        let found = try directory.status(step.name)
        guard let old = step.old else {
            guard found == nil else { throw Self.changed }
            var locks: InodeFlags = []
            try unlocking(step.stageName, in: stage, &locks) { () throws(StoreError) in
                try stage.move(step.stageName, to: directory, as: step.name)
            }
            return locks
        }
        guard let found, found.inode == old.inode, old.isStill(found) else { throw Self.changed }
        if !old.locks.isEmpty { _ = RestoreObstacles.unprotect(step.name, in: directory) }
        var locks: InodeFlags = []
        let aside: [UInt8]
        if step.kind == .remove {
            aside = step.stageName
            try directory.move(step.name, to: stage, as: aside)
        } else {
            var isExchanged = false
            try unlocking(step.stageName, in: stage, &locks) { () throws(StoreError) in
                isExchanged = try stage.exchange(step.stageName, with: step.name, in: directory)
            }
            aside = isExchanged ? step.stageName : step.asideName
            if !isExchanged {
                try directory.move(step.name, to: stage, as: aside)
                try stage.move(step.stageName, to: directory, as: step.name)
            }
        }
        // What another program wrote in between must not be lost.
        guard let moved = try stage.status(aside), old.isStill(moved) else { throw Self.changed }
        return locks
    }

    private static let changed = StoreError(
        .refused, "another program changed it while it was restored",
        remedy: "stop what uses it and restore again; nothing was changed")

    /// Renames something staged that may be protected by flags, which it loses meanwhile.
    private func unlocking(
        _ name: [UInt8], in stage: OpenDirectory, _ locks: inout InodeFlags, _ body: () throws(StoreError) -> Void
    ) throws(StoreError) {
        do throws(StoreError) {
            try body()
        } catch {
            guard error.errno == EPERM, let descriptor = try? stage.openFile(name) else { throw error }
            locks = RestoreStage.locks(descriptor)
            let isUnlocked = RestoreObstacles.unprotect(descriptor)
            _ = sys_close(descriptor)
            guard isUnlocked else { throw error }
            try body()
        }
    }

    /// Gives what stays its attributes.
    private func finish(_ step: RestoreStep) throws(StoreError) {
        if let after = step.after {
            try withTarget(step) { target throws(StoreError) in try metadata.apply(after, to: target) }
        } else if let before = step.before {
            try withTarget(step) { target throws(StoreError) in try put(before, target) }
        }
    }

    // MARK: backwards

    /// Takes back whatever was made. What fails does not keep the rest from being tried; the first failure is thrown.
    func takeBack(_ pass: (_ what: String) throws(StoreError) -> Void) throws(StoreError) {
        var first: StoreError?
        func attempt(_ step: RestoreStep, _ what: String, _ body: () throws(StoreError) -> Void) throws(StoreError) {
            try pass(what)
            do throws(StoreError) { try body() } catch { first = first ?? error.at(step.path) }
        }
        do throws(StoreError) { try unlockDirectories() } catch { first = error }
        for step in journal.steps.reversed() where step.kind != .attributes {
            try attempt(step, "take back") { () throws(StoreError) in
                try takeBack(step)
            }
        }
        for step in deepestFirst(journal.steps) {
            try attempt(step, "attributes back") { () throws(StoreError) in
                guard let before = step.before else { return }
                try withTarget(step) { target throws(StoreError) in try put(before, target) }
            }
        }
        if let first { throw first }
    }

    private func takeBack(_ step: RestoreStep) throws(StoreError) {
        let directory = try root.openDirectory(step.directory)
        let stage = try stage(step)
        let found = try directory.status(step.name)
        guard let old = step.old else {
            guard let found, found.inode == step.newInode else { return }
            try moveBack(step.name, in: directory, to: stage, as: step.stageName)
            return
        }
        let isAside = try stage.status(step.asideName) != nil
        let waiting = isAside ? step.asideName : step.stageName
        guard let other = try stage.status(waiting) else { return }
        if step.kind == .put, !isAside, other.inode == step.newInode { return }
        if found == nil {
            try stage.move(waiting, to: directory, as: step.name)
        } else {
            _ = RestoreObstacles.unprotect(step.name, in: directory)
            if try !stage.exchange(waiting, with: step.name, in: directory) {
                try directory.move(step.name, to: stage, as: step.stageName)
                try stage.move(waiting, to: directory, as: step.name)
            }
        }
        guard !old.locks.isEmpty else { return }
        let descriptor = try directory.openFile(step.name)
        defer { _ = sys_close(descriptor) }
        RestoreStage.lock(descriptor, old.locks)
    }

    private func moveBack(
        _ name: [UInt8], in directory: OpenDirectory, to stage: OpenDirectory, as newName: [UInt8]
    ) throws(StoreError) {
        var ignored: InodeFlags = []
        try unlocking(name, in: directory, &ignored) { () throws(StoreError) in
            try directory.move(name, to: stage, as: newName)
        }
    }

    // MARK: what stays

    private func deepestFirst(_ steps: [RestoreStep]) -> [RestoreStep] {
        steps.filter { $0.kind == .attributes }.sorted {
            $0.directory.count + ($0.name.isEmpty ? 0 : 1) > $1.directory.count + ($1.name.isEmpty ? 0 : 1)
        }
    }

    /// Takes off what keeps names in the directories from being changed.
    private func unlockDirectories() throws(StoreError) {
        var first: StoreError?
        for step in deepestFirst(journal.steps).reversed() where (step.old?.mode ?? 0) & S_IFMT == S_IFDIR {
            guard !step.name.isEmpty else {
                RestoreObstacles.unprotect(root.directory.descriptor)
                continue
            }
            do throws(StoreError) {
                _ = try RestoreObstacles.openUnlocked(step.name, in: try root.openDirectory(step.directory))
            } catch { first = first ?? error.at(step.path) }
        }
        if let first { throw first }
    }

    private func withTarget(
        _ step: RestoreStep, _ body: (MetadataTarget) throws(StoreError) -> Void
    ) throws(StoreError) {
        if step.name.isEmpty { return try body(.open(root.directory.descriptor)) }
        let directory = try root.openDirectory(step.directory)
        let type = (step.old?.mode ?? 0) & S_IFMT
        guard type == S_IFDIR || type == S_IFREG else {
            let handle = try directory.openHandle(step.name)
            defer { _ = sys_close(handle) }
            return try body(.handle(handle))
        }
        let descriptor = try directory.openFile(step.name)
        defer { _ = sys_close(descriptor) }
        guard try FileStat.of(descriptor).mode & S_IFMT == type else { throw Self.changed }
        try body(.open(descriptor))
    }

    /// Gives a file the attributes that it had, as far as they are others now.
    private func put(_ before: Attributes, _ target: MetadataTarget) throws(StoreError) {
        let stat = try FileStat.of(target.descriptor)
        var now = try RestoreTransaction.attributes(target, stat)
        if now == before { return }
        now.mtimeSeconds = before.mtimeSeconds
        now.mtimeNanoseconds = before.mtimeNanoseconds
        do throws(StoreError) {
            try original.apply(before, to: target)
        } catch {
            // Only its owner can set the time of a directory that others may write.
            guard now == before, error.errno == EPERM || error.errno == EACCES else { throw error }
        }
    }
}
