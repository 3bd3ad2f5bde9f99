import VarveFormat

/// The ids of a file's chunks in order: at hand while they are few, as lists once they are many.
struct FileBlobs {
    /// Ids at hand at most: 128 KiB of them.
    private static let heldCount = 4_096

    private var ids: [BlobID] = []
    private var builder: ListBuilder?
    /// Of a database, as the parent snapshot has it.
    let parent: ParentPages?

    init(parent: ParentPages? = nil) { self.parent = parent }

    /// Appends an id; `store` stores a list blob.
    mutating func append(
        _ id: BlobID, fanout: Int, store: ([UInt8]) throws(StoreError) -> BlobID
    ) throws(StoreError) {
        if builder == nil {
            ids.append(id)
            guard ids.count > Self.heldCount else { return }
            var started = ListBuilder(fanout: fanout)
            for id in ids { try started.append(id, emit: store) }
            ids = []
            builder = started
        } else {
            try builder?.append(id, emit: store)
        }
    }

    /// The content as an entry names it, with list blobs for more ids than the fan-out.
    consuming func finish(
        fanout: Int, store: ([UInt8]) throws(StoreError) -> BlobID
    ) throws(StoreError) -> FileContent {
        if let builder { return try builder.finishFile(emit: store) }
        if ids.isEmpty { return .empty }
        if ids.count <= fanout { return .blobs(ids) }
        return .list(try ListCoding.build(leafIDs: ids, fanout: fanout, emit: store))
    }
}
