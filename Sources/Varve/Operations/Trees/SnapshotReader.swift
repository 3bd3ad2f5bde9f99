public import VarveFormat

/// Reads what a snapshot holds: entries, directories and the content of files. For one thread at a time.
public final class SnapshotReader {
    /// The snapshot.
    public let snapshot: Snapshot
    private let content: SnapshotContent
    private let session: Session?
    private let reader: ContentReader

    /// Opens the index of the repository, and a session that keeps a collector away where the place can be written.
    ///
    /// - Throws: what the storage throws.
    public init(repository: Repository, snapshot: Snapshot) throws(StoreError) {
        self.snapshot = snapshot
        session = Session.openReader(
            on: repository.backend, program: repository.options.program, snapshots: [snapshot.id])
        content = try SnapshotContent(repository)
        reader = try ContentReader(content)
    }

    deinit { session?.close() }

    /// The entry at an absolute path; nil if the snapshot does not have it.
    ///
    /// - Throws: `damaged` or `missing` if the way to it cannot be read.
    public func entry(at path: [UInt8]) throws(StoreError) -> TreeEntry? {
        var entry = try TreePath.rootEntry(content.loader, snapshot.manifest.treeRoot)
        for component in TreePath.components(path) {
            guard let found = try TreePath.find(component, in: entry, content.loader) else { return nil }
            entry = found
        }
        return entry
    }

    /// Visits the entry at a path, or what it holds if it is a directory, in path order; with `isRecursive` whatever
    /// is below it too. `visit` gets absolute paths.
    ///
    /// - Returns: directories of which a part cannot be read, and why.
    /// - Throws: `notFound` if the snapshot does not have the path; `damaged` or `missing` if the way to it cannot be
    ///   read; what `visit` throws.
    public func list(
        _ path: [UInt8], isRecursive: Bool, visit: (_ path: [UInt8], _ entry: TreeEntry) throws(StoreError) -> Void
    ) throws(StoreError) -> [StoreError] {
        var walker = try TreeWalker(content.loader, root: snapshot.manifest.treeRoot, start: path)
        var failures: [StoreError] = []
        var isFirst = true
        while let event = walker.next() {
            switch event {
            case .entry(let entry):
                if !isFirst || entry.type != .directory { try visit(walker.path, entry) }
                if !isFirst, !isRecursive { walker.skipContents() }
                isFirst = false
            case .failure(let error): failures.append(error.at(walker.path))
            case .leave: break
            }
        }
        return failures
    }

    /// Hands out the bytes of a file in order, each piece checked and valid during the call only.
    ///
    /// - Throws: `notFound` if the path is not that of a file of the snapshot; `damaged` or `missing` if its content
    ///   is; what `write` throws.
    public func readFile(
        _ path: [UInt8], write: (UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard let entry = try entry(at: path) else {
            throw StoreError(.notFound, "the snapshot does not have this path", path: path)
        }
        guard case .file = entry.content else {
            throw StoreError(.notFound, "this path of the snapshot is not a file", path: path)
        }
        try readFile(entry, write: write)
    }

    /// Hands out the bytes of an entry that is a file, as `readFile` of its path.
    public func readFile(
        _ entry: TreeEntry, write: (UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard case .file(let size, let blobs) = entry.content else { return }
        try reader.read(blobs, size: size, write)
    }

    /// How many blobs an entry that is a file has; 0 for any other.
    public func blobCount(_ entry: TreeEntry) throws(StoreError) -> Int {
        guard case .file(_, let blobs) = entry.content else { return 0 }
        var sequence = BlobSequence(blobs)
        var count = 0
        while let run = try sequence.nextRun(content.loader) { count += Int(run.count) }
        return count
    }
}
