import Glibc
import VarveFormat

/// Turns finished slices into tree blobs and hands them up, from the last file of a directory to the root.
extension ArchiveWorker {
    /// Puts the results of a task into the slice at work; the last task of a slice completes it.
    func finishTask(_ node: DirectoryNode, _ outcomes: [(Int, Slot)]) throws(StoreError) {
        let isComplete = node.state.withLock { state -> Bool in
            let last = state.slices.count - 1
            guard last >= 0 else { return false }
            for (position, slot) in outcomes {
                state.slices[last].slots[position] = slot
                if case .linked = slot.outcome { state.slices[last].hasLinks = true }
            }
            state.slices[last].pending -= 1
            return state.slices[last].pending == 0
        }
        if isComplete { try completeSlice(node) }
    }

    /// Encodes what can be encoded and goes on with the next slice, or with the parent: a loop, not a recursion, since
    /// directories may be nested a thousand deep.
    func completeSlice(_ node: DirectoryNode) throws(StoreError) {
        try encodeReady(node, linksAreKnown: false)
        let hasMore = node.state.withLock { state in
            state.children.removeAll()
            return state.nextName < state.names.count
        }
        if hasMore {
            run.stack.push([.slice(node)])
        } else if node.state.withLock({ $0.slices.isEmpty }) {
            try finish(node)
        } else {
            run.waiting.withLock { $0.append(node) }
        }
    }

    /// The walk is over, so every hard-link key is known: encodes the rest of a directory that waited for them.
    func encodeSlices(_ node: DirectoryNode, linksAreKnown: Bool) throws(StoreError) {
        try encodeReady(node, linksAreKnown: linksAreKnown)
        try finish(node)
    }

    private func encodeReady(_ node: DirectoryNode, linksAreKnown: Bool) throws(StoreError) {
        while true {
            let slice = node.state.withLock { state -> Slice? in
                guard let first = state.slices.first, first.pending == 0, linksAreKnown || !first.hasLinks
                else { return nil }
                state.slices.removeFirst()
                return first
            }
            guard let slice else { return }
            try encode(slice, of: node)
        }
    }

    private func encode(_ slice: Slice, of node: DirectoryNode) throws(StoreError) {
        var record = ByteWriter()
        var recordCount = 0
        var entries: [(name: [UInt8], encoded: [UInt8])] = []
        entries.reserveCapacity(slice.slots.count)
        for slot in slice.slots {
            guard let encoded = encoded(slot) else { continue }
            entries.append((slot.name, encoded))
            if !slot.stat.isDirectory, run.caches.writer != nil, slot.stat.inode != 0 {
                StatCacheWriter.encode(slot.stat, flags: slot.cacheFlags, encoded: encoded, into: &record)
                recordCount += 1
            }
        }
        let keys = run.repository.keys
        let pieces = node.state.withLock { state -> [[UInt8]] in
            state.entryCount += entries.count
            return state.tree.append(entries, nameHash: keys.nameHash)
        }
        for piece in pieces { try storePiece(piece, node) }
        run.caches.writer?.add(.init(path: node.path, count: recordCount, entries: record.bytes))
    }

    func encoded(_ slot: Slot) -> [UInt8]? {
        var writer = ByteWriter()
        switch slot.outcome {
        case .pending, .omitted: return nil
        case .encoded(let bytes): return bytes
        case .entry(let entry): entry.encode(into: &writer)
        case .linked(let entry):
            run.links.resolved(entry, .init(slot.stat), nameHash: run.repository.keys.nameHash).encode(into: &writer)
        }
        return writer.bytes
    }

    private func storePiece(_ piece: [UInt8], _ node: DirectoryNode) throws(StoreError) {
        guard writesBlobs else { return }
        let id = try content.store(.tree, piece)
        node.state.withLock { $0.pieces.append(id) }
    }

    /// The content of a directory whose slices are all encoded.
    private func directoryContent(_ node: DirectoryNode) throws(StoreError) -> DirectoryContent {
        let tree = node.state.withLock { state in
            defer { state.tree = DirectoryTree() }
            return state.tree
        }
        switch tree.finish() {
        case .empty: return .empty
        case .tree(let tree): return writesBlobs ? .tree(try content.store(.tree, tree)) : .empty
        case .lastPiece(let piece):
            if let piece { try storePiece(piece, node) }
            guard writesBlobs else { return .empty }
            return .treeList(try storePieceList(node.state.withLock { $0.pieces }))
        }
    }

    func storePieceList(_ pieces: [BlobID]) throws(StoreError) -> BlobID {
        let fanout = run.repository.config.listFanout
        return try ListCoding.build(leafIDs: pieces, fanout: fanout) { (encoded) throws(StoreError) -> BlobID in
            try content.store(.treeList, encoded)
        }
    }

    /// Stores the tree of a directory and puts its entry into the parent; and so on upwards while that completes them.
    func finish(_ first: DirectoryNode) throws(StoreError) {
        var node = first
        while true {
            let directory = try directoryContent(node)
            let (attributes, count) = node.state.withLock { state in
                state.isDone = true
                state.handle = nil
                state.names = NameList()
                return (state.attributes, state.entryCount)
            }
            counters.directories += 1
            var slot: Slot.Outcome = .omitted
            if let attributes, !(node.isKeptForContent && count == 0) {
                slot = .entry(
                    TreeEntry(
                        name: node.name, type: .directory, isImplied: node.isImplied, attributes: attributes,
                        content: .directory(directory)))
            }
            guard let parent = node.parent else {
                try finishRoot(slot)
                return
            }
            let (outcome, position) = (slot, node.slot)
            let isComplete = parent.state.withLock { state -> Bool in
                let last = state.slices.count - 1
                guard last >= 0 else { return false }
                state.children[position] = nil
                state.slices[last].slots[position].outcome = outcome
                state.slices[last].pending -= 1
                return state.slices[last].pending == 0
            }
            guard isComplete else { return }
            try encodeReady(parent, linksAreKnown: run.linksAreKnown)
            let next = parent.state.withLock { state -> (hasMore: Bool, isEncoded: Bool) in
                (state.nextName < state.names.count, state.slices.isEmpty)
            }
            if next.hasMore {
                run.stack.push([.slice(parent)])
                return
            }
            if !next.isEncoded {
                run.waiting.withLock { $0.append(parent) }
                return
            }
            node = parent
        }
    }

    /// The root tree holds one entry, `/`, whose name is empty (FORMAT.md section 9.1).
    private func finishRoot(_ outcome: Slot.Outcome) throws(StoreError) {
        guard case .entry(let entry) = outcome else {
            throw StoreError(.failed, "the root directory could not be captured")
        }
        guard writesBlobs else { return }
        let tree = TreeCoding.encode(entries: [entry])
        let id = try content.store(.tree, tree)
        run.root.withLock { $0 = id }
    }
}
