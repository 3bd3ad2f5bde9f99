/// Why a collection means to delete packs (FORMAT.md section 12).
public enum CondemnedReason: String, Sendable, CaseIterable {
    /// No snapshot needs them.
    case unreferenced
    /// What snapshots need of them has been written into other packs.
    case rewritten
}

/// A collection in progress: the packs and manifests that it means to delete (FORMAT.md section 12).
public struct CondemnedRecord: Hashable, Sendable {
    private static let firstLine = "varve condemned 1"

    /// When the record was made, by the collector's clock.
    public var time: Timestamp
    /// Why.
    public var reason: CondemnedReason
    /// The packs; written sorted, each once.
    public var packs: [PackID]
    /// The snapshots whose manifests are to be removed; written sorted, each once.
    public var snapshots: [SnapshotID]

    /// Makes a record.
    public init(time: Timestamp, reason: CondemnedReason, packs: [PackID], snapshots: [SnapshotID] = []) {
        self.time = time
        self.reason = reason
        self.packs = packs
        self.snapshots = snapshots
    }

    /// The bytes of the file.
    public func encode() -> [UInt8] {
        var text = Array("\(Self.firstLine)\ntime \(time.rfc3339)\nreason \(reason.rawValue)\n".utf8)
        for (word, ids) in [("pack ", packs), ("snapshot ", snapshots)] {
            for id in Set(ids).sorted() {
                text.append(contentsOf: word.utf8)
                text.append(contentsOf: id.hex.utf8)
                text.append(UInt8(ascii: "\n"))
            }
        }
        return text
    }

    /// Reads the file.
    ///
    /// - Throws: `.unsupported` for another first line or an unknown reason, `.truncated` if the last line has no line
    ///   feed or one of the first three is missing, else `.malformed`.
    public init(parsing bytes: [UInt8]) throws(FormatError) {
        let lines = try TextLines.parse(bytes)
        guard let first = lines.first else { throw FormatError(.truncated, "an empty condemned record") }
        guard first == Self.firstLine else { throw FormatError(.unsupported, "a condemned record of another version") }
        guard lines.count >= 3 else { throw FormatError(.truncated, "a condemned record without time or reason") }
        guard let time = Self.value(lines[1], "time ") else { throw FormatError(.malformed, "no time") }
        self.time = try Timestamp(rfc3339: time)
        guard let word = Self.value(lines[2], "reason ") else { throw FormatError(.malformed, "no reason") }
        guard let reason = CondemnedReason(rawValue: word) else {
            throw FormatError(.unsupported, "unknown reason \(word)")
        }
        self.reason = reason
        packs = []
        snapshots = []
        for line in lines.dropFirst(3) {
            if let text = Self.value(line, "pack ") {
                guard snapshots.isEmpty else { throw FormatError(.malformed, "a pack behind snapshots") }
                try Self.append(text, to: &packs)
            } else if let text = Self.value(line, "snapshot ") {
                try Self.append(text, to: &snapshots)
            } else {
                throw FormatError(.malformed, "a line is neither a pack nor a snapshot")
            }
        }
    }

    private static func value(_ line: String, _ word: String) -> String? {
        line.hasPrefix(word) ? String(line.dropFirst(word.count)) : nil
    }

    private static func append(_ text: String, to ids: inout [FileID]) throws(FormatError) {
        guard let id = FileID(hex: text) else { throw FormatError(.malformed, "not the name of a file") }
        if let last = ids.last, id <= last { throw FormatError(.malformed, "names out of order") }
        ids.append(id)
    }
}

/// A name in `condemned/` (FORMAT.md section 12).
public struct CondemnedName: Hashable, Sendable {
    /// How far a collection is.
    public enum State: Sendable, CaseIterable {
        /// It may still be withdrawn.
        case waiting
        /// Taken back: it condemns nothing.
        case withdrawn
        /// Past the point of no return.
        case final
        /// The directory of files on their way out.
        case leaving
    }

    /// The record, whatever its name became.
    public var id: CollectionID
    /// What the name says of it.
    public var state: State
    /// The session of the collector that holds a final record, and its directory; nil where the name has none.
    public var taker: SessionID?

    /// Makes a name.
    public init(_ id: CollectionID, _ state: State, taker: SessionID? = nil) {
        self.id = id
        self.state = state
        self.taker = taker
    }

    /// Whether packs that the record names may go away.
    public var condemns: Bool { state == .waiting || state == .final }

    /// The name as it stands in the directory.
    public var text: String {
        switch state {
        case .waiting: id.hex
        case .withdrawn: id.hex + Self.withdrawnMark
        case .final: id.hex + Self.finalMark + (taker.map { "-" + $0.hex } ?? "")
        case .leaving: id.hex + Self.finalMark + (taker.map { "-" + $0.hex } ?? "") + Self.directoryMark
        }
    }

    /// Reads a name; nil for any other, which a reader ignores.
    public init?(_ text: String) {
        let digits = CollectionID.byteCount * 2
        guard let id = CollectionID(hex: text.prefix(digits)) else { return nil }
        var rest = text.dropFirst(digits)
        if rest.isEmpty || rest == Self.withdrawnMark {
            self.init(id, rest.isEmpty ? .waiting : .withdrawn)
            return
        }
        guard rest.hasPrefix(Self.finalMark) else { return nil }
        rest = rest.dropFirst(Self.finalMark.count)
        let isDirectory = rest.hasSuffix(Self.directoryMark)
        if isDirectory { rest = rest.dropLast(Self.directoryMark.count) }
        var taker: SessionID?
        if !rest.isEmpty {
            taker = SessionID(hex: rest.dropFirst())
            guard rest.hasPrefix("-"), taker != nil else { return nil }
        }
        self.init(id, isDirectory ? .leaving : .final, taker: taker)
    }

    private static let withdrawnMark = "-withdrawn"
    private static let finalMark = "-final"
    private static let directoryMark = ".d"
}
