import CSys
public import VarveFormat

/// Finds what differs between two snapshots, or between a snapshot and a directory.
public struct TreeDifference {
    /// How a path differs.
    public enum Kind: String, Sendable {
        /// Only the second has it.
        case added
        /// Only the first has it.
        case removed
        /// Both have it, with other content or attributes.
        case modified
        /// It is of another type in the second.
        case type
    }

    /// One path that differs.
    public struct Change: Sendable, Hashable {
        /// Absolute path in the second; of a removed one, in the first. Against a directory, always the first's.
        public let path: [UInt8]
        /// How it differs.
        public let kind: Kind
        /// What differs; empty unless both have it.
        public let aspects: EntryAspects
        /// What it was; nil if it was added.
        public let oldType: EntryType?
        /// What it is; nil if it was removed.
        public let newType: EntryType?
        /// Bytes of the file that it was; 0 for anything else.
        public let oldSize: UInt64
        /// Bytes of the file that it is; 0 for anything else.
        public let newSize: UInt64
    }

    private let repository: Repository
    private let progress: Progress

    /// Prepares a comparison.
    public init(repository: Repository, progress: Progress) {
        self.repository = repository
        self.progress = progress
    }

    /// Compares two snapshots, or a path of each. Directories with the same trees are not read.
    ///
    /// - Returns: what could not be read, and so was not compared.
    /// - Throws: `notFound` if a snapshot does not have its path; `damaged` or `missing` if the way to it cannot be read;
    ///   `interrupted`; what `visit` throws.
    public func compare(
        _ old: Snapshot, at oldPath: [UInt8] = [], with new: Snapshot, at newPath: [UInt8] = [],
        visit: (Change) throws(StoreError) -> Void
    ) throws(StoreError) -> [StoreError] {
        let session = Session.openReader(
            on: repository.backend, program: repository.options.program, snapshots: [old.id, new.id])
        defer { session?.close() }
        let content = try SnapshotContent(repository)
        var left = try SnapshotSide(content, old, start: oldPath)
        var right = try SnapshotSide(content, new, start: newPath)
        while left.entry != nil || right.entry != nil {
            try progress.check()
            switch (left.entry, right.entry) {
            case (let before?, let after?) where left.relativePath == right.relativePath:
                if let change = Self.change(right.path, before, after) { try visit(change) }
                if case .directory(let trees) = before.content, case .directory(trees) = after.content {
                    left.skipContents()
                    right.skipContents()
                }
                left.advance()
                right.advance()
            case (let before?, let after):
                if after == nil || PathOrder.precedes(left.relativePath, right.relativePath) {
                    if !right.hasFailed(above: left.relativePath) { try visit(.removed(left.path, before)) }
                    left.advance()
                } else if let after {
                    if !left.hasFailed(above: right.relativePath) { try visit(.added(right.path, after)) }
                    right.advance()
                }
            case (nil, let after?):
                if !left.hasFailed(above: right.relativePath) { try visit(.added(right.path, after)) }
                right.advance()
            case (nil, nil): break
            }
        }
        return left.failures + right.failures
    }

    private static func change(_ path: [UInt8], _ before: TreeEntry, _ after: TreeEntry) -> Change? {
        guard before.type == after.type else { return .both(path, .type, [], before, after) }
        var aspects = AttributeComparison.differences(before.attributes, after.attributes)
        // Of an implied directory only mode and owner are known.
        if before.isImplied || after.isImplied { aspects.formIntersection([.mode, .owner]) }
        switch before.content {
        case .file: if before.content != after.content { aspects.insert(.content) }
        case .symlink: if before.content != after.content { aspects.insert(.target) }
        case .device: if before.content != after.content { aspects.insert(.device) }
        case .directory, .none: break
        }
        return aspects.isEmpty ? nil : .both(path, .modified, aspects, before, after)
    }

