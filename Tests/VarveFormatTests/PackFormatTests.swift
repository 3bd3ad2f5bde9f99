import Testing
import VarveFormat

/// Not SHA-256: the format only needs some function that notices every flipped bit.
private func sum(_ bytes: [UInt8]) -> FileID {
    var words: [UInt64] = [1, 2, 3, 4]
    for (position, byte) in bytes.enumerated() {
        for index in 0..<4 {
            words[index] = (words[index] ^ UInt64(byte) ^ UInt64(position) << 8) &* 0x9e37_79b9_7f4a_7c15
            words[index] ^= words[index] >> 29
        }
    }
    return FileID(words: words)
}

private let repository = RepositoryID(7, 8)

private func header(_ kind: FileKind = .dataPack, _ suite: Suite = .aes256GCM) -> FileHeader {
    FileHeader(
        kind: kind, suite: suite, repositoryID: repository, salt: (0..<32).map { $0 },
        commitment: (0..<32).map { 255 - $0 })
}

private func blob(_ number: UInt64, _ length: Int, _ type: BlobType = .data) -> PackBlob {
    PackBlob(type: type, id: BlobID(number, number &* 3, number &* 5, number &* 7), length: length)
}

private let sample = PackDirectory(frames: [
    PackFrame(storedLength: 90, rawLength: 300, codec: .zstd, blobs: [blob(1, 100), blob(2, 200)]),
    PackFrame(storedLength: 416, rawLength: 400, codec: .stored, blobs: [blob(3, 400)]),
])

private func parse(
    _ bytes: [UInt8], _ kind: FileKind = .dataPack, _ suite: Suite = .aes256GCM, framesLength: UInt64 = 506
) throws(FormatError) -> PackDirectory {
    try PackDirectory(parsing: bytes, kind: kind, suite: suite, framesLength: framesLength)
}

@Suite struct FileHeaderTests {
    @Test("A header reads back as it was written", arguments: FileKind.allCases)
    func roundTrip(kind: FileKind) throws {
        let bytes = header(kind).encode(magic: FileMagic(kind), sha256: sum)
        #expect(bytes.count == 128)
        #expect(try FileHeader(parsing: bytes, magic: FileMagic(kind), sha256: sum) == header(kind))
    }

    @Test("The fields lie where the table of section 6 puts them")
    func offsets() {
        let bytes = header(.treePack).encode(magic: .pack, sha256: sum)
        #expect(Array(bytes[0..<8]) == Array("varvpack".utf8))
        #expect(Array(bytes[8..<13]) == [1, 0, 2, 1, 0])
        #expect(Array(bytes[32..<48]) == repository.bytes)
        #expect(Array(bytes[48..<80]) == header().salt)
        #expect(Array(bytes[80..<112]) == header().commitment)
    }

    @Test("Every flipped bit of a header is refused")
    func flips() {
        let bytes = header().encode(magic: .pack, sha256: sum)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: FormatError.self) { try FileHeader(parsing: damaged, magic: .pack, sha256: sum) }
        }
    }

    @Test(
        "A header of the future is refused as unsupported, not as damage",
        arguments: [(8, 2), (10, 9), (11, 2), (12, 1), (16, 2), (23, 128)])
    func unsupported(offset: Int, value: UInt8) {
        var bytes = header().encode(magic: .pack, sha256: sum)
        bytes[offset] = value
        bytes.replaceSubrange(112..., with: sum(Array(bytes[..<112])).bytes.prefix(16))
        let error = #expect(throws: FormatError.self) {
            try FileHeader(parsing: bytes, magic: .pack, sha256: sum)
        }
        #expect(error?.code == .unsupported)
    }

    @Test("A kind behind another kind's magic is refused")
    func foreignMagic() {
        let bytes = header(.manifest).encode(magic: .record, sha256: sum)
        #expect(throws: FormatError.self) { try FileHeader(parsing: bytes, magic: .record, sha256: sum) }
        let trailer = header(.index).encode(magic: .packTrailer, sha256: sum)
        #expect(throws: FormatError.self) { try FileHeader(parsing: trailer, magic: .packTrailer, sha256: sum) }
    }
}

@Suite struct PackFormatTests {
    @Test("A directory reads back as it was written")
    func roundTrip() throws {
        #expect(try parse(sample.encode()) == sample)
    }

    @Test("A directory cut short anywhere, or with a byte behind it, is refused")
    func truncation() {
        let bytes = sample.encode()
        for length in 0..<bytes.count {
            #expect(throws: FormatError.self) { try parse(Array(bytes[..<length])) }
        }
        #expect(throws: FormatError.self) { try parse(bytes + [0]) }
    }

    @Test("A directory whose frames do not fill the pack exactly is refused", arguments: [505, 507, 0] as [UInt64])
    func framesLength(length: UInt64) {
        #expect(throws: FormatError.self) { try parse(sample.encode(), framesLength: length) }
    }

