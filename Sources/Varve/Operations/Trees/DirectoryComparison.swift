import CSys
import VarveFormat

/// A directory's part in a comparison: what the walk met last.
struct DirectorySide {
    private var walker: DirectoryWalker
    private(set) var failures: [StoreError] = []
    private var failedPaths: [[UInt8]] = []
    private(set) var stat: FileStat?

    init(_ root: SafeRoot) {
        walker = DirectoryWalker(root)
        advance()
    }

    /// Below the start: empty for the start itself, else it begins with `/`.
    var relativePath: [UInt8] { walker.path }

    mutating func place() throws(StoreError) -> (directory: OpenDirectory, name: [UInt8])? { try walker.place() }

    mutating func skipContents() { walker.skipContents() }

    mutating func advance() {
        while let event = walker.next() {
            switch event {
            case .entry(let stat):
                self.stat = stat
                return
            case .failure(let error): fail(error)
            }
        }
        stat = nil
    }

    /// The file or directory of the last event could not be compared.
    mutating func fail(_ error: StoreError) {
        failures.append(error.at(walker.path))
        failedPaths.append(walker.path)
    }

    /// Whether nobody knows what is at a path.
    func hasFailed(at path: [UInt8]) -> Bool {
        failedPaths.contains {
            path.starts(with: $0) && (path.count == $0.count || path[$0.count] == UInt8(ascii: "/"))
        }
    }
}

/// Compares a snapshot with a directory, path by path.
struct DirectoryComparison {
    private let content: SnapshotContent
    private let start: [UInt8]
    private let root: OpenDirectory
    private var recorded: SnapshotSide
    private var actual: DirectorySide
    /// Directories that are only implied in the snapshot.
    private var implied: Set<[UInt8]> = []
    private let attributes = AttributeComparison(owners: OwnerNames())

    init(content: SnapshotContent, recorded: SnapshotSide, root: SafeRoot) {
        self.content = content
        self.recorded = recorded
        self.root = root.directory
        start = recorded.path
        actual = DirectorySide(root)
    }

    var failures: [StoreError] { recorded.failures + actual.failures }

    /// Compares one path; false at the end.
    mutating func step(_ visit: (TreeDifference.Change) throws(StoreError) -> Void) throws(StoreError) -> Bool {
        let (recordedPath, actualPath) = (recorded.relativePath, actual.relativePath)
        switch (recorded.entry, actual.stat) {
        case (let entry?, let stat?) where recordedPath == actualPath:
            try compare(entry, stat, visit)
            recorded.advance()
            actual.advance()
        case (let entry?, let stat):
            if stat == nil || PathOrder.precedes(recordedPath, actualPath) {
                if !actual.hasFailed(at: recordedPath) { try visit(.removed(recorded.path, entry)) }
                recorded.advance()
            } else if let stat {
                try add(stat, actualPath, visit)
            }
        case (nil, let stat?): try add(stat, actualPath, visit)
        case (nil, nil): return false
        }
        return true
    }

    private mutating func add(
        _ stat: FileStat, _ path: [UInt8], _ visit: (TreeDifference.Change) throws(StoreError) -> Void
    ) throws(StoreError) {
        let parent = Array(path[..<(path.lastIndex(of: UInt8(ascii: "/")) ?? 0)])
        if implied.contains(parent) {
            actual.skipContents()
        } else if let type = Self.type(stat), !recorded.hasFailed(above: path) {
            try visit(.added(recorded.absolute(path, start: start), type, stat.isRegular ? stat.size : 0))
        }
        actual.advance()
    }

    private mutating func compare(
        _ entry: TreeEntry, _ stat: FileStat, _ visit: (TreeDifference.Change) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let type = Self.type(stat) else { return }
        func change(_ kind: TreeDifference.Kind, _ aspects: EntryAspects) -> TreeDifference.Change {
            .init(
                path: recorded.path, kind: kind, aspects: aspects, oldType: entry.type, newType: type,
                oldSize: entry.content.fileSize, newSize: stat.isRegular ? stat.size : 0)
        }
        guard type == entry.type else { return try visit(change(.type, [])) }
        guard !entry.isImplied else {
            implied.insert(recorded.relativePath)
            return
        }
        do throws(StoreError) {
            let aspects = try aspects(entry, stat)
            if !aspects.isEmpty { try visit(change(.modified, aspects)) }
        } catch {
            actual.fail(error)
        }
    }

    private mutating func aspects(_ entry: TreeEntry, _ stat: FileStat) throws(StoreError) -> EntryAspects {
        guard let (directory, name) = try actual.place() else {
            return try attributes.differences(entry.attributes, .open(root.descriptor), stat)
        }
        let isOpened = stat.isRegular || stat.isDirectory
        let descriptor = try isOpened ? directory.openFile(name) : directory.openHandle(name)
        defer { _ = sys_close(descriptor) }
        let target: MetadataTarget = isOpened ? .open(descriptor) : .handle(descriptor)
        var aspects = try attributes.differences(entry.attributes, target, stat)
        switch entry.content {
        case .file(let size, let blobs):
            guard stat.size == size else { return aspects.union(.content) }
            let comparison = ContentComparison(content: content)
            if try !comparison.isEqual(descriptor, blobs, size: size) { aspects.insert(.content) }
        case .symlink(let wanted): if try directory.readLink(name) != wanted { aspects.insert(.target) }
        case .device(let major, let minor):
            if stat.specialDevice != sys_makedev(major, minor) { aspects.insert(.device) }
        case .directory, .none: break
        }
        return aspects
    }

    private static func type(_ stat: FileStat) -> EntryType? {
        EntryType.allCases.first { RestoreWorker.systemType($0) == stat.mode & 0o170000 }
    }
}
