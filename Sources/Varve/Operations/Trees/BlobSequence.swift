package import VarveFormat

/// An id that stands so many times in a row.
package struct BlobRun {
    package let id: BlobID
    package let count: UInt64
}

/// The ids below a list or treelist, in order, in memory for one node a level (FORMAT.md section 9.3).
package struct BlobListCursor {
    private struct Node {
        let level: Int
        let ids: [BlobID]
        var next = 0

        /// How often the next id stands in a row.
        var runLength: Int { ids.runLength(at: next) }
    }

    private let type: BlobType
    private let root: BlobID
    private var nodes: [Node] = []
    private var isStarted = false

    /// - Parameter type: `list` or `treeList`.
    package init(_ type: BlobType, root: BlobID) {
        self.type = type
        self.root = root
    }

    /// The next id; nil at the end. After an error the rest of the list is lost.
    ///
    /// - Throws: `damaged` or `missing` if a node is, or if its level is not one below its parent's.
    package mutating func next(_ loader: BlobLoader) throws(StoreError) -> BlobID? {
        guard try descend(loader), let last = nodes.indices.last else { return nil }
        nodes[last].next += 1
        return nodes[last].ids[nodes[last].next - 1]
    }

    /// The next id with those after it that are the same, as many as are found without reading more nodes; nil at the
    /// end. A hole takes no longer than the different nodes that list it.
    ///
    /// - Throws: as `next`.
    package mutating func nextRun(_ loader: BlobLoader) throws(StoreError) -> BlobRun? {
        guard try descend(loader), let last = nodes.indices.last else { return nil }
        let node = nodes[last]
        let length = node.runLength
        var run = BlobRun(id: node.ids[node.next], count: UInt64(length))
        nodes[last].next += length
        guard length == node.ids.count, last > 0 else { return run }
        // All of a node is one run: so are the same nodes that follow it.
        nodes[last - 1].next -= 1
        let times = nodes[last - 1].runLength
        nodes[last - 1].next += times
        run = BlobRun(id: run.id, count: run.count * UInt64(times))
        return run
    }

    /// Makes the last node one of level 0 that is not at its end; false if all are.
    private mutating func descend(_ loader: BlobLoader) throws(StoreError) -> Bool {
        if !isStarted {
            isStarted = true
            nodes.append(try load(root, loader))
        }
        while let last = nodes.indices.last {
            guard nodes[last].next < nodes[last].ids.count else {
                nodes.removeLast()
                continue
            }
            if nodes[last].level == 0 { return true }
            let id = nodes[last].ids[nodes[last].next]
            nodes[last].next += 1
            let node = try load(id, loader)
            guard node.level == nodes[last].level - 1 else {
                nodes.removeAll()
                throw StoreError(.damaged, "a list of level \(node.level) stands where another level should")
            }
            nodes.append(node)
        }
        return false
    }

    private mutating func load(_ id: BlobID, _ loader: BlobLoader) throws(StoreError) -> Node {
        do throws(StoreError) {
            let bytes = try loader.load(type, id)
            do throws(FormatError) {
                let node = try BlobListNode(parsing: bytes)
                return Node(level: node.level, ids: node.ids)
            } catch { throw StoreError(error) }
        } catch {
            nodes.removeAll()
            throw error
        }
    }
}

/// The ids of a file's data blobs, in order.
package struct BlobSequence {
    private var ids: [BlobID] = []
    private var position = 0
    private var list: BlobListCursor?

    package init(_ content: FileContent) {
        switch content {
        case .empty: break
        case .blobs(let ids): self.ids = ids
        case .list(let root): list = BlobListCursor(.list, root: root)
        }
    }

    /// The next id with those after it that are the same; nil at the end. What follows may be more of them.
    ///
    /// - Throws: as `BlobListCursor.next`.
    package mutating func nextRun(_ loader: BlobLoader) throws(StoreError) -> BlobRun? {
        if list != nil { return try list?.nextRun(loader) }
        guard position < ids.count else { return nil }
        let length = ids.runLength(at: position)
        defer { position += length }
        return BlobRun(id: ids[position], count: UInt64(length))
    }
}

extension [BlobID] {
    /// How often the id at a position stands in a row.
    fileprivate func runLength(at position: Int) -> Int {
        var end = position + 1
        while end < count, self[end] == self[position] { end += 1 }
        return end - position
    }
}
