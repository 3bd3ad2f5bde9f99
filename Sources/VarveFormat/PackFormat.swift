/// How the raw bytes of a frame are stored before sealing (FORMAT.md section 7).
package enum FrameCodec: UInt8, Sendable, CaseIterable {
    /// As they are; in suite 1 only.
    case stored = 0
    /// One zstd frame (RFC 8878) with its content size; in suite 0 also with a content checksum.
    case zstd = 1
    /// One zstd frame that needs the raw bytes of its base as prefix; in suite 0 also with a content checksum, and in a
    /// wrapper.
    case zstdDelta = 2
}

/// The frame whose raw bytes a delta frame needs as prefix: by its number in a pack of the same kind. It is never a
/// delta frame itself.
package struct FrameBase: Hashable, Sendable {
    package let pack: PackID
    /// Counted from 0 in the pack.
    package let number: Int

    package init(pack: PackID, number: Int) {
        self.pack = pack
        self.number = number
    }
}

/// One blob of a frame.
package struct PackBlob: Hashable, Sendable {
    package let type: BlobType
    package let id: BlobID
    /// Bytes of plaintext, at least 1.
    package let length: Int

    package init(type: BlobType, id: BlobID, length: Int) {
        self.type = type
        self.id = id
        self.length = length
    }
}

/// One frame of a pack: a run of blobs that were compressed and sealed together.
package struct PackFrame: Hashable, Sendable {
    /// Bytes in the pack, tag included.
    package let storedLength: Int
    /// Bytes of plaintext.
    package let rawLength: Int
    package let codec: FrameCodec
    /// Of a delta frame, and of no other.
    package let base: FrameBase?
    /// In the order of their bytes, without gaps.
    package let blobs: [PackBlob]

    package init(
        storedLength: Int, rawLength: Int, codec: FrameCodec, base: FrameBase? = nil, blobs: [PackBlob]
    ) {
        self.storedLength = storedLength
        self.rawLength = rawLength
        self.codec = codec
        self.base = base
        self.blobs = blobs
    }
}

/// Where the parts of a pack lie, and the wrappers that make them zstd skippable frames (FORMAT.md section 7).
package enum PackLayout {
    /// Bytes of a wrapper.
    package static let wrapperLength = 8
    /// Where frame 0 begins.
    package static let firstFrameOffset = wrapperLength + FileHeader.byteCount
    /// Bytes of an AES-256-GCM tag.
    package static let tagLength = 16
    /// A frame as stored, tag included: what zstd makes of a raw frame at worst stays below it.
    package static let storedFrameLimit = FormatLimits.frame + 131_072
    /// The raw directory: its most blobs and frames at their longest.
    package static let directoryLimit = 8_388_608
    /// The frame number that stands for the directory.
    package static let directoryFrameNumber: UInt32 = 0xffff_ffff
    private static let skippableMagic: UInt32 = 0x184d_2a56

    /// The eight bytes before a payload of `length` bytes.
    package static func wrapper(length: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.u32(skippableMagic)
        writer.u32(UInt32(truncatingIfNeeded: length))
        return writer.bytes
    }

    /// Refuses eight bytes that do not wrap a payload of `length` bytes.
    package static func checkWrapper(_ bytes: [UInt8], length: Int) throws(FormatError) {
        guard bytes == wrapper(length: length) else {
            throw FormatError(.malformed, "the frame around \(length) bytes is not as it should be")
        }
    }

    /// Bytes that sealing adds.
    package static func overhead(_ suite: Suite) -> Int { suite == .none ? 0 : tagLength }

    /// Bytes that a stored frame has beside what its codec made.
    package static func overhead(_ suite: Suite, _ codec: FrameCodec) -> Int {
        suite == .none && codec == .zstdDelta ? wrapperLength : overhead(suite)
    }

    /// What the seal of a frame also covers.
    ///
    /// - Parameter number: counted from 0 in the pack, or `directoryFrameNumber`.
    package static func associatedData(
        repository: RepositoryID, kind: FileKind, suite: Suite, codec: FrameCodec, number: UInt32, rawLength: Int,
        storedLength: Int
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.bytes.reserveCapacity(32)
        writer.id(repository)
        writer.u8(kind.rawValue)
        writer.u8(suite.rawValue)
        writer.u8(codec.rawValue)
        writer.u8(0)
        writer.u32(number)
        writer.u32(UInt32(truncatingIfNeeded: rawLength))
        writer.u32(UInt32(truncatingIfNeeded: storedLength))
        return writer.bytes
    }
}

