import VarveFormat

/// The entries of one directory on their way to tree blobs. Small directories, nearly all, are encoded without hashing
/// their names: only a directory that exceeds the threshold is handed to the cutter (FORMAT.md section 9.2).
struct DirectoryTree: Sendable {
    private var held: [(name: [UInt8], encoded: [UInt8])] = []
    private var heldByteCount = 0
    private var cutter: DirectoryCutter?

    /// Appends entries in name order; the trees that are finished now.
    mutating func append(
        _ entries: [(name: [UInt8], encoded: [UInt8])], nameHash: ([UInt8]) -> UInt64
    ) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        if var cutter {
            for entry in entries {
                pieces += cutter.append(encodedEntry: entry.encoded, nameHash: nameHash(entry.name))
            }
            self.cutter = cutter
            return pieces
        }
        held += entries
        heldByteCount += entries.reduce(0) { $0 + $1.encoded.count }
        guard heldByteCount > FormatLimits.treeCutThreshold else { return [] }
        cutter = DirectoryCutter()
        defer { held = [] }
        return append(held, nameHash: nameHash)
    }

    /// Ends the directory.
    func finish() -> DirectoryCutter.Remainder {
        if let cutter { return cutter.finish() }
        guard !held.isEmpty else { return .empty }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(heldByteCount)
        for entry in held { bytes += entry.encoded }
        return .tree(TreeCoding.encode(encodedEntries: bytes, count: held.count))
    }
}
