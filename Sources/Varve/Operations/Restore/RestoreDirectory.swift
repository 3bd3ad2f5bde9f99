import Synchronization
import VarveFormat

/// A directory that a restore writes into.
///
/// It counts what is still to be done in it, so that its attributes are written when everything in it is, and only
/// directories with work to do take memory.
final class RestoreDirectory: Sendable {
    /// nil for the target.
    let parent: RestoreDirectory?
    let name: [UInt8]
    /// In the snapshot, absolute.
    let path: [UInt8]
    /// What to write in the end; nil to leave the directory as it is.
    let attributes: Attributes?
    /// Of an implied directory only mode and owner are known.
    let isImplied: Bool
    /// Made by this restore, or empty before: nothing can be in the way in it.
    let isNew: Bool
    /// Names below the target.
    let depth: Int
    /// Entries that are not finished, and one for the planner.
    private let pending = Atomic(1)

    init(
        parent: RestoreDirectory?, name: [UInt8], path: [UInt8], attributes: Attributes?, isImplied: Bool, isNew: Bool
    ) {
        self.parent = parent
        self.name = name
        self.path = path
        self.attributes = attributes
        self.isImplied = isImplied
        self.isNew = isNew
        depth = parent.map { $0.depth + 1 } ?? 0
        parent?.retainWork()
    }

    /// One entry more is to be done.
    func retainWork() { pending.add(1, ordering: .relaxed) }

    /// One entry less; true if it was the last.
    func releaseWork() -> Bool { pending.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }

    /// The names below the target.
    var components: [[UInt8]] {
        var names: [[UInt8]] = []
        var current = self
        while let parent = current.parent {
            names.append(current.name)
            current = parent
        }
        names.reverse()
        return names
    }
}

/// A few open directories, those used last. One for each thread: together they must stay below the limit of open files.
final class DirectoryCache {
    /// Names that are resolved at once.
    private static let longWay = 64

    private let root: SafeRoot
    private let limit: Int
    private var recent: [(directory: RestoreDirectory, opened: OpenDirectory)] = []

    init(_ root: SafeRoot, limit: Int) {
        self.root = root
        self.limit = limit
    }

    /// The directory, opened now or before.
    func open(_ directory: RestoreDirectory) throws(StoreError) -> OpenDirectory {
        guard let parent = directory.parent else { return root.directory }
        if let opened = cached(directory) { return opened }
        let opened: OpenDirectory
        if parent.parent == nil {
            opened = try root.directory.openDirectory(directory.name)
        } else if let above = cached(parent) {
            opened = try above.openDirectory(directory.name)
        } else if directory.depth <= Self.longWay {
            opened = try root.openDirectory(directory.components)
        } else {
            opened = try openDeep(directory)
        }
        keep(directory, opened)
        return opened
    }

    /// Opens a directory by way of one above it that stays open, so that the end of a very deep tree does not take the
    /// square of its depth.
    private func openDeep(_ directory: RestoreDirectory) throws(StoreError) -> OpenDirectory {
        var names: [[UInt8]] = []
        var base = directory
        repeat {
            guard let parent = base.parent else { break }
            names.append(base.name)
            base = parent
        } while base.depth % Self.longWay != 0
        var current: OpenDirectory
        if let opened = cached(base) {
            current = opened
        } else {
            current = try root.openDirectory(base.components)
            keep(base, current)
        }
        for name in names.reversed() { current = try current.openDirectory(name) }
        return current
    }

    private func keep(_ directory: RestoreDirectory, _ opened: OpenDirectory) {
        if recent.count >= limit { recent.removeFirst() }
        recent.append((directory, opened))
    }

    private func cached(_ directory: RestoreDirectory) -> OpenDirectory? {
        guard let index = recent.lastIndex(where: { $0.directory === directory }) else { return nil }
        if index < recent.count - 1 { recent.append(recent.remove(at: index)) }
        return recent.last?.opened
    }
}