/// What a pack holds, in the order of its bytes.
package struct PackDirectory: Hashable, Sendable {
    package var frames: [PackFrame]
    /// A frame of one blob needs at least this many bytes of directory.
    private static let leastFrame = 4 + leastBlob
    private static let leastBlob = 34

    package init(frames: [PackFrame] = []) { self.frames = frames }

    /// The directory's plaintext.
    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.varint(UInt64(frames.count))
        for frame in frames {
            writer.varint(UInt64(frame.storedLength))
            writer.varint(UInt64(frame.rawLength))
            writer.u8(frame.codec.rawValue)
            if let base = frame.base {
                writer.id(base.pack)
                writer.varint(UInt64(base.number))
            }
            writer.varint(UInt64(frame.blobs.count))
            for blob in frame.blobs {
                writer.u8(blob.type.rawValue)
                writer.blobID(blob.id)
                writer.varint(UInt64(blob.length))
            }
        }
        return writer.bytes
    }

    /// Reads the directory of a pack.
    ///
    /// - Parameter framesLength: the bytes between the header and the directory's wrapper, which frames fill exactly.
    package init(
        parsing bytes: [UInt8], kind: FileKind, suite: Suite, framesLength: UInt64
    ) throws(FormatError) {
        var reader = ByteReader(bytes)
        let count = try reader.varint(limit: FormatLimits.packFrameCount, "the count of frames")
        guard count <= reader.remaining / Self.leastFrame else {
            throw FormatError(.truncated, "\(count) frames do not fit in \(reader.remaining) bytes")
        }
        var frames: [PackFrame] = []
        frames.reserveCapacity(count)
        var blobsLeft = FormatLimits.packBlobCount
        var stored: UInt64 = 0
        for _ in 0..<count {
            let frame = try Self.frame(&reader, kind: kind, suite: suite, blobLimit: blobsLeft)
            blobsLeft -= frame.blobs.count
            stored += UInt64(frame.storedLength)
            frames.append(frame)
        }
        try reader.finish()
        guard stored == framesLength else {
            throw FormatError(.mismatch, "the frames have \(stored) bytes, the pack has \(framesLength) for them")
        }
        self.frames = frames
    }

    /// Refuses lengths and a codec that no frame of a pack of this suite can have.
    package static func checkFrame(
        storedLength: Int, rawLength: Int, codec: FrameCodec, suite: Suite
    ) throws(FormatError) {
        guard rawLength > 0, storedLength > PackLayout.overhead(suite, codec) else {
            throw FormatError(.malformed, "an empty frame")
        }
        guard rawLength <= FormatLimits.frame, storedLength <= PackLayout.storedFrameLimit else {
            throw FormatError(.overLimit, "a frame of \(rawLength) bytes, stored as \(storedLength)")
        }
        guard codec == .stored else { return }
        guard suite != .none else { throw FormatError(.malformed, "a stored frame in an unencrypted pack") }
        guard storedLength == rawLength + PackLayout.tagLength else {
            throw FormatError(.malformed, "a stored frame of \(rawLength) bytes has \(storedLength) in the pack")
        }
    }

    private static func frame(
        _ reader: inout ByteReader, kind: FileKind, suite: Suite, blobLimit: Int
    ) throws(FormatError) -> PackFrame {
        let storedLength = try reader.varint(limit: PackLayout.storedFrameLimit, "the stored length of a frame")
        let rawLength = try reader.varint(limit: FormatLimits.frame, "the raw length of a frame")
        let number = try reader.u8()
        guard let codec = FrameCodec(rawValue: number) else { throw FormatError(.unsupported, "codec \(number)") }
        try checkFrame(storedLength: storedLength, rawLength: rawLength, codec: codec, suite: suite)
        var base: FrameBase?
        if codec == .zstdDelta {
            let pack: PackID = try reader.id()
            let number = try reader.varint(limit: FormatLimits.packFrameCount - 1, "the number of a base")
            base = FrameBase(pack: pack, number: number)
        }
        let count = try reader.varint(limit: blobLimit, "the count of blobs")
        guard count > 0 else { throw FormatError(.malformed, "a frame without blobs") }
        guard count <= reader.remaining / leastBlob else {
            throw FormatError(.truncated, "\(count) blobs do not fit in \(reader.remaining) bytes")
        }
        var blobs: [PackBlob] = []
        blobs.reserveCapacity(count)
        var left = rawLength
        for _ in 0..<count {
            let number = try reader.u8()
            guard let type = BlobType(rawValue: number) else { throw FormatError(.unsupported, "blob type \(number)") }
            guard kind.holds(type) else { throw FormatError(.malformed, "a blob of type \(number) in the wrong pack") }
            let id = try reader.blobID()
            let length = try reader.varint(limit: left, "the length of a blob")
            guard length > 0 else { throw FormatError(.malformed, "an empty blob") }
            left -= length
            blobs.append(PackBlob(type: type, id: id, length: length))
        }
        guard left == 0 else { throw FormatError(.malformed, "\(left) bytes of a frame belong to no blob") }
        return PackFrame(storedLength: storedLength, rawLength: rawLength, codec: codec, base: base, blobs: blobs)
    }
}

