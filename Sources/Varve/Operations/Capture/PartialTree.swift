import VarveFormat

/// The tree of a capture that is not finished, for a checkpoint: what is done so far, directories at work included.
/// Used while all workers stand still.
struct PartialTree {
    /// Stat cache records of slices at work.
    private(set) var records: [StatCacheWriter.DirectoryRecord] = []

    private let worker: ArchiveWorker
    private var entries: [ObjectIdentifier: TreeEntry] = [:]

    init(worker: ArchiveWorker) { self.worker = worker }

    /// Stores the trees of all directories at work, the deepest first, and the root tree; nil if nothing is there yet.
    mutating func store(_ root: DirectoryNode) throws(StoreError) -> BlobID? {
        var order = [root]
        var position = 0
        while position < order.count {
            order += order[position].state.withLock { $0.slices.flatMap { Array($0.children.values) } }
            position += 1
        }
        for node in order.reversed() {
            if let entry = try entry(of: node) { entries[ObjectIdentifier(node)] = entry }
        }
        guard let entry = entries[ObjectIdentifier(root)] else { return nil }
        return try worker.content.store(.tree, TreeCoding.encode(entries: [entry]))
    }

    private mutating func entry(of node: DirectoryNode) throws(StoreError) -> TreeEntry? {
        let (attributes, slices) = node.state.withLock { ($0.attributes, $0.slices) }
        var (tree, pieces) = node.state.withLock { ($0.tree, $0.pieces) }
        guard let attributes else { return nil }
        var lines: [(name: [UInt8], encoded: [UInt8])] = []
        for slice in slices {
            var record = ByteWriter()
            var count = 0
            for (position, slot) in slice.slots.enumerated() {
                if let child = slice.children[position] {
                    guard let entry = entries[ObjectIdentifier(child)] else { continue }
                    var writer = ByteWriter()
                    entry.encode(into: &writer)
                    lines.append((slot.name, writer.bytes))
                    continue
                }
                guard let encoded = worker.encoded(slot) else { continue }
                lines.append((slot.name, encoded))
                guard !slot.stat.isDirectory, slot.stat.inode != 0 else { continue }
                StatCacheWriter.encode(slot, encoded: encoded, into: &record)
                count += 1
            }
            records.append(.init(path: node.path, count: count, entries: record.bytes))
        }
        let isEmpty = lines.isEmpty && node.state.withLock { $0.entryCount == 0 }
        if node.isKeptForContent && isEmpty { return nil }
        let keys = worker.run.repository.keys
        for piece in tree.append(lines, nameHash: keys.nameHash) {
            pieces.append(try worker.content.store(.tree, piece))
        }
        var content = DirectoryContent.empty
        switch tree.finish() {
        case .empty: break
        case .tree(let bytes): content = .tree(try worker.content.store(.tree, bytes))
        case .lastPiece(let piece):
            if let piece { pieces.append(try worker.content.store(.tree, piece)) }
            content = .treeList(try worker.storePieceList(pieces))
        }
        return TreeEntry(
            name: node.name, type: .directory, isImplied: node.isImplied, attributes: attributes,
            content: .directory(content))
    }
}
