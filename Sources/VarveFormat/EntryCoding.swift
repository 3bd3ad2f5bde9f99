extension TreeEntry {
    /// The entry as it stands in a tree (FORMAT.md section 9.1); the precondition is that of `encode`.
    public var encoded: [UInt8] {
        var writer = ByteWriter()
        // Enough for nearly every file: its name, its owners and a few ids.
        writer.bytes.reserveCapacity(name.count + attributes.owner.count + attributes.group.count + 128)
        encode(into: &writer)
        return writer.bytes
    }

    /// Appends the entry as it stands in a tree (FORMAT.md section 9.1).
    ///
    /// - Precondition: `content` is of the case that belongs to `type`. Other rules of the format are the caller's to
    ///   keep; `TreeCoding.parse` refuses what breaks them.
    public func encode(into writer: inout ByteWriter) {
        precondition(content.fits(type))
        var flags: EntryFlags = []
        if isImplied { flags.insert(.implied) }
        if isSparse { flags.insert(.sparse) }
        if hardLinkKey != nil { flags.insert(.hardLink) }
        if !attributes.xattrs.isEmpty { flags.insert(.xattrs) }
        if !attributes.inodeFlags.isEmpty { flags.insert(.inodeFlags) }
        if isImplied { flags.subtract([.xattrs, .inodeFlags]) }
        writer.byteString(name)
        writer.u8(type.rawValue)
        writer.u8(flags.rawValue)
        writer.varint(UInt64(attributes.mode))
        writer.varint(UInt64(attributes.uid))
        writer.byteString(attributes.owner)
        writer.varint(UInt64(attributes.gid))
        writer.byteString(attributes.group)
        if !isImplied {
            writer.svarint(attributes.mtimeSeconds)
            writer.varint(UInt64(attributes.mtimeNanoseconds))
        }
        if let hardLinkKey { writer.u64(hardLinkKey) }
        if flags.contains(.xattrs) {
            writer.varint(UInt64(attributes.xattrs.count))
            for xattr in attributes.xattrs {
                writer.byteString(xattr.name)
                writer.byteString(xattr.value)
            }
        }
        if flags.contains(.inodeFlags) { writer.varint(UInt64(attributes.inodeFlags.rawValue)) }
        content.encode(into: &writer)
    }

    /// Reads an entry; `isRoot` for the one of the root tree, whose name is empty.
    ///
    /// - Throws: `.unsupported` for an unknown type or flag, `.overLimit` for what exceeds a limit of FORMAT.md
    ///   section 14, else `.truncated` or `.malformed`.
    public init(from reader: inout ByteReader, isRoot: Bool = false) throws(FormatError) {
        var owners = OwnerNames()
        try self.init(from: &reader, isRoot: isRoot, owners: &owners)
    }

    init(from reader: inout ByteReader, isRoot: Bool, owners: inout OwnerNames) throws(FormatError) {
        name = try reader.byteString(limit: FormatLimits.name, "the length of a name")
        guard isRoot ? name.isEmpty : FileNameRules.isName(name) else {
            throw FormatError(.malformed, "a name that no file can have")
        }
        let typeNumber = try reader.u8()
        guard let type = EntryType(rawValue: typeNumber) else {
            throw FormatError(.unsupported, "entry type \(typeNumber)")
        }
        self.type = type
        let flags = EntryFlags(rawValue: try reader.u8())
        try Self.check(flags, type)
        isImplied = flags.contains(.implied)
        isSparse = flags.contains(.sparse)
        attributes = try Attributes(ownershipFrom: &reader, &owners)
        if !isImplied { try attributes.readTime(from: &reader) }
        hardLinkKey = flags.contains(.hardLink) ? try reader.u64() : nil
        if flags.contains(.xattrs) { try attributes.readXattrs(from: &reader) }
        if flags.contains(.inodeFlags) { try attributes.readInodeFlags(from: &reader) }
        content = try EntryContent(type, from: &reader)
    }

    private static func check(_ flags: EntryFlags, _ type: EntryType) throws(FormatError) {
        guard flags.isSubset(of: .all) else {
            throw FormatError(.unsupported, "entry flags \(flags.rawValue)")
        }
        if flags.contains(.implied) {
            guard type == .directory, flags == .implied else {
                throw FormatError(.malformed, "an implied entry is a directory without further flags")
            }
        }
        guard !flags.contains(.sparse) || type == .file else {
            throw FormatError(.malformed, "only files are sparse")
        }
        guard !flags.contains(.hardLink) || type != .directory else {
            throw FormatError(.malformed, "a directory has no hard links")
        }
    }
}

/// The owner's names of the entry read before: neighbours mostly share them, and then also their memory.
struct OwnerNames {
    var owner: [UInt8] = []
    var group: [UInt8] = []
}

extension Attributes {
    fileprivate init(ownershipFrom reader: inout ByteReader, _ owners: inout OwnerNames) throws(FormatError) {
        let mode = try reader.varint()
        guard mode <= 0o7777 else { throw FormatError(.malformed, "mode \(mode) has more than 12 bits") }
        let uid = try reader.varint(limit: Int(UInt32.max), "a user number")
        try reader.byteString(limit: FormatLimits.frame, "the length of a user's name", into: &owners.owner)
        let gid = try reader.varint(limit: Int(UInt32.max), "a group number")
        try reader.byteString(limit: FormatLimits.frame, "the length of a group's name", into: &owners.group)
        self.init(
            mode: UInt32(mode), uid: UInt32(uid), gid: UInt32(gid), owner: owners.owner, group: owners.group)
    }

