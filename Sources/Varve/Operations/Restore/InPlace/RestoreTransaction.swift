import CSys
import Glibc
import Synchronization
import VarveFormat

/// Watches the steps of a restore in place, so that tests can end it anywhere.
package struct RestoreProbe: Sendable {
    /// Called before each change of the file system that matters to a journal; ends the restore by throwing.
    package let step: @Sendable (_ what: String) throws(StoreError) -> Void
    /// Leave everything as it is then, as a killed process does.
    package let leavesAll: Bool

    package init(leavesAll: Bool, _ step: @escaping @Sendable (_ what: String) throws(StoreError) -> Void) {
        self.leavesAll = leavesAll
        self.step = step
    }
}

/// Gathers what a restore in place will change while it is staged. Nothing but stages is made before it is complete.
/// One serves all threads.
final class RestoreTransaction: Sendable {
    /// Room for one thing in a stage.
    struct Slot: Sendable {
        /// The number of the stage in the journal, and the stage itself.
        let stage: Int
        let directory: RestoreDirectory
        let number: UInt64
        var name: [UInt8] { RestoreStep.stageName(number) }
    }

    private struct Content {
        var journal: RestoreJournal
        var stages: [RestoreStage] = []
        /// Steps for attributes, by path.
        var attributes: [[UInt8]: Int] = [:]
        /// Names that get something else or nothing.
        var taken: Set<[UInt8]> = []
        var nextNumber: UInt64 = 0
    }

    let root: SafeRoot
    let probe: RestoreProbe?
    private let memory: RestoreMemory?
    private let content: Mutex<Content>

    init(root: SafeRoot, journal: RestoreJournal, memory: RestoreMemory?, probe: RestoreProbe?) {
        self.root = root
        self.memory = memory
        self.probe = probe
        content = Mutex(Content(journal: journal))
    }

    var journal: RestoreJournal { content.withLock { $0.journal } }
    var stages: [RestoreStage] { content.withLock { $0.stages } }

    func change(_ change: (inout RestoreJournal) -> Void) { content.withLock { change(&$0.journal) } }

    func pass(_ what: String) throws(StoreError) { try probe?.step(what) }

    // MARK: stages

    /// Room in a stage on the file system of a directory; the stage is made if there is none yet.
    func slot(for directory: RestoreDirectory, _ opened: OpenDirectory) throws(StoreError) -> Slot {
        let device = try FileStat.of(opened.descriptor).device
        return try content.withLock { content throws(StoreError) in
            defer { content.nextNumber += 1 }
            if let stage = content.stages.first(where: { $0.device == device }) {
                return Slot(stage: stage.number, directory: stage.directory, number: content.nextNumber)
            }
            let stage = try make(for: directory, device, &content)
            content.stages.append(stage)
            return Slot(stage: stage.number, directory: stage.directory, number: content.nextNumber)
        }
    }

    /// Makes a stage beside the highest directory that is restored, or where this user may not, in it.
    private func make(
        for directory: RestoreDirectory, _ device: UInt64, _ content: inout Content
    ) throws(StoreError) -> RestoreStage {
        var last: StoreError?
        for place in candidates(directory) {
            let opened = try root.openDirectory(place.components)
            guard try FileStat.of(opened.descriptor).device == device else { continue }
            do throws(StoreError) {
                return try make(in: place, opened, device, &content)
            } catch {
                guard [EACCES, EPERM, EROFS].contains(error.errno ?? 0) else { throw error }
                last = error
            }
        }
        throw last ?? StoreError(.failed, "there is no place for what is to be restored", path: directory.path)
    }

    /// Where a stage may lie, best first.
    private func candidates(_ directory: RestoreDirectory) -> [RestoreDirectory] {
        var top = directory
        while !top.isImplied, let parent = top.parent { top = parent }
        var candidates = [top]
        var below: RestoreDirectory? = directory
        var chain: [RestoreDirectory] = []
        while let current = below, current !== top {
            chain.append(current)
            below = current.parent
        }
        // Below a mount point the first on the same file system is as high as it gets.
        candidates += chain.reversed()
        return candidates
    }

    private func make(
        in place: RestoreDirectory, _ opened: OpenDirectory, _ device: UInt64, _ content: inout Content
    ) throws(StoreError) -> RestoreStage {
        let time = try opened.modificationTime()
        let locks = RestoreStage.locks(opened.descriptor)
        let name = RestoreStage.newName()
        // Noted first: whatever happens, the time of the directory can be put back.
        content.journal.stages.append(
            .init(directory: place.components, name: name, before: time, after: time))
        let number = content.journal.stages.count - 1
        do throws(StoreError) {
            try pass("note stage")
            try memory?.write(content.journal)
            if !locks.isEmpty { RestoreObstacles.unprotect(opened.descriptor) }
            try pass("make stage")
            try opened.makeDirectory(name)
        } catch {
            content.journal.stages.removeLast()
            throw error
        }
        RestoreStage.lock(opened.descriptor, locks)
        opened.setModificationTime(time)
        let stage = try opened.openDirectory(name)
        try RestoreStage.lock(stage)
        try content.journal.write(RestoreStage.noteName, in: stage)
        let directory = RestoreDirectory(
            parent: place, name: name, path: place.path, attributes: nil, isImplied: true, isNew: true)
        return RestoreStage(device: device, number: number, directory: directory, opened: stage)
    }