    /// Compares a snapshot, or a path of it, with a directory, by the content of its files. Directories that are only
    /// implied in the snapshot may hold more than it has, and are not compared themselves.
    ///
    /// - Returns: what could not be read, and so was not compared.
    /// - Throws: as the comparison of snapshots, and what keeps the directory from being opened.
    public func compare(
        _ snapshot: Snapshot, at path: [UInt8] = [], withDirectory directory: [UInt8],
        visit: (Change) throws(StoreError) -> Void
    ) throws(StoreError) -> [StoreError] {
        let session = Session.openReader(
            on: repository.backend, program: repository.options.program, snapshots: [snapshot.id])
        defer { session?.close() }
        let content = try SnapshotContent(repository)
        var comparison = DirectoryComparison(
            content: content, recorded: try SnapshotSide(content, snapshot, start: path),
            root: try SafeRoot(directory))
        while try comparison.step(visit) { try progress.check() }
        return comparison.failures
    }
}

extension TreeDifference.Change {
    static func added(_ path: [UInt8], _ entry: TreeEntry) -> Self {
        added(path, entry.type, entry.content.fileSize)
    }

    static func added(_ path: [UInt8], _ type: EntryType, _ size: UInt64) -> Self {
        Self(path: path, kind: .added, aspects: [], oldType: nil, newType: type, oldSize: 0, newSize: size)
    }

    static func removed(_ path: [UInt8], _ entry: TreeEntry) -> Self {
        Self(
            path: path, kind: .removed, aspects: [], oldType: entry.type, newType: nil,
            oldSize: entry.content.fileSize, newSize: 0)
    }

    static func both(
        _ path: [UInt8], _ kind: TreeDifference.Kind, _ aspects: EntryAspects, _ before: TreeEntry, _ after: TreeEntry
    ) -> Self {
        Self(
            path: path, kind: kind, aspects: aspects, oldType: before.type, newType: after.type,
            oldSize: before.content.fileSize, newSize: after.content.fileSize)
    }
}

extension EntryContent {
    /// Bytes of a file; 0 for anything else.
    var fileSize: UInt64 {
        if case .file(let size, _) = self { return size }
        return 0
    }
}

/// The order in which both walkers meet paths: what is in a directory comes directly behind it.
enum PathOrder {
    private static let slash = UInt8(ascii: "/")

    static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        for (left, right) in zip(left, right) where left != right {
            if left == slash || right == slash { return left == slash }
            return left < right
        }
        return left.count < right.count
    }
}

/// A snapshot's part in a comparison: the current entry and its path below the start.
struct SnapshotSide {
    private var walker: TreeWalker
    private let startLength: Int
    private var failedPaths: [[UInt8]] = []
    private(set) var failures: [StoreError] = []
    private(set) var entry: TreeEntry?

    init(_ content: SnapshotContent, _ snapshot: Snapshot, start: [UInt8]) throws(StoreError) {
        walker = try TreeWalker(content.loader, root: snapshot.manifest.treeRoot, start: start)
        startLength = walker.path.count == 1 ? 0 : walker.path.count
        advance()
    }

    var path: [UInt8] { walker.path }

    /// Below the start: empty for the start itself, else it begins with `/`.
    var relativePath: [UInt8] { relative(walker.path) }

    private func relative(_ path: [UInt8]) -> [UInt8] {
        path.count == 1 ? [] : Array(path[startLength...])
    }

    /// The absolute path of one below the start.
    func absolute(_ relative: [UInt8], start: [UInt8]) -> [UInt8] { start.count == 1 ? relative : start + relative }

    mutating func skipContents() { walker.skipContents() }

    mutating func advance() {
        while let event = walker.next() {
            switch event {
            case .entry(let entry):
                self.entry = entry
                return
            case .failure(let error):
                failures.append(error.at(walker.path))
                failedPaths.append(relative(walker.path))
            case .leave: break
            }
        }
        entry = nil
    }

    /// Whether a directory above a path could not be read in full, so that nobody knows what it has.
    func hasFailed(above path: [UInt8]) -> Bool {
        failedPaths.contains { path.count > $0.count && path.starts(with: $0) && path[$0.count] == UInt8(ascii: "/") }
    }
}
