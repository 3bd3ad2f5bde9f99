import VarveFormat

/// The trees of the parent snapshot, for captures that trust size and modification time without a stat cache.
final class ParentTree: Sendable {
    private let root: BlobID
    private let loader: BlobLoader

    init(root: BlobID, loader: BlobLoader) {
        self.root = root
        self.loader = loader
    }

    /// The entries of `/`; nil if they cannot be read, as in every other place: then files are read anew.
    func rootCursor() -> Cursor? {
        guard let bytes = try? loader.load(.tree, root), let entries = try? TreeCoding.parse(bytes, isRoot: true),
            let entry = entries.first
        else { return nil }
        return cursor(entry)
    }

    /// The entries of a directory.
    func cursor(_ entry: TreeEntry) -> Cursor? {
        guard case .directory(let content) = entry.content else { return nil }
        switch content {
        case .empty: return nil
        case .tree(let id): return Cursor(loader: loader, pieces: [id])
        case .treeList(let id): return leaves(id).map { Cursor(loader: loader, pieces: $0) }
        }
    }

    private func leaves(_ root: BlobID) -> [BlobID]? {
        var leaves: [BlobID] = []
        var pending = [root]
        while let id = pending.popLast() {
            guard let bytes = try? loader.load(.treeList, id), let node = try? BlobListNode(parsing: bytes)
            else { return nil }
            if node.level > 0 { pending += node.ids.reversed() } else { leaves += node.ids }
        }
        return leaves
    }

    /// Walks the entries of one directory, one of its trees in memory at a time.
    struct Cursor: Sendable {
        private let loader: BlobLoader
        private let pieces: [BlobID]
        private var nextPiece = 0
        private var entries: [TreeEntry] = []
        private var position = 0

        fileprivate init(loader: BlobLoader, pieces: [BlobID]) {
            self.loader = loader
            self.pieces = pieces
        }

        /// Finds a name; names must be asked for in ascending order.
        mutating func find(_ name: [UInt8]) -> TreeEntry? {
            while true {
                while position < entries.count {
                    let entry = entries[position]
                    if entry.name == name { return entry }
                    if name.lexicographicallyPrecedes(entry.name) { return nil }
                    position += 1
                }
                guard nextPiece < pieces.count else { return nil }
                let bytes = try? loader.load(.tree, pieces[nextPiece])
                entries = bytes.flatMap { try? TreeCoding.parse($0) } ?? []
                nextPiece += 1
                position = 0
            }
        }
    }
}

extension ArchiveWorker {
    /// Finds the parent snapshot's directory `/` for this capture's.
    func openParentTree(_ node: DirectoryNode) {
        guard let cursor = run.parentTree?.rootCursor() else { return }
        node.state.withLock { $0.parentCursor = cursor }
    }

    /// Finds the parent snapshot's directory for one below `node`.
    func inheritParentTree(_ child: DirectoryNode, _ node: DirectoryNode) {
        guard let entry = node.state.withLock({ $0.parentCursor?.find(child.name) }),
            let cursor = run.parentTree?.cursor(entry)
        else { return }
        child.state.withLock { $0.parentCursor = cursor }
    }

    /// Whether the parent snapshot has the file with this size and modification time and the repository its content.
    func findInParent(_ slot: inout Slot, _ node: DirectoryNode) {
        let name = slot.name
        guard slot.stat.isRegular, let entry = node.state.withLock({ $0.parentCursor?.find(name) }),
            case .file(let size, let blobs) = entry.content
        else { return }
        slot.history = .changed
        guard size == slot.stat.size, entry.attributes.mtimeSeconds == slot.stat.mtimeSeconds,
            entry.attributes.mtimeNanoseconds == slot.stat.mtimeNanoseconds
        else { return }
        slot.history = .unmodified
        if run.isStored(blobs) { slot.parentContent = blobs }
    }
}
