/// Cuts the entries of one directory into trees (FORMAT.md section 9.2).
///
/// Where pieces end depends on the entries alone, but whether the directory is cut at all is known only once its
/// entries exceed the threshold. Until then finished pieces are held back, so memory stays near the threshold and one
/// piece.
public struct DirectoryCutter: Sendable {
    /// What is left at the end of a directory.
    public enum Remainder: Hashable, Sendable {
        /// The directory has no entries.
        case empty
        /// The directory is this one tree; no piece was handed out before.
        case tree([UInt8])
        /// The directory is cut, and this is its last piece, if the pieces handed out before do not hold everything.
        case lastPiece([UInt8]?)
    }

    private struct Piece {
        var entries: [UInt8] = []
        var count = 0

        var tree: [UInt8] { TreeCoding.encode(encodedEntries: entries, count: count) }
    }

    /// Finished pieces that wait for the decision.
    private var held: [Piece] = []
    private var current = Piece()
    private var total = 0
    private var isCut = false

    /// Starts a directory.
    public init() {}

    /// Appends an entry, as `TreeEntry.encode` writes it, with the name hash of its name. Entries come in the order of
    /// their names.
    ///
    /// - Returns: The trees that are finished now, in order; mostly none.
    public mutating func append(encodedEntry: [UInt8], nameHash: UInt64) -> [[UInt8]] {
        total += encodedEntry.count
        if current.count == FormatLimits.treePieceEntryCount
            || (current.count > 0 && current.entries.count + encodedEntry.count > FormatLimits.treePiece)
        {
            closePiece()
        }
        current.entries.append(contentsOf: encodedEntry)
        current.count += 1
        if nameHash & 0x3ff == 0 { closePiece() }
        if total > FormatLimits.treeCutThreshold { isCut = true }
        guard isCut, !held.isEmpty else { return [] }
        defer { held.removeAll() }
        return held.map(\.tree)
    }

    /// Ends the directory.
    public consuming func finish() -> Remainder {
        guard !isCut else { return .lastPiece(current.count > 0 ? current.tree : nil) }
        guard total > 0 else { return .empty }
        var whole = Piece()
        for piece in held + [current] {
            whole.entries.append(contentsOf: piece.entries)
            whole.count += piece.count
        }
        return .tree(whole.tree)
    }

    private mutating func closePiece() {
        held.append(current)
        current = Piece()
    }
}