    // MARK: steps

    /// Something staged will get a name.
    func put(
        _ slot: Slot, as name: [UInt8], in directory: RestoreDirectory, _ opened: OpenDirectory, over old: FileStat?
    ) throws(StoreError) {
        var step = RestoreStep(kind: .put, directory: directory.components, name: name)
        step.stage = slot.stage
        step.number = slot.number
        step.old = old.map { RestoreStep.Mark($0, locks: Self.locks(of: name, $0, in: opened)) }
        try add(step, directory, opened)
    }

    /// A name will go, with whatever it holds.
    func remove(_ name: [UInt8], in directory: RestoreDirectory, _ opened: OpenDirectory) throws(StoreError) {
        guard let old = try opened.status(name) else { return }
        guard old.device == (try FileStat.of(opened.descriptor)).device else {
            throw StoreError(.refused, "another file system is mounted there", path: name)
        }
        let slot = try slot(for: directory, opened)
        var step = RestoreStep(kind: .remove, directory: directory.components, name: name)
        step.stage = slot.stage
        step.number = slot.number
        step.old = RestoreStep.Mark(old, locks: Self.locks(of: name, old, in: opened))
        try add(step, directory, opened)
    }

    private func add(
        _ step: RestoreStep, _ directory: RestoreDirectory, _ opened: OpenDirectory
    ) throws(StoreError) {
        try keepAttributes(of: directory, opened)
        content.withLock { content in
            guard content.taken.insert(step.path).inserted else { return }
            content.journal.steps.append(step)
        }
    }

    /// Whether a name will get something else or nothing.
    func takes(_ path: [UInt8]) -> Bool { content.withLock { $0.taken.contains(path) } }

    /// The attributes of a directory, in which names change, will be those that it has now.
    private func keepAttributes(of directory: RestoreDirectory, _ opened: OpenDirectory) throws(StoreError) {
        var names = directory.components
        let name = names.popLast() ?? []
        try attributes(of: name, in: names, .open(opened.descriptor), after: nil)
    }

    /// A file or directory that stays will get other attributes.
    ///
    /// - Parameter after: nil for those that it has.
    func attributes(
        of name: [UInt8], in directory: [[UInt8]], _ target: MetadataTarget, after: Attributes?
    ) throws(StoreError) {
        var step = RestoreStep(kind: .attributes, directory: directory, name: name)
        let path = step.path
        let isKnown = content.withLock { content -> Bool in
            guard let index = content.attributes[path] else { return false }
            if let after { content.journal.steps[index].after = after }
            return true
        }
        if isKnown { return }
        let stat = try FileStat.of(target.descriptor)
        step.old = RestoreStep.Mark(stat, locks: [])
        var before = try Self.attributes(target, stat)
        step.after = after
        content.withLock { content in
            guard content.attributes[path] == nil else { return }
            let names = name.isEmpty ? directory : directory + [name]
            if let stage = content.journal.stages.first(where: { $0.directory == names }) {
                (before.mtimeSeconds, before.mtimeNanoseconds) = (stage.before.seconds, stage.before.nanoseconds)
            }
            step.before = before
            content.attributes[path] = content.journal.steps.count
            content.journal.steps.append(step)
        }
    }

    /// The attributes of a file as they are, owners by their numbers alone.
    static func attributes(_ target: MetadataTarget, _ stat: FileStat) throws(StoreError) -> Attributes {
        var flags: InodeFlags = []
        if case .open(let descriptor) = target, stat.isRegular || stat.isDirectory {
            flags = try InodeFlags.read(descriptor)
        }
        return Attributes(
            mode: stat.permissions, uid: stat.uid, gid: stat.gid, mtimeSeconds: stat.mtimeSeconds,
            mtimeNanoseconds: stat.mtimeNanoseconds, xattrs: try ExtendedAttribute.read(target.xattrs),
            inodeFlags: flags)
    }

    private static func locks(of name: [UInt8], _ stat: FileStat, in directory: OpenDirectory) -> InodeFlags {
        guard stat.isRegular || stat.isDirectory, let descriptor = try? directory.openFile(name) else { return [] }
        defer { _ = sys_close(descriptor) }
        return RestoreStage.locks(descriptor)
    }
}
