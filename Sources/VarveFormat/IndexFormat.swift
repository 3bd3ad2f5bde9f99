/// Where a frame lies.
package struct FrameLocation: Hashable, Sendable {
    package let pack: PackID
    package let kind: FileKind
    /// Bytes of the whole pack.
    package let packLength: UInt64
    /// Counted from 0 in the pack.
    package let number: Int
    package let offset: Int
    package let storedLength: Int
    package let rawLength: Int
    package let codec: FrameCodec
    /// Of a delta frame, and of no other.
    package let base: FrameBase?

    package init(
        pack: PackID, kind: FileKind, packLength: UInt64, number: Int, offset: Int, storedLength: Int, rawLength: Int,
        codec: FrameCodec, base: FrameBase? = nil
    ) {
        self.pack = pack
        self.kind = kind
        self.packLength = packLength
        self.number = number
        self.offset = offset
        self.storedLength = storedLength
        self.rawLength = rawLength
        self.codec = codec
        self.base = base
    }
}

/// One place where a blob is stored: a blob may have several.
package struct BlobLocation: Hashable, Sendable {
    package let frame: FrameLocation
    package let type: BlobType
    /// In the frame's plaintext.
    package let offset: Int
    package let length: Int

    package init(frame: FrameLocation, type: BlobType, offset: Int, length: Int) {
        self.frame = frame
        self.type = type
        self.offset = offset
        self.length = length
    }
}

/// The directory of one pack, with what names the pack.
package struct SegmentPack: Hashable, Sendable {
    package let id: PackID
    package let kind: FileKind
    /// Bytes of the whole pack.
    package let length: UInt64
    package let directory: PackDirectory

    package init(id: PackID, kind: FileKind, length: UInt64, directory: PackDirectory) {
        self.id = id
        self.kind = kind
        self.length = length
        self.directory = directory
    }
}

/// Counts and places of the parts of a segment (FORMAT.md section 8).
package struct SegmentLayout: Hashable, Sendable {
    static let magic = Array("varvseg1".utf8)
    static let headerLength = 64
    static let packLength = 56
    static let frameLength = 24
    static let baseLength = 40
    static let blobLength = 48
    static let filterBlockLength = 64

    package let repositoryID: RepositoryID
    package let packCount: Int
    package let frameCount: Int
    /// How many of the frames are delta frames.
    package let baseCount: Int
    package let blobCount: Int

    /// Lays out a segment of these counts.
    ///
    /// - Throws: `overLimit` if it would be longer than an index file may be.
    package init(
        repositoryID: RepositoryID, packCount: Int, frameCount: Int, baseCount: Int = 0, blobCount: Int
    ) throws(FormatError) {
        let limit = FormatLimits.indexFile
        // Each count alone is small enough that no sum below overflows.
        guard packCount <= limit, frameCount <= limit, baseCount <= frameCount, blobCount <= limit else {
            throw FormatError(.overLimit, "an index segment of \(blobCount) blobs")
        }
        self.repositoryID = repositoryID
        self.packCount = packCount
        self.frameCount = frameCount
        self.baseCount = baseCount
        self.blobCount = blobCount
        guard length <= limit else { throw FormatError(.overLimit, "an index segment of \(length) bytes") }
    }

    var packsOffset: Int { Self.headerLength }
    var framesOffset: Int { packsOffset + packCount * Self.packLength }
    var basesOffset: Int { framesOffset + frameCount * Self.frameLength }
    var blobsOffset: Int { basesOffset + baseCount * Self.baseLength }
    var filterOffset: Int { blobsOffset + blobCount * Self.blobLength }
    var filterBlockCount: Int { max(1, (10 * blobCount + 511) / 512) }
    /// Bytes of the whole segment.
    package var length: Int { filterOffset + filterBlockCount * Self.filterBlockLength }

    /// The 64 bytes of a segment's header.
    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Self.magic)
        writer.u32(UInt32(truncatingIfNeeded: packCount))
        writer.u32(UInt32(truncatingIfNeeded: frameCount))
        writer.u64(UInt64(blobCount))
        writer.u64(UInt64(filterBlockCount * Self.filterBlockLength))
        writer.id(repositoryID)
        writer.u64(UInt64(length))
        writer.u32(UInt32(truncatingIfNeeded: baseCount))
        writer.u32(0)
        return writer.bytes
    }

    /// Reads the header of a segment of `byteCount` bytes, which its counts must account for exactly.
    init(parsing header: [UInt8], byteCount: Int, repository: RepositoryID) throws(FormatError) {
        var reader = ByteReader(header)
        guard try reader.raw(8) == Self.magic else { throw FormatError(.malformed, "not an index segment") }
        let packs = try reader.u32()
        let frames = try reader.u32()
        let blobs = try reader.u64()
        let filter = try reader.u64()
        let id: RepositoryID = try reader.id()
        let length = try reader.u64()
        let bases = try reader.u32()
        try reader.zeros(4)
        try reader.finish()
        guard id == repository else { throw FormatError(.mismatch, "an index segment of another repository") }
        guard blobs <= UInt64(FormatLimits.indexFile) else {
            throw FormatError(.overLimit, "an index segment of \(blobs) blobs")
        }
        try self.init(
            repositoryID: id, packCount: Int(packs), frameCount: Int(frames), baseCount: Int(bases),
            blobCount: Int(blobs))
        guard self.length == byteCount, UInt64(byteCount) == length,
            filter == UInt64(filterBlockCount * Self.filterBlockLength)
        else { throw FormatError(.malformed, "the parts of an index segment do not add up to \(byteCount) bytes") }
    }
}

/// The Bloom filter of a segment: six bits of one block of 512 for each blob (FORMAT.md section 8).
enum SegmentFilter {
    /// The block of a blob, counted from 0.
    static func block(_ id: BlobID, blockCount: Int) -> Int {
        Int(truncatingIfNeeded: id.word1.multipliedFullWidth(by: UInt64(blockCount)).high)
    }

    static func insert(_ id: BlobID, _ filter: UnsafeMutableRawPointer, blockCount: Int) {
        let block = filter + SegmentFilter.block(id, blockCount: blockCount) * SegmentLayout.filterBlockLength
        var bits = id.word2
        for _ in 0..<6 {
            let bit = Int(truncatingIfNeeded: bits & 511)
            let byte = block.load(fromByteOffset: bit >> 3, as: UInt8.self)
            block.storeBytes(of: byte | 1 << UInt8(bit & 7), toByteOffset: bit >> 3, as: UInt8.self)
            bits >>= 9
        }
    }

    static func mayContain(_ id: BlobID, _ filter: UnsafeRawPointer, blockCount: Int) -> Bool {
        let block = filter + SegmentFilter.block(id, blockCount: blockCount) * SegmentLayout.filterBlockLength
        var bits = id.word2
        for _ in 0..<6 {
            let bit = Int(truncatingIfNeeded: bits & 511)
            if block.load(fromByteOffset: bit >> 3, as: UInt8.self) & (1 << UInt8(bit & 7)) == 0 { return false }
            bits >>= 9
        }
        return true
    }
}
