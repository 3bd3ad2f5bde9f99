import VarveFormat

/// One change that a restore in place makes, with what is needed to take it back. A journal holds them all before the
/// first one is made.
struct RestoreStep: Sendable, Equatable {
    enum Kind: UInt8, Sendable {
        /// Something staged gets a name; what has it goes into the stage.
        case put = 1
        /// What has a name goes into the stage.
        case remove = 2
        /// A file or directory that stays gets other attributes, or after its names changed, its own ones back.
        case attributes = 3
    }

    /// Enough of a file to know it again.
    struct Mark: Sendable, Equatable {
        var inode: UInt64
        /// Type and permissions.
        var mode: UInt32
        var size: UInt64
        var mtimeSeconds: Int64
        var mtimeNanoseconds: UInt32
        /// Flags that had to be taken off so that it could be renamed.
        var locks: InodeFlags

        init(_ stat: FileStat, locks: InodeFlags) {
            inode = stat.inode
            mode = stat.mode
            size = stat.isDirectory ? 0 : stat.size
            mtimeSeconds = stat.mtimeSeconds
            mtimeNanoseconds = stat.mtimeNanoseconds
            self.locks = locks
        }

        /// Whether nothing says that another program changed the file since. Inodes may change where a union of file
        /// systems moves a file between its layers.
        func isStill(_ stat: FileStat) -> Bool {
            mode == stat.mode && size == (stat.isDirectory ? 0 : stat.size) && mtimeSeconds == stat.mtimeSeconds
                && mtimeNanoseconds == stat.mtimeNanoseconds
        }
    }

    let kind: Kind
    /// The names that lead to the directory, from the root of the restore.
    var directory: [[UInt8]]
    /// The name in it; empty for the root itself.
    var name: [UInt8]
    /// The stage that holds the other side, by its number in the journal, and the name there.
    var stage = 0
    var number: UInt64 = 0
    /// The inode of what is put; inodes stay the same when the machine starts anew.
    var newInode: UInt64 = 0
    /// What has the name before; nil if nothing has.
    var old: Mark?
    /// Attributes before and after; nil for `after` if only names in it change.
    var before: Attributes?
    var after: Attributes?

    /// The absolute path below the root.
    var path: [UInt8] { TreePath.joined(name.isEmpty ? directory : directory + [name]) }

    /// The name in the stage.
    var stageName: [UInt8] { Self.stageName(number) }
    /// Where the old file waits in a stage on file systems that cannot exchange names.
    var asideName: [UInt8] { stageName + Array(".old".utf8) }

    static func stageName(_ number: UInt64) -> [UInt8] { Array(String(number).utf8) }
}

// MARK: coding

extension RestoreStep {
    private static let depthLimit = 1 << 16

    func encode(into writer: inout ByteWriter) {
        writer.u8(kind.rawValue)
        Self.encode(directory, into: &writer)
        writer.byteString(name)
        writer.varint(UInt64(stage))
        writer.varint(number)
        writer.varint(newInode)
        let parts: UInt8 = (old == nil ? 0 : 1) | (before == nil ? 0 : 2) | (after == nil ? 0 : 4)
        writer.u8(parts)
        if let old {
            writer.varint(old.inode)
            writer.u32(old.mode)
            writer.varint(old.size)
            writer.svarint(old.mtimeSeconds)
            writer.varint(UInt64(old.mtimeNanoseconds))
            writer.varint(UInt64(old.locks.rawValue))
        }
        if let before { Self.encode(before, into: &writer) }
        if let after { Self.encode(after, into: &writer) }
    }

    init(from reader: inout ByteReader) throws(FormatError) {
        guard let kind = Kind(rawValue: try reader.u8()) else { throw FormatError(.unsupported, "a kind of step") }
        self.kind = kind
        directory = try Self.components(from: &reader)
        name = try reader.byteString(limit: FormatLimits.name, "the length of a name")
        stage = try reader.varint(limit: 1 << 20, "the number of a stage")
        number = try reader.varint()
        newInode = try reader.varint()
        let parts = try reader.u8()
        if parts & 1 != 0 { old = try Mark(from: &reader) }
        if parts & 2 != 0 { before = try Self.attributes(from: &reader) }
        if parts & 4 != 0 { after = try Self.attributes(from: &reader) }
    }

    static func encode(_ components: [[UInt8]], into writer: inout ByteWriter) {
        writer.varint(UInt64(components.count))
        for component in components { writer.byteString(component) }
    }

    static func components(from reader: inout ByteReader) throws(FormatError) -> [[UInt8]] {
        let count = try reader.varint(limit: depthLimit, "the depth of a path")
        var components: [[UInt8]] = []
        for _ in 0..<count {
            components.append(try reader.byteString(limit: FormatLimits.name, "the length of a name"))
        }
        return components
    }

    /// As they stand in a tree, in an entry that is nothing else.
    private static func encode(_ attributes: Attributes, into writer: inout ByteWriter) {
        TreeEntry(
            name: [UInt8(ascii: "a")], type: .directory, attributes: attributes, content: .directory(.empty)
        ).encode(into: &writer)
    }

    private static func attributes(from reader: inout ByteReader) throws(FormatError) -> Attributes {
        try TreeEntry(from: &reader).attributes
    }
}

extension RestoreStep.Mark {
    fileprivate init(from reader: inout ByteReader) throws(FormatError) {
        inode = try reader.varint()
        mode = try reader.u32()
        size = try reader.varint()
        mtimeSeconds = try reader.svarint()
        mtimeNanoseconds = UInt32(try reader.varint(limit: 999_999_999, "nanoseconds"))
        locks = InodeFlags(rawValue: UInt32(try reader.varint(limit: Int(UInt32.max), "inode flags")))
    }
}
