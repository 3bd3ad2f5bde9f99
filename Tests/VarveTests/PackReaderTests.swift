import Testing
import Varve
import VarveFormat

@Suite struct PackReaderTests {
    private static func onePack(_ suite: Suite) throws -> (PackFixture, SegmentPack, String) {
        let fixture = try PackFixture(suite)
        var random = SeededBytes(seed: 1)
        let packs = try fixture.store([(.data, random.text(3_000)), (.data, random.bytes(300_000))])
        let pack = try #require(packs.first)
        return (fixture, pack, RepositoryPath.pack(.dataPack, pack.id))
    }

    private static func readAll(_ fixture: PackFixture, _ pack: SegmentPack) throws {
        let reader = fixture.reader
        let handle = try reader.openPack(pack.id, kind: pack.kind)
        if let damage = handle.headerDamage { throw damage }
        _ = try reader.directory(handle)
        let frames = try FrameReader(reader)
        var offset = PackLayout.firstFrameOffset
        for (number, frame) in pack.directory.frames.enumerated() {
            let location = FrameLocation(
                pack: pack.id, kind: pack.kind, packLength: pack.length, number: number, offset: offset,
                storedLength: frame.storedLength, rawLength: frame.rawLength, codec: frame.codec)
            _ = try frames.read(handle, location)
            offset += frame.storedLength
        }
    }

    @Test("Every flipped bit of a sealed pack's ends and one in each hundred bytes of its frames is noticed")
    func flips() throws {
        let (fixture, pack, path) = try Self.onePack(.aes256GCM)
        try Self.readAll(fixture, pack)
        let length = Int(pack.length)
        let ends = Array(0..<PackLayout.firstFrameOffset) + Array(length - 400..<length)
        for offset in ends + stride(from: 136, to: length - 400, by: 100) {
            try fixture.flip(path, at: offset)
            #expect(throws: StoreError.self, "the flipped byte \(offset) of \(length)") {
                try Self.readAll(fixture, pack)
            }
            try fixture.flip(path, at: offset)
        }
        try Self.readAll(fixture, pack)
    }

    @Test("A pack with a damaged header is read by its trailer, and says so", arguments: Suite.allCases)
    func damagedHeader(suite: Suite) throws {
        let (fixture, pack, path) = try Self.onePack(suite)
        for offset in [0, 8, 20, 60, 100, 135] {
            try fixture.flip(path, at: offset)
            let handle = try fixture.reader.openPack(pack.id, kind: .dataPack)
            #expect(handle.headerDamage?.code == .damaged)
            try fixture.flip(path, at: offset)
        }
        #expect(try fixture.reader.openPack(pack.id, kind: .dataPack).headerDamage == nil)
    }

    @Test("A pack with both ends damaged, cut short or absent is refused", arguments: Suite.allCases)
    func lostEnds(suite: Suite) throws {
        let (fixture, pack, path) = try Self.onePack(suite)
        let bytes = try fixture.bytes(path)
        let file = fixture.root + "/repository/" + path
        for length in [0, 1, 135, 136, 400] {
            try fixture.overwrite(file, Array(bytes.prefix(length)))
            #expect(throws: StoreError.self) { try fixture.reader.segmentPack(pack.id, kind: .dataPack) }
        }
        try fixture.overwrite(file, bytes)
        try fixture.flip(path, at: 30)
        try fixture.flip(path, at: bytes.count - 1)
        let error = #expect(throws: StoreError.self) { try fixture.reader.openPack(pack.id, kind: .dataPack) }
        #expect(error?.code == .damaged)
        let missing = #expect(throws: StoreError.self) {
            try fixture.reader.openPack(PackID(1, 2, 3, 4), kind: .dataPack)
        }
        #expect(missing?.code == .missing)
    }

    @Test("A frame read as another frame, or with other lengths, is refused")
    func swappedFrames() throws {
        let (fixture, pack, _) = try Self.onePack(.aes256GCM)
        let handle = try fixture.reader.openPack(pack.id, kind: .dataPack)
        let frame = try #require(pack.directory.frames.first)
        let frames = try FrameReader(fixture.reader)
        func location(number: Int = 0, offset: Int = 136, stored: Int = 0, raw: Int = 0) -> FrameLocation {
            FrameLocation(
                pack: pack.id, kind: .dataPack, packLength: pack.length, number: number, offset: offset,
                storedLength: frame.storedLength + stored, rawLength: frame.rawLength + raw, codec: frame.codec)
        }
        _ = try frames.read(handle, location())
        let wrong = [
            location(number: 1), location(offset: 137), location(stored: 1), location(raw: 1),
            location(offset: Int(pack.length)), location(raw: 1 << 40), location(offset: 0),
        ]
        for location in wrong {
            let error = #expect(throws: StoreError.self) { try frames.read(handle, location) }
            #expect(error?.code == .damaged)
        }
    }

    @Test("A tree pack in the place of a data pack, and a pack of another repository, are refused")
    func foreignPacks() throws {
        let (fixture, pack, path) = try Self.onePack(.aes256GCM)
        let bytes = try fixture.bytes(path)
        try fixture.backend.putIfAbsent(RepositoryPath.pack(.treePack, pack.id), bytes, session: nil)
        #expect(throws: StoreError.self) { try fixture.reader.openPack(pack.id, kind: .treePack) }
        let other = PackReader(backend: fixture.backend, keys: fixture.keys, repository: RepositoryID(1, 1))
        #expect(throws: StoreError.self) { try other.openPack(pack.id, kind: .dataPack) }
        let stranger = PackReader(
            backend: fixture.backend, keys: try KeyChain.unencrypted(), repository: fixture.repository)
        #expect(throws: StoreError.self) { try stranger.openPack(pack.id, kind: .dataPack) }
    }
}
