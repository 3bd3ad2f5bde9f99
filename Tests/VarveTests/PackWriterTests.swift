import CZstd
import Glibc
import Testing
import Varve
import VarveFormat

@Suite struct PackWriterTests {
    private static func blobs(_ seed: UInt64) -> [(type: BlobType, bytes: [UInt8])] {
        var random = SeededBytes(seed: seed)
        var blobs: [(type: BlobType, bytes: [UInt8])] = []
        for length in [1, 2, 100, 5_000, 70_000, 262_143, 262_144, 900_000] {
            blobs.append((.data, random.text(length)))
            blobs.append((.data, random.bytes(length)))
        }
        for number in 0..<600 { blobs.append((.tree, random.text(2_000 + number))) }
        blobs.append((.list, random.bytes(3_000)))
        blobs.append((.treeList, random.bytes(3_001)))
        return blobs
    }

    @Test("Every blob reads back from the packs that the directories name", arguments: Suite.allCases)
    func roundTrip(suite: Suite) throws {
        let fixture = try PackFixture(suite)
        let blobs = Self.blobs(1)
        let packs = try fixture.store(blobs)
        var found: Set<BlobID> = []
        let reader = fixture.reader
        let frames = try FrameReader(reader)
        for pack in packs {
            let handle = try reader.handle(pack.id, kind: pack.kind)
            #expect(try reader.directory(handle) == pack.directory)
            #expect(handle.byteCount == pack.length)
            let path = RepositoryPath.pack(pack.kind, pack.id)
            #expect(SHA256Digest.of(try fixture.bytes(path)) == pack.id, "the name is the digest of the bytes")
            var offset = PackLayout.firstFrameOffset
            for (number, frame) in pack.directory.frames.enumerated() {
                let location = FrameLocation(
                    pack: pack.id, kind: pack.kind, packLength: pack.length, number: number, offset: offset,
                    storedLength: frame.storedLength, rawLength: frame.rawLength, codec: frame.codec)
                let raw = try frames.read(handle, location)
                var start = 0
                for blob in frame.blobs {
                    #expect(fixture.keys.blobHasher.id(blob.type, Array(raw[start..<start + blob.length])) == blob.id)
                    found.insert(blob.id)
                    start += blob.length
                }
                offset += frame.storedLength
            }
        }
        #expect(found == Set(blobs.map { fixture.keys.blobHasher.id($0.type, $0.bytes) }))
        #expect(packs.contains { $0.kind == .treePack } && packs.contains { $0.kind == .dataPack })
        #expect(try fixture.backend.list("sessions/" + fixture.session.hex).isEmpty, "no temporary file is left")
    }

    @Test("Small blobs share frames; blobs from 256 KiB on have their own; packs close at their size")
    func shape() throws {
        let fixture = try PackFixture(.aes256GCM)
        let packs = try fixture.store(Self.blobs(2))
        for pack in packs {
            for frame in pack.directory.frames {
                if frame.blobs.contains(where: { $0.length >= 262_144 }) { #expect(frame.blobs.count == 1) }
                if frame.blobs.count > 1 { #expect(frame.rawLength <= PackWriter.frameLength(pack.kind)) }
            }
            let last = UInt64(pack.directory.frames.last?.storedLength ?? 0)
            let directory = UInt64(pack.directory.encode().count + 16 + 232)
            #expect(pack.length - last - directory < 1 << 20, "a pack went on after it had reached its size")
        }
        let trees = packs.filter { $0.kind == .treePack }.flatMap(\.directory.frames)
        #expect(trees.count < 10, "600 trees of 2 KB do not each have a frame")
    }

    @Test("A pack closes at 32,768 blobs")
    func blobLimit() throws {
        let fixture = try PackFixture(.none)
        var random = SeededBytes(seed: 3)
        let packs = try fixture.store((0..<65_600).map { _ in (.data, random.bytes(9)) }, packBytes: 1 << 27)
        let counts = packs.map { $0.directory.frames.reduce(0) { $0 + $1.blobs.count } }
        #expect(counts.sorted() == [64, 32_768, 32_768])
    }

    @Test("The zstd library, and the zstd tool where there is one, unpack a pack of suite 0 to the blobs in order")
    func plainPack() throws {
        let fixture = try PackFixture(.none)
        var random = SeededBytes(seed: 4)
        let blobs = [random.text(400_000), random.text(1_000), random.bytes(70_000)].map { (BlobType.data, $0) }
        let packs = try fixture.store(blobs, packBytes: 1 << 24)
        let pack = try #require(packs.first)
        let path = RepositoryPath.pack(.dataPack, pack.id)
        let bytes = try fixture.bytes(path)
        var output = [UInt8](repeating: 0, count: 1 << 20)
        let count = ZSTD_decompress(&output, output.count, bytes, bytes.count)
        try #require(ZSTD_isError(count) == 0)
        let expected = blobs[0].1 + blobs[1].1 + blobs[2].1
        #expect(Array(output.prefix(count)) == expected)
        guard access("/usr/bin/zstd", X_OK) == 0 else { return }
        let unpacked = fixture.root + "/unpacked"
        #expect(system("/usr/bin/zstd -dcq '\(fixture.root)/repository/\(path)' > '\(unpacked)'") == 0)
        #expect(try LocalBackend(path: fixture.root).read("unpacked", limit: 1 << 24) == expected)
    }

    @Test("In suite 1 no blob id and no plaintext stands in clear, and no two packs share a salt")
    func nothingInClear() throws {
        let fixture = try PackFixture(.aes256GCM)
        let text = Array(repeating: Array("a secret line of text\n".utf8), count: 3).flatMap(\.self)
        let first = try fixture.store([(.data, text)], indexes: false)
        let second = try fixture.store([(.data, text)], indexes: false)
        let pack = try #require(first.first)
        let other = try #require(second.first)
        #expect(pack.id != other.id)
        let bytes = try fixture.bytes(RepositoryPath.pack(.dataPack, pack.id))
        for secret in [Array("secret".utf8), fixture.keys.blobHasher.id(.data, text).bytes] {
            let found = bytes.indices.contains { bytes[$0...].starts(with: secret) }
            #expect(!found)
        }
    }

    @Test("A blob of the wrong type or length is refused")
    func refusals() throws {
        let fixture = try PackFixture(.none)
        let writer = try PackWriter(context: fixture.context(), kind: .dataPack) { _ throws(StoreError) in }
        for (type, count) in [(BlobType.tree, 5), (.data, 0), (.data, FormatLimits.frame + 1)] {
            #expect(throws: StoreError.self) {
                try [UInt8](repeating: 1, count: count).withBytes { bytes throws(StoreError) in
                    try writer.add(type, BlobID(1, 2, 3, 4), bytes)
                }
            }
        }
        #expect(throws: StoreError.self) {
            _ = try PackWriter(context: fixture.context(), kind: .manifest) { _ throws(StoreError) in }
        }
    }
}
