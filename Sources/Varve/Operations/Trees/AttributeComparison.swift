import Glibc
import VarveFormat

/// What about an entry differs from another, or from a file.
public struct EntryAspects: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: Int

    /// Makes a set from its bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The bytes of a file.
    public static let content = EntryAspects(rawValue: 1 << 0)
    /// The permissions.
    public static let mode = EntryAspects(rawValue: 1 << 1)
    /// Owner or group.
    public static let owner = EntryAspects(rawValue: 1 << 2)
    /// The modification time.
    public static let mtime = EntryAspects(rawValue: 1 << 3)
    /// Extended attributes, ACLs among them.
    public static let xattrs = EntryAspects(rawValue: 1 << 4)
    /// Where a symbolic link points.
    public static let target = EntryAspects(rawValue: 1 << 5)
    /// The numbers of a device file.
    public static let device = EntryAspects(rawValue: 1 << 6)
    /// Inode flags.
    public static let flags = EntryAspects(rawValue: 1 << 7)

    private static let allNames: [(EntryAspects, String)] = [
        (.content, "content"), (.mode, "mode"), (.owner, "owner"), (.mtime, "mtime"), (.xattrs, "xattrs"),
        (.target, "target"), (.device, "device"), (.flags, "flags"),
    ]

    /// The aspects by their stable names.
    public var names: [String] { Self.allNames.filter { contains($0.0) }.map(\.1) }
}

/// Compares recorded attributes with others, and with those of files.
struct AttributeComparison {
    /// The recorded owner may go by another number here.
    let owners: OwnerNames

    /// What differs between two entries of the same type, except for their content.
    static func differences(_ left: Attributes, _ right: Attributes) -> EntryAspects {
        var aspects: EntryAspects = []
        if left.mode != right.mode { aspects.insert(.mode) }
        if left.uid != right.uid || left.gid != right.gid || left.owner != right.owner || left.group != right.group {
            aspects.insert(.owner)
        }
        if left.mtimeSeconds != right.mtimeSeconds || left.mtimeNanoseconds != right.mtimeNanoseconds {
            aspects.insert(.mtime)
        }
        if left.xattrs != right.xattrs { aspects.insert(.xattrs) }
        if left.inodeFlags != right.inodeFlags { aspects.insert(.flags) }
        return aspects
    }

    /// What differs between recorded attributes and those of an open file or a handle.
    func differences(
        _ wanted: Attributes, _ target: MetadataTarget, _ stat: FileStat
    ) throws(StoreError) -> EntryAspects {
        var aspects: EntryAspects = []
        if !stat.isSymbolicLink, stat.permissions != wanted.mode { aspects.insert(.mode) }
        if !isOwner(wanted, stat) { aspects.insert(.owner) }
        if !Self.isTime(wanted, stat) { aspects.insert(.mtime) }
        if try ExtendedAttribute.read(target.xattrs) != wanted.xattrs { aspects.insert(.xattrs) }
        if case .open(let descriptor) = target, stat.isRegular || stat.isDirectory,
            try InodeFlags.read(descriptor) != wanted.inodeFlags
        {
            aspects.insert(.flags)
        }
        return aspects
    }

    static func isTime(_ wanted: Attributes, _ stat: FileStat) -> Bool {
        stat.mtimeSeconds == wanted.mtimeSeconds && stat.mtimeNanoseconds == wanted.mtimeNanoseconds
    }

    private func isOwner(_ wanted: Attributes, _ stat: FileStat) -> Bool {
        let isUser = owners.uid(wanted.owner) ?? wanted.uid == stat.uid
        let isGroup = owners.gid(wanted.group) ?? wanted.gid == stat.gid
        return isUser && isGroup
    }
}

/// Compares the content of files with blobs, many of which are hashed at once.
struct ContentComparison {
    private static let batchLength = 1 << 20

    let content: SnapshotContent

    /// Whether an open file has exactly the content of a file of a snapshot.
    ///
    /// - Throws: what reading the list of its blobs throws; a file that cannot be read is not equal.
    func isEqual(_ descriptor: Int32, _ blobs: FileContent, size: UInt64) throws(StoreError) -> Bool {
        var sequence = BlobSequence(blobs)
        var ids: [BlobID] = []
        var lengths: [Int] = []
        var batchLength = 0
        var offset: UInt64 = 0
        var last: FrameLocation?
        var extents = Extents(of: descriptor)
        func compareBatch() -> Bool {
            guard isEqual(descriptor, offset, ids, lengths) else { return false }
            offset += UInt64(batchLength)
            batchLength = 0
            ids.removeAll(keepingCapacity: true)
            lengths.removeAll(keepingCapacity: true)
            return true
        }
        while let run = try sequence.nextRun(content.loader) {
            let location = try content.location(of: run.id, preferred: last)
            last = location.frame
            let length = UInt64(location.length)
            var left = run.count
            let isHole = left > 1 && isZeros(run.id, location.length)
            if isHole, !compareBatch() { return false }
            while left > 0 {
                if isHole, let hole = extents.hole(at: offset + UInt64(batchLength), end: size), hole >= length {
                    guard compareBatch() else { return false }
                    let skipped = min(left, hole / length)
                    offset += skipped * length
                    left -= skipped
                    continue
                }
                if batchLength > 0, batchLength + location.length > Self.batchLength, !compareBatch() { return false }
                ids.append(run.id)
                lengths.append(location.length)
                batchLength += location.length
                left -= 1
            }
        }
        return compareBatch() && offset == size
    }

    /// Whether a blob is so many zeros.
    private func isZeros(_ id: BlobID, _ length: Int) -> Bool {
        content.hasher.id(.data, [UInt8](repeating: 0, count: length)) == id
    }

    private func isEqual(_ descriptor: Int32, _ offset: UInt64, _ ids: [BlobID], _ lengths: [Int]) -> Bool {
        let total = lengths.reduce(0, +)
        guard total > 0 else { return true }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: total, alignment: 64)
        defer { buffer.deallocate() }
        var done = 0
        while done < total {
            let count = pread(
                descriptor, buffer.baseAddress.map { $0 + done }, total - done, off_t(clamping: offset + UInt64(done)))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        var blobs: [UnsafeRawBufferPointer] = []
        var start = 0
        for length in lengths {
            blobs.append(UnsafeRawBufferPointer(rebasing: buffer[start..<start + length]))
            start += length
        }
        var found: [BlobID] = []
        content.hasher.ids(.data, blobs, into: &found)
        return found == ids
    }
}
