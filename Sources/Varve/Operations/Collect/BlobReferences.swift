import VarveFormat

/// What a tree or list names.
enum BlobReferences {
    /// Visits every blob that a tree or list names, in order.
    ///
    /// - Parameter isRoot: whether it is the tree that a manifest names.
    /// - Throws: what parsing throws: everything in it is checked.
    static func visit(
        _ type: BlobType, _ bytes: UnsafeRawBufferPointer, isRoot: Bool, _ body: (BlobType, BlobID) -> Void
    ) throws(FormatError) {
        guard type != .tree else {
            for entry in try TreeCoding.parse(Array(bytes), isRoot: isRoot) { visit(entry, body) }
            return
        }
        let list = try BlobListNode(parsing: Array(bytes))
        let below: BlobType = list.level > 0 ? type : type == .list ? .data : .tree
        for id in list.ids { body(below, id) }
    }

    private static func visit(_ entry: TreeEntry, _ body: (BlobType, BlobID) -> Void) {
        switch entry.content {
        case .file(_, .blobs(let ids)): for id in ids { body(.data, id) }
        case .file(_, .list(let id)): body(.list, id)
        case .directory(.tree(let id)): body(.tree, id)
        case .directory(.treeList(let id)): body(.treeList, id)
        case .file(_, .empty), .directory(.empty), .symlink, .device, .none: break
        }
    }
}
