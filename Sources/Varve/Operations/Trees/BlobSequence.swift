package import VarveFormat

/// The ids below a list or treelist, in order, in memory for one node a level (FORMAT.md section 9.3).
package struct BlobListCursor {
    private struct Node {
        let level: Int
        let ids: [BlobID]
        var next = 0
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
        if !isStarted {
            isStarted = true
            nodes.append(try load(root, loader))
        }
        while let last = nodes.indices.last {
            guard nodes[last].next < nodes[last].ids.count else {
                nodes.removeLast()
                continue
            }
            let id = nodes[last].ids[nodes[last].next]
            nodes[last].next += 1
            if nodes[last].level == 0 { return id }
            let node = try load(id, loader)
            guard node.level == nodes[last].level - 1 else {
                nodes.removeAll()
                throw StoreError(.damaged, "a list of level \(node.level) stands where another level should")
            }
            nodes.append(node)
        }
        return nil
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

    /// The next id; nil at the end.
    ///
    /// - Throws: as `BlobListCursor.next`.
    package mutating func next(_ loader: BlobLoader) throws(StoreError) -> BlobID? {
        if list != nil { return try list?.next(loader) }
        guard position < ids.count else { return nil }
        position += 1
        return ids[position - 1]
    }
}