    @Test("Blobs that do not fill their frame exactly are refused", arguments: [99, 101])
    func gaps(length: Int) {
        let frame = PackFrame(storedLength: 90, rawLength: 100, codec: .zstd, blobs: [blob(1, length)])
        #expect(throws: FormatError.self) {
            try parse(PackDirectory(frames: [frame]).encode(), framesLength: 90)
        }
    }

    @Test("A blob in the wrong kind of pack is refused", arguments: BlobType.allCases)
    func kinds(type: BlobType) throws {
        let frame = PackFrame(storedLength: 90, rawLength: 100, codec: .zstd, blobs: [blob(1, 100, type)])
        let bytes = PackDirectory(frames: [frame]).encode()
        let (right, wrong): (FileKind, FileKind) = type == .data ? (.dataPack, .treePack) : (.treePack, .dataPack)
        #expect(try parse(bytes, right, framesLength: 90).frames == [frame])
        #expect(throws: FormatError.self) { try parse(bytes, wrong, framesLength: 90) }
    }

    @Test(
        "Frames that cannot be are refused",
        arguments: [
            PackFrame(storedLength: 90, rawLength: 100, codec: .zstd, blobs: []),
            PackFrame(storedLength: 90, rawLength: 100, codec: .zstd, blobs: [blob(1, 0), blob(2, 100)]),
            PackFrame(storedLength: 16, rawLength: 100, codec: .zstd, blobs: [blob(1, 100)]),
            PackFrame(storedLength: 90, rawLength: 0, codec: .zstd, blobs: [blob(1, 0)]),
            PackFrame(storedLength: 117, rawLength: 100, codec: .stored, blobs: [blob(1, 100)]),
            PackFrame(storedLength: 90, rawLength: 16_777_217, codec: .zstd, blobs: [blob(1, 16_777_217)]),
        ])
    func badFrames(frame: PackFrame) {
        #expect(throws: FormatError.self) {
            try parse(PackDirectory(frames: [frame]).encode(), framesLength: UInt64(frame.storedLength))
        }
    }

    @Test("Suite 0 refuses stored frames, which the zstd tool could not read")
    func storedInSuite0() {
        let frame = PackFrame(storedLength: 100, rawLength: 100, codec: .stored, blobs: [blob(1, 100)])
        #expect(throws: FormatError.self) {
            try parse(PackDirectory(frames: [frame]).encode(), .dataPack, .none, framesLength: 100)
        }
    }

    @Test("Counts that the bytes cannot hold are refused before memory is set aside")
    func hugeCounts() {
        var writer = ByteWriter()
        writer.varint(65_536)
        #expect(throws: FormatError.self) { try parse(writer.bytes) }
        writer.bytes = []
        writer.varint(1 << 62)
        #expect(throws: FormatError.self) { try parse(writer.bytes) }
    }

    @Test("A trailer reads back and tells where the directory lies")
    func trailer() throws {
        let trailer = PackTrailer(
            header: header(), framesEnd: 1_000, directoryRawLength: 50, directoryStoredLength: 66,
            directorySHA256: FileID(1, 2, 3, 4))
        #expect(trailer.packLength == 1_000 + 8 + 66 + 8 + 216)
        #expect(trailer.framesLength == 864)
        let bytes = trailer.encode(sha256: sum)
        #expect(try PackTrailer(parsing: bytes, packLength: 1_298, sha256: sum) == trailer)
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: FormatError.self) { try PackTrailer(parsing: damaged, packLength: 1_298, sha256: sum) }
        }
        #expect(throws: FormatError.self) { try PackTrailer(parsing: bytes, packLength: 1_299, sha256: sum) }
    }

    @Test(
        "A trailer with a good checksum and lengths that cannot be is refused",
        arguments: [
            (128, UInt64.max), (128, 0), (128, 143), (136, UInt64(UInt32.max) << 32 | 66), (144, 1 << 63), (144, 0),
        ])
    func hostileTrailer(offset: Int, value: UInt64) {
        let trailer = PackTrailer(
            header: header(), framesEnd: 1_000, directoryRawLength: 50, directoryStoredLength: 66,
            directorySHA256: FileID(1, 2, 3, 4))
        var bytes = trailer.encode(sha256: sum)
        for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
        bytes.replaceSubrange(184..., with: sum(Array(bytes[..<184])).bytes)
        let length = offset == 144 ? value : 1_298
        #expect(throws: FormatError.self) { try PackTrailer(parsing: bytes, packLength: length, sha256: sum) }
    }

    @Test("The associated data has the 32 bytes of section 7")
    func associatedData() {
        let data = PackLayout.associatedData(
            repository: repository, kind: .treePack, suite: .aes256GCM, codec: .zstd, number: 5, rawLength: 0x0102,
            storedLength: 0x0304)
        #expect(data == repository.bytes + [2, 1, 1, 0, 5, 0, 0, 0, 2, 1, 0, 0, 4, 3, 0, 0])
    }

    @Test("A wrapper is a zstd skippable frame, and no other wrapper is taken for it")
    func wrapper() throws {
        #expect(PackLayout.wrapper(length: 128) == [0x56, 0x2a, 0x4d, 0x18, 128, 0, 0, 0])
        try PackLayout.checkWrapper(PackLayout.wrapper(length: 128), length: 128)
        #expect(throws: FormatError.self) {
            try PackLayout.checkWrapper(PackLayout.wrapper(length: 129), length: 128)
        }
    }
}
