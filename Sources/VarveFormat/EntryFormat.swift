/// What an entry of a directory is (FORMAT.md section 9.1).
public enum EntryType: UInt8, Sendable, CaseIterable {
    case file = 1
    case directory = 2
    case symlink = 3
    case fifo = 4
    case characterDevice = 5
    case blockDevice = 6
    case socket = 7
}

/// The bits of an entry's flags byte (FORMAT.md section 9.1).
package struct EntryFlags: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let implied = EntryFlags(rawValue: 1 << 0)
    package static let sparse = EntryFlags(rawValue: 1 << 1)
    package static let hardLink = EntryFlags(rawValue: 1 << 2)
    package static let xattrs = EntryFlags(rawValue: 1 << 3)
    package static let inodeFlags = EntryFlags(rawValue: 1 << 4)
    package static let all: EntryFlags = [.implied, .sparse, .hardLink, .xattrs, .inodeFlags]
}

/// The inode flags that are stored, by their own bit numbers and not those of any kernel (FORMAT.md section 9.1).
public struct InodeFlags: OptionSet, Hashable, Sendable {
    /// The bits.
    public let rawValue: UInt32

    /// Makes a set of flags from its bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// chattr `i`.
    public static let immutable = InodeFlags(rawValue: 1 << 0)
    /// chattr `a`.
    public static let append = InodeFlags(rawValue: 1 << 1)
    /// chattr `d`.
    public static let noDump = InodeFlags(rawValue: 1 << 2)
    /// chattr `A`.
    public static let noAccessTime = InodeFlags(rawValue: 1 << 3)
    /// chattr `C`.
    public static let noCopyOnWrite = InodeFlags(rawValue: 1 << 4)
    /// Every flag that is defined.
    public static let all: InodeFlags = [.immutable, .append, .noDump, .noAccessTime, .noCopyOnWrite]
}

/// An extended attribute; ACLs and capabilities are such.
public struct ExtendedAttribute: Hashable, Sendable {
    /// The name with its namespace, such as `user.comment`.
    public var name: [UInt8]
    /// The value, possibly empty.
    public var value: [UInt8]

    /// Makes an attribute.
    public init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// What an entry says about a file besides its name and content.
public struct Attributes: Hashable, Sendable {
    /// The low 12 bits of st_mode.
    public var mode: UInt32
    /// The numeric owner.
    public var uid: UInt32
    /// The numeric group.
    public var gid: UInt32
    /// The owner's name; empty where the system had none.
    public var owner: [UInt8]
    /// The group's name; empty where the system had none.
    public var group: [UInt8]
    /// Modification time, seconds since 1970; not stored for implied entries.
    public var mtimeSeconds: Int64
    /// Nanoseconds behind `mtimeSeconds`, below 10^9; not stored for implied entries.
    public var mtimeNanoseconds: UInt32
    /// Extended attributes, strictly ascending by the bytes of their names; none for implied entries.
    public var xattrs: [ExtendedAttribute]
    /// Inode flags; none for implied entries.
    public var inodeFlags: InodeFlags

    /// Makes attributes.
    public init(
        mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0, owner: [UInt8] = [], group: [UInt8] = [],
        mtimeSeconds: Int64 = 0, mtimeNanoseconds: UInt32 = 0, xattrs: [ExtendedAttribute] = [],
        inodeFlags: InodeFlags = []
    ) {
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.owner = owner
        self.group = group
        self.mtimeSeconds = mtimeSeconds
        self.mtimeNanoseconds = mtimeNanoseconds
        self.xattrs = xattrs
        self.inodeFlags = inodeFlags
    }
}

/// The bytes of a file: where they are stored.
public enum FileContent: Hashable, Sendable {
    /// A file of size 0.
    case empty
    /// The data blobs whose concatenation is the file.
    case blobs([BlobID])
    /// The list blob that leads to more data blobs than an entry holds.
    case list(BlobID)
}

/// The entries of a directory: where they are stored.
public enum DirectoryContent: Hashable, Sendable {
    /// No entries.
    case empty
    /// One tree blob.
    case tree(BlobID)
    /// The treelist blob that leads to the pieces of a large directory.
    case treeList(BlobID)
}

/// What an entry holds, by its type.
public enum EntryContent: Hashable, Sendable {
    /// A fifo or a socket.
    case none
    /// A file of `size` bytes.
    case file(size: UInt64, blobs: FileContent)
    case directory(DirectoryContent)
    /// The target, 1 to 4,095 bytes.
    case symlink(target: [UInt8])
    /// A character or block device.
    case device(major: UInt32, minor: UInt32)

    /// Whether this is the content of an entry of `type`.
    func fits(_ type: EntryType) -> Bool {
        switch (type, self) {
        case (.file, .file), (.directory, .directory), (.symlink, .symlink), (.fifo, .none), (.socket, .none),
            (.characterDevice, .device), (.blockDevice, .device):
            true
        default: false
        }
    }
}

/// One line of a directory (FORMAT.md section 9.1).
public struct TreeEntry: Hashable, Sendable {
    /// The name in its directory; empty only for the entry of the root tree.
    public var name: [UInt8]
    /// What it is.
    public let type: EntryType
    /// Whether it is a directory above a given path, of which only mode and owner are kept.
    public var isImplied: Bool
    /// Whether a restore makes holes of the all-zero blocks of 4,096 bytes.
    public var isSparse: Bool
    /// The same value in all entries of one hard-link set.
    public var hardLinkKey: UInt64?
    /// Mode, owner, times and extended attributes.
    public var attributes: Attributes
    /// What it holds; of the case that belongs to `type`.
    public var content: EntryContent

    /// Makes an entry.
    public init(
        name: [UInt8], type: EntryType, isImplied: Bool = false, isSparse: Bool = false, hardLinkKey: UInt64? = nil,
        attributes: Attributes, content: EntryContent
    ) {
        self.name = name
        self.type = type
        self.isImplied = isImplied
        self.isSparse = isSparse
        self.hardLinkKey = hardLinkKey
        self.attributes = attributes
        self.content = content
    }
}
