/// Trees: the list of a directory, or of a piece of a large one (FORMAT.md section 9.1).
public enum TreeCoding {
    static let version: UInt8 = 1
    /// Bytes of the smallest entry: an implied, empty directory without owner names, with a name of one byte or none.
    private static let smallestEntry = 9

    /// The bytes of a tree.
    ///
    /// - Precondition: The entries are strictly ascending by name bytes.
    public static func encode(entries: [TreeEntry]) -> [UInt8] {
        var writer = ByteWriter()
        writer.u8(version)
        writer.varint(UInt64(entries.count))
        for entry in entries { entry.encode(into: &writer) }
        return writer.bytes
    }

    /// The bytes of a tree of entries that are encoded already, one behind the other.
    public static func encode(encodedEntries: [UInt8], count: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.bytes.reserveCapacity(encodedEntries.count + 11)
        writer.u8(version)
        writer.varint(UInt64(count))
        writer.raw(encodedEntries)
        return writer.bytes
    }

    /// Reads a tree; `isRoot` for the one that a manifest names, which holds the directory `/` and nothing else.
    ///
    /// - Throws: `FormatError` for everything that FORMAT.md sections 9.1 and 14 refuse.
    public static func parse(_ bytes: [UInt8], isRoot: Bool = false) throws(FormatError) -> [TreeEntry] {
        guard bytes.count <= FormatLimits.frame else {
            throw FormatError(.overLimit, "a tree of \(bytes.count) bytes, the limit is \(FormatLimits.frame)")
        }
        var reader = ByteReader(bytes)
        let found = try reader.u8()
        guard found == version else { throw FormatError(.unsupported, "tree version \(found)") }
        let count = try reader.varint(limit: FormatLimits.treeEntryCount, "the number of entries")
        guard count <= reader.remaining / smallestEntry else {
            throw FormatError(.truncated, "no room for \(count) entries")
        }
        guard count == 1 || !isRoot else { throw FormatError(.malformed, "a root tree of \(count) entries") }
        var entries: [TreeEntry] = []
        entries.reserveCapacity(count)
        var lastName: [UInt8] = []
        var owners = OwnerNames()
        for position in 0..<count {
            let entry = try TreeEntry(from: &reader, isRoot: isRoot, owners: &owners)
            guard position == 0 || FileNameRules.precedes(lastName, entry.name) else {
                throw FormatError(.malformed, "names out of order or repeated")
            }
            lastName = entry.name
            guard entry.type == .directory || !isRoot else {
                throw FormatError(.malformed, "the root is not a directory")
            }
            entries.append(entry)
        }
        try reader.finish()
        return entries
    }
}

/// What names of files may be, and their order.
enum FileNameRules {
    /// Whether a directory can hold this name: not empty, not `.` or `..`, without `/` and zero bytes.
    static func isName(_ name: [UInt8]) -> Bool {
        guard let first = name.first else { return false }
        if first == UInt8(ascii: "."), name.count == 1 || (name.count == 2 && name[1] == first) { return false }
        for byte in name where byte == 0 || byte == UInt8(ascii: "/") { return false }
        return true
    }

    /// Whether `left` stands before `right` in byte order.
    static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        let common = min(left.count, right.count)
        for index in 0..<common where left[index] != right[index] { return left[index] < right[index] }
        return left.count < right.count
    }
}
