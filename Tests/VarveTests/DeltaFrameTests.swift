import Testing
import Varve
import VarveFormat

/// Packs whose delta frames have bases of every kind.
private final class BaseFixture {
    let packs: PackFixture
    let raw: [UInt8]
    let later: [UInt8]
    /// A pack with one plain frame, which holds `raw`.
    let plain: SegmentPack

    init(_ suite: Suite) throws {
        packs = try PackFixture(suite)
        var random = SeededBytes(seed: 9)
        raw = random.text(40_000)
        var later = raw
        for start in stride(from: 0, to: later.count - 10, by: 4_000) {
            later.replaceSubrange(start..<start + 10, with: random.text(10))
        }
        self.later = later
        plain = try #require(try packs.store([(.data, raw)]).first)
    }

    /// A pack with one delta frame, which holds `later` compressed against `raw` and says that `base` is its base.
    func delta(_ base: FrameBase, kind: FileKind = .dataPack) throws -> SegmentPack {
        let publisher = try PackPublisher(backend: packs.backend)
        defer { publisher.close() }
        let writer = try PackWriter(context: packs.context(), kind: kind) { pack throws(StoreError) in
            try publisher.take(pack)
        }
        let type: BlobType = kind == .dataPack ? .data : .list
        let blob = PackBlob(type: type, id: packs.keys.blobHasher.id(type, later), length: later.count)
        let encoder = try FrameEncoder(suite: packs.keys.suite, level: 1)
        try raw.withBytes { raw throws(StoreError) in
            try later.withBytes { later throws(StoreError) in
                let frame = try encoder.encodeDelta(later, base: raw)
                try writer.appendDelta(frame, base: base, rawLength: later.count, [blob])
            }
        }
        try writer.flush()
        return try #require(try publisher.commitPoint().first)
    }

    /// Reads the only frame of a pack.
    func read(_ pack: SegmentPack, base: FrameBase? = nil) throws -> [UInt8] {
        let reader = packs.reader
        let frame = pack.directory.frames[0]
        let location = FrameLocation(
            pack: pack.id, kind: pack.kind, packLength: pack.length, number: 0, offset: PackLayout.firstFrameOffset,
            storedLength: frame.storedLength, rawLength: frame.rawLength, codec: frame.codec, base: base ?? frame.base)
        let handle = try reader.handle(pack.id, kind: pack.kind)
        #expect(try reader.directory(handle) == pack.directory)
        return try FrameReader(reader).read(handle, location)
    }
}

@Suite struct DeltaFrameTests {
    @Test("A delta frame is short and reads back with its base, and not with another", arguments: Suite.allCases)
    func roundTrip(suite: Suite) throws {
        let fixture = try BaseFixture(suite)
        let pack = try fixture.delta(FrameBase(pack: fixture.plain.id, number: 0))
        #expect(pack.directory.frames[0].storedLength < 1_000)
        #expect(try fixture.read(pack) == fixture.later)
        var random = SeededBytes(seed: 10)
        let other = try #require(try fixture.packs.store([(.data, random.text(40_000))]).first)
        let wrong = try fixture.delta(FrameBase(pack: other.id, number: 0))
        // Whatever comes out is not the blob: a seal or a checksum knows, or its id.
        if let bytes = try? fixture.read(wrong) { #expect(bytes != fixture.later) }
    }

    @Test("A base that is none is damage or missing, never more", arguments: Suite.allCases)
    func hostile(suite: Suite) throws {
        let fixture = try BaseFixture(suite)
        let good = FrameBase(pack: fixture.plain.id, number: 0)
        let delta = try fixture.delta(good)
        func code(_ pack: SegmentPack, _ base: FrameBase? = nil) -> StoreError.Code? {
            do {
                _ = try fixture.read(pack, base: base)
                return nil
            } catch { return (error as? StoreError)?.code }
        }
        #expect(code(delta, FrameBase(pack: delta.id, number: 0)) == .damaged, "itself")
        let second = try fixture.delta(FrameBase(pack: delta.id, number: 0))
        #expect(code(second) == .damaged, "a delta frame")
        #expect(code(delta, FrameBase(pack: second.id, number: 0)) == .damaged, "one that needs this one")
        #expect(code(try fixture.delta(FrameBase(pack: good.pack, number: 1))) == .damaged, "behind the last")
        #expect(code(try fixture.delta(FrameBase(pack: good.pack, number: 65_535))) == .damaged, "far behind")
        #expect(code(try fixture.delta(FrameBase(pack: PackID(1, 2, 3, 4), number: 0))) == .missing, "in no pack")
        #expect(code(try fixture.delta(good, kind: .treePack)) == .missing, "in a pack of another kind")
        try fixture.packs.backend.remove(RepositoryPath.pack(.dataPack, good.pack))
        #expect(code(delta) == .missing)
    }

    @Test("Packs with bases that cannot be are found out by the census and the index, without a trap")
    func strange() throws {
        let fixture = try BaseFixture(.aes256GCM)
        let good = FrameBase(pack: fixture.plain.id, number: 0)
        let delta = try fixture.delta(good)
        let bases = [
            good, FrameBase(pack: delta.id, number: 0), FrameBase(pack: good.pack, number: 7),
            FrameBase(pack: PackID(4, 3, 2, 1), number: 65_535),
        ]
        let packs = try bases.map { try fixture.delta($0) }
        try fixture.packs.publishIndex([delta])
        // Each by itself: what one index file says of packs that it does not name nobody can tell.
        for pack in packs { try fixture.packs.publishIndex([pack]) }
        let index = try fixture.packs.openIndex()
        let id = fixture.packs.keys.blobHasher.id(.data, fixture.later)
        #expect(index.locations(of: id).count == 5)
        let loader = BlobLoader(backend: fixture.packs.backend, reader: fixture.packs.reader, index: index)
        #expect(try loader.load(.data, id) == fixture.later, "one of them is good")
        try fixture.packs.backend.remove(RepositoryPath.pack(.dataPack, good.pack))
        let again = BlobLoader(backend: fixture.packs.backend, reader: fixture.packs.reader, index: index)
        var code: StoreError.Code?
        do { _ = try again.load(.data, id) } catch { code = error.code }
        #expect(code == .damaged || code == .missing)
    }

    @Test("A writer counts a blob in a delta frame only where the pack of the base counts")
    func usable() throws {
        let fixture = try BaseFixture(.none)
        let delta = try fixture.delta(FrameBase(pack: fixture.plain.id, number: 0))
        try fixture.packs.publishIndex([delta])
        let id = fixture.packs.keys.blobHasher.id(.data, fixture.later)
        let plain = fixture.plain.id
        #expect(try fixture.packs.openIndex { _ in true }.contains(id))
        let index = try fixture.packs.openIndex { $0 != plain }
        #expect(!index.contains(id) && index.locations(of: id).isEmpty)
        #expect(index.frameLocation(FrameBase(pack: plain, number: 0), .dataPack) == nil)
        #expect(try fixture.packs.openIndex { $0 != delta.id }.locations(of: id).isEmpty)
    }

    @Test("A pack with delta frames says so in its header, and others do not")
    func declared() throws {
        let fixture = try BaseFixture(.none)
        let delta = try fixture.delta(FrameBase(pack: fixture.plain.id, number: 0))
        #expect(try fixture.packs.reader.handle(delta.id, kind: .dataPack).header.features == .deltas)
        #expect(try fixture.packs.reader.handle(fixture.plain.id, kind: .dataPack).header.features == [])
    }
}