/// The last bytes of a pack: its header once more, and where its directory lies (FORMAT.md section 7).
package struct PackTrailer: Hashable, Sendable {
    /// Bytes of a trailer without its wrapper.
    package static let byteCount = 216
    private static let checkedLength = 184

    package let header: FileHeader
    /// Where the directory's payload begins.
    package let directoryOffset: Int
    package let directoryStoredLength: Int
    package let directoryRawLength: Int
    /// The length of the whole pack.
    package let packLength: Int
    /// Of the directory's stored payload.
    package let directorySHA256: FileID

    /// Makes the trailer of a pack whose frames end at `framesEnd`.
    package init(
        header: FileHeader, framesEnd: Int, directoryRawLength: Int, directoryStoredLength: Int, directorySHA256: FileID
    ) {
        self.header = header
        directoryOffset = framesEnd + PackLayout.wrapperLength
        self.directoryRawLength = directoryRawLength
        self.directoryStoredLength = directoryStoredLength
        packLength = directoryOffset + directoryStoredLength + PackLayout.wrapperLength + Self.byteCount
        self.directorySHA256 = directorySHA256
    }

    /// The bytes that the frames take.
    package var framesLength: UInt64 {
        UInt64(directoryOffset - PackLayout.wrapperLength - PackLayout.firstFrameOffset)
    }

    /// The 216 bytes.
    package func encode(sha256: SHA256Function) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(header.encode(magic: .packTrailer, sha256: sha256))
        writer.u64(UInt64(directoryOffset))
        writer.u32(UInt32(truncatingIfNeeded: directoryStoredLength))
        writer.u32(UInt32(truncatingIfNeeded: directoryRawLength))
        writer.u64(UInt64(packLength))
        writer.id(directorySHA256)
        writer.id(sha256(writer.bytes))
        return writer.bytes
    }

    /// Reads the last 216 bytes of a pack of `packLength` bytes.
    package init(parsing bytes: [UInt8], packLength: UInt64, sha256: SHA256Function) throws(FormatError) {
        guard bytes.count == Self.byteCount else {
            throw FormatError(.truncated, "a pack trailer has \(Self.byteCount) bytes, not \(bytes.count)")
        }
        guard sha256(Array(bytes[0..<Self.checkedLength])).bytes == Array(bytes[Self.checkedLength...]) else {
            throw FormatError(.checksum, "the checksum of the pack trailer does not match")
        }
        let header = try FileHeader(
            parsing: Array(bytes[0..<FileHeader.byteCount]), magic: .packTrailer, sha256: sha256)
        var reader = ByteReader(bytes)
        _ = try reader.raw(FileHeader.byteCount)
        let offset = try reader.u64()
        let storedLength = Int(try reader.u32())
        let rawLength = Int(try reader.u32())
        let length = try reader.u64()
        let sum: FileID = try reader.id()
        guard length == packLength else {
            throw FormatError(.mismatch, "the pack has \(packLength) bytes, its trailer says \(length)")
        }
        guard length <= UInt64(FormatLimits.pack), rawLength <= PackLayout.directoryLimit else {
            throw FormatError(.overLimit, "a pack of \(length) bytes with a directory of \(rawLength)")
        }
        guard rawLength > 0, storedLength == rawLength + PackLayout.overhead(header.suite) else {
            throw FormatError(.malformed, "a directory of \(rawLength) bytes, stored as \(storedLength)")
        }
        guard offset >= UInt64(PackLayout.firstFrameOffset + PackLayout.wrapperLength), offset <= length,
            offset + UInt64(storedLength + PackLayout.wrapperLength + Self.byteCount) == length
        else { throw FormatError(.malformed, "the directory does not lie before the trailer") }
        self.init(
            header: header, framesEnd: Int(offset) - PackLayout.wrapperLength, directoryRawLength: rawLength,
            directoryStoredLength: storedLength, directorySHA256: sum)
    }
}