    fileprivate mutating func readTime(from reader: inout ByteReader) throws(FormatError) {
        mtimeSeconds = try reader.svarint()
        let nanoseconds = try reader.varint()
        guard nanoseconds < 1_000_000_000 else { throw FormatError(.malformed, "\(nanoseconds) nanoseconds") }
        mtimeNanoseconds = UInt32(nanoseconds)
    }

    fileprivate mutating func readXattrs(from reader: inout ByteReader) throws(FormatError) {
        // Each takes three bytes at least: two lengths and a name.
        let count = try reader.varint(limit: FormatLimits.frame, "the number of xattrs")
        guard count <= reader.remaining / 3 else { throw FormatError(.truncated, "no room for \(count) xattrs") }
        guard count > 0 else { throw FormatError(.malformed, "the xattrs flag without xattrs") }
        xattrs.reserveCapacity(count)
        for _ in 0..<count {
            let name = try reader.byteString(limit: FormatLimits.xattrName, "the length of an xattr's name")
            guard !name.isEmpty, !name.contains(0) else { throw FormatError(.malformed, "an xattr's name") }
            if let last = xattrs.last, !FileNameRules.precedes(last.name, name) {
                throw FormatError(.malformed, "xattrs out of order")
            }
            let value = try reader.byteString(limit: FormatLimits.xattrValue, "the length of an xattr's value")
            xattrs.append(ExtendedAttribute(name: name, value: value))
        }
    }

    fileprivate mutating func readInodeFlags(from reader: inout ByteReader) throws(FormatError) {
        let bits = try reader.varint()
        guard bits != 0 else { throw FormatError(.malformed, "the inode flag without inode flags") }
        guard bits & ~UInt64(InodeFlags.all.rawValue) == 0 else {
            throw FormatError(.unsupported, "inode flags \(bits)")
        }
        inodeFlags = InodeFlags(rawValue: UInt32(bits))
    }
}

/// The numbers that say how an entry's content is given.
enum ContentForm {
    static let empty: UInt8 = 0
    static let inline: UInt8 = 1
    static let list: UInt8 = 2
}

extension EntryContent {
    fileprivate func encode(into writer: inout ByteWriter) {
        switch self {
        case .none: break
        case .file(let size, let blobs):
            writer.varint(size)
            switch blobs {
            case .empty: writer.u8(ContentForm.empty)
            case .blobs(let ids):
                writer.u8(ContentForm.inline)
                writer.varint(UInt64(ids.count))
                for id in ids { writer.blobID(id) }
            case .list(let id):
                writer.u8(ContentForm.list)
                writer.blobID(id)
            }
        case .directory(.empty): writer.u8(ContentForm.empty)
        case .directory(.tree(let id)):
            writer.u8(ContentForm.inline)
            writer.blobID(id)
        case .directory(.treeList(let id)):
            writer.u8(ContentForm.list)
            writer.blobID(id)
        case .symlink(let target): writer.byteString(target)
        case .device(let major, let minor):
            writer.varint(UInt64(major))
            writer.varint(UInt64(minor))
        }
    }

    fileprivate init(_ type: EntryType, from reader: inout ByteReader) throws(FormatError) {
        switch type {
        case .file: self = try Self.file(from: &reader)
        case .directory:
            switch try reader.u8() {
            case ContentForm.empty: self = .directory(.empty)
            case ContentForm.inline: self = .directory(.tree(try reader.blobID()))
            case ContentForm.list: self = .directory(.treeList(try reader.blobID()))
            case let form: throw FormatError(.unsupported, "directory content of form \(form)")
            }
        case .symlink:
            let target = try reader.byteString(limit: FormatLimits.symlinkTarget, "the length of a symlink's target")
            guard !target.isEmpty, !target.contains(0) else {
                throw FormatError(.malformed, "a target that no symlink can have")
            }
            self = .symlink(target: target)
        case .fifo, .socket: self = .none
        case .characterDevice, .blockDevice:
            let major = try reader.varint(limit: Int(UInt32.max), "a device number")
            let minor = try reader.varint(limit: Int(UInt32.max), "a device number")
            self = .device(major: UInt32(major), minor: UInt32(minor))
        }
    }

    private static func file(from reader: inout ByteReader) throws(FormatError) -> EntryContent {
        let size = try reader.varint()
        let form = try reader.u8()
        guard (size == 0) == (form == ContentForm.empty) else {
            throw FormatError(.malformed, "a file of \(size) bytes with content of form \(form)")
        }
        switch form {
        case ContentForm.empty: return .file(size: 0, blobs: .empty)
        case ContentForm.inline:
            let limit = RepositoryConfig.listFanoutRange.upperBound
            let count = try reader.varint(limit: limit, "the number of an entry's blobs")
            // No blob is empty, so there are at most as many as bytes.
            guard count > 0, UInt64(count) <= size else {
                throw FormatError(.malformed, "a file of \(size) bytes in \(count) blobs")
            }
            guard count <= reader.remaining / BlobID.byteCount else {
                throw FormatError(.truncated, "no room for \(count) ids")
            }
            var ids: [BlobID] = []
            ids.reserveCapacity(count)
            for _ in 0..<count { ids.append(try reader.blobID()) }
            return .file(size: size, blobs: .blobs(ids))
        case ContentForm.list: return .file(size: size, blobs: .list(try reader.blobID()))
        default: throw FormatError(.unsupported, "file content of form \(form)")
        }
    }
}
