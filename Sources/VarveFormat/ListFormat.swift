/// One blob of a list or treelist (FORMAT.md section 9.3).
public struct BlobListNode: Hashable, Sendable {
    static let version: UInt8 = 1

    /// 0 if the ids name data blobs or trees, else one more than the level of the blobs that they name.
    public var level: Int
    /// The ids in order; at least one.
    public var ids: [BlobID]

    /// Makes a node.
    public init(level: Int, ids: [BlobID]) {
        self.level = level
        self.ids = ids
    }

    /// The bytes of the blob.
    ///
    /// - Precondition: The level is 0 to 7.
    public func encode() -> [UInt8] {
        precondition((0..<FormatLimits.listLevels).contains(level))
        var writer = ByteWriter()
        writer.bytes.reserveCapacity(5 + ids.count * BlobID.byteCount)
        writer.u8(Self.version)
        writer.u8(UInt8(level))
        writer.varint(UInt64(ids.count))
        for id in ids { writer.blobID(id) }
        return writer.bytes
    }

    /// The level of an encoded node; nil for bytes that are none.
    package static func level(of bytes: [UInt8]) -> Int? { bytes.count > 1 ? Int(bytes[1]) : nil }

    /// Reads a blob.
    ///
    /// - Throws: `.unsupported` for another version, `.overLimit` for a level above 7 or more ids than any fan-out,
    ///   else `.truncated` or `.malformed`.
    public init(parsing bytes: [UInt8]) throws(FormatError) {
        var reader = ByteReader(bytes)
        let version = try reader.u8()
        guard version == Self.version else { throw FormatError(.unsupported, "list version \(version)") }
        level = Int(try reader.u8())
        guard level < FormatLimits.listLevels else { throw FormatError(.overLimit, "a list of level \(level)") }
        let limit = RepositoryConfig.listFanoutRange.upperBound
        let count = try reader.varint(limit: limit, "the number of ids in a list")
        guard count > 0 else { throw FormatError(.malformed, "an empty list") }
        guard count <= reader.remaining / BlobID.byteCount else {
            throw FormatError(.truncated, "no room for \(count) ids")
        }
        ids = []
        ids.reserveCapacity(count)
        for _ in 0..<count { ids.append(try reader.blobID()) }
        try reader.finish()
    }
}

/// Builds lists of any length from ids that arrive one by one, in memory for one node a level
/// (FORMAT.md section 9.3). A node is emitted only when an id arrives that it has no room for, so `finish` still holds
/// all ids of a file that needs no list.
public struct ListBuilder: Sendable {
    private let fanout: Int
    /// The ids of each level that no emitted node names yet; none is empty, but for level 0 before the first id.
    private var pending: [[BlobID]] = [[]]

    /// Makes an empty builder.
    ///
    /// - Precondition: The fan-out is at least 2.
    public init(fanout: Int) {
        precondition(fanout >= 2)
        self.fanout = fanout
    }

    /// Appends an id. `emit` stores the bytes of a node and returns its id.
    public mutating func append<E: Error>(_ id: BlobID, emit: ([UInt8]) throws(E) -> BlobID) throws(E) {
        try raise(id, to: 0, emit: emit)
    }

    /// The content of a file whose data blobs were appended.
    public consuming func finishFile<E: Error>(emit: ([UInt8]) throws(E) -> BlobID) throws(E) -> FileContent {
        guard pending.count == 1 else { return .list(try finishList(emit: emit)) }
        return pending[0].isEmpty ? .empty : .blobs(pending[0])
    }

    /// The id of the list of everything that was appended, a list of one level included.
    ///
    /// - Precondition: At least one id was appended.
    public consuming func finishList<E: Error>(emit: ([UInt8]) throws(E) -> BlobID) throws(E) -> BlobID {
        precondition(!pending[0].isEmpty)
        var level = 0
        while true {
            let id = try emit(BlobListNode(level: level, ids: pending[level]).encode())
            level += 1
            if level == pending.count { return id }
            try raise(id, to: level, emit: emit)
        }
    }

    /// Appends an id to a level; a node that is full goes up first.
    private mutating func raise<E: Error>(
        _ id: BlobID, to start: Int, emit: ([UInt8]) throws(E) -> BlobID
    ) throws(E) {
        var id = id
        var level = start
        if level == pending.count { pending.append([]) }
        while pending[level].count == fanout {
            let full = pending[level]
            pending[level] = [id]
            id = try emit(BlobListNode(level: level, ids: full).encode())
            level += 1
            if level == pending.count { pending.append([]) }
        }
        pending[level].append(id)
    }
}

/// Lists whose ids are all at hand.
public enum ListCoding {
    /// Builds all levels of a list and returns the id of its only node at the top. `emit` stores the bytes of a node
    /// and returns its id.
    ///
    /// - Precondition: There is at least one leaf, and the fan-out is at least 2.
    public static func build<E: Error>(
        leafIDs: [BlobID], fanout: Int, emit: ([UInt8]) throws(E) -> BlobID
    ) throws(E) -> BlobID {
        var builder = ListBuilder(fanout: fanout)
        for id in leafIDs { try builder.append(id, emit: emit) }
        return try builder.finishList(emit: emit)
    }
}
