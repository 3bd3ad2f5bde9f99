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
        if isComplete { try advance(node) }
    }

    private enum Next {
        /// The next names of the directory are to be looked at.
        case slice
        /// Everything in it is encoded.
        case finished
        /// All its names were walked; something waits for hard-link keys.
        case walked(hasWaitingChildren: Bool)
        /// As before, and that is known already.
        case waiting
    }

    /// Goes on from a directory none of whose tasks is at work: with its next slice, or upwards, as long as that
    /// completes the directory above. A loop, not a recursion, since directories may be nested a thousand deep.
    func advance(_ first: DirectoryNode) throws(StoreError) {
        var node = first
        while true {
            try encodeReady(node)
            let isReady: Bool
            switch Self.next(node) {
            case .slice:
                run.stack.push([.slice(node)])
                return
            case .waiting:
                return
            case .walked(let hasWaitingChildren):
                // Its last waiting child wakes it, or the end of the walk.
                run.finishedReading(node)
                if !hasWaitingChildren { run.waiting.withLock { $0.append(node) } }
                isReady = handUpWalked(node)
            case .finished:
                isReady = try finish(node)
            }
            guard isReady, let parent = node.parent else { return }
            node = parent
        }
    }

    private static func next(_ node: DirectoryNode) -> Next {
        node.state.withLock { state in
            if state.nextName < state.names.count { return .slice }
            if state.slices.isEmpty { return .finished }
            guard !state.isWaiting else { return .waiting }
            state.isWaiting = true
            state.endWalk()
            return .walked(hasWaitingChildren: state.slices.contains { $0.waiting > 0 })
        }
    }

    /// Encodes the first slices, as far as nothing in them is at work or waits.
    private func encodeReady(_ node: DirectoryNode) throws(StoreError) {
        let linksAreKnown = run.linksAreKnown
        while true {
            let slice = node.state.withLock { state -> Slice? in
                guard let first = state.slices.first, first.pending == 0, first.waiting == 0,
                    linksAreKnown || !first.hasLinks
                else { return nil }
                state.slices.removeFirst()
                state.encodedSliceCount += 1
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
                StatCacheWriter.encode(slot, encoded: encoded, into: &record)
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
        switch slot.outcome {
        case .pending, .omitted: nil
        case .encoded(let bytes): bytes
        case .entry(let entry): entry.encoded
        case .linked(let entry):
            run.links.resolved(entry, .init(slot.stat), nameHash: run.repository.keys.nameHash).encoded
        }
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

    /// Stores the tree of a directory and puts its entry into the parent. True if that completes what the parent waited
    /// for.
    private func finish(_ node: DirectoryNode) throws(StoreError) -> Bool {
        let directory = try directoryContent(node)
        let (attributes, count, wasWaiting) = node.state.withLock { state in
            state.isDone = true
            state.endWalk()
            return (state.attributes, state.entryCount, state.isWaiting)
        }
        run.finishedReading(node)
        var outcome: Slot.Outcome = .omitted
        if let attributes, !(node.isKeptForContent && count == 0) {
            counters.directories += 1
            tally(node.source?.component) { $0.directories += 1 }
            outcome = .entry(
                TreeEntry(
                    name: node.name, type: .directory, isImplied: node.isImplied, attributes: attributes,
                    content: .directory(directory)))
        }
        guard let parent = node.parent else {
            try finishRoot(outcome)
            return false
        }
        return parent.state.withLock { state in
            let index = node.position.slice - state.encodedSliceCount
            guard state.slices.indices.contains(index) else { return false }
            state.slices[index].children[node.position.slot] = nil
            state.slices[index].slots[node.position.slot].outcome = outcome
            guard wasWaiting else {
                state.slices[index].pending -= 1
                return state.slices[index].pending == 0
            }
            state.slices[index].waiting -= 1
            return state.isWaiting && !state.slices.contains { $0.waiting > 0 }
        }
    }

    /// Tells the parent that a directory was walked, though its tree must wait. True if that completes the parent's
    /// slice.
    private func handUpWalked(_ node: DirectoryNode) -> Bool {
        guard let parent = node.parent else { return false }
        return parent.state.withLock { state in
            let index = node.position.slice - state.encodedSliceCount
            guard state.slices.indices.contains(index) else { return false }
            state.slices[index].pending -= 1
            state.slices[index].waiting += 1
            return state.slices[index].pending == 0
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
