import Testing
import Varve
import VarveFormat

@Suite struct PlaceTableTests {
    /// Index files of packs that share some of their blobs.
    private static func publish(in fixture: CollectFixture, seed: UInt64) throws -> [BlobID: Set<Int>] {
        var random = SeededBytes(seed: seed)
        func word() -> UInt64 { random.bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
        let ids = (0..<400).map { _ in BlobID(word(), word(), word(), word()) }
        var packs: [SegmentPack] = []
        var holders: [BlobID: Set<Int>] = [:]
        for pack in 0..<60 {
            var frames: [PackFrame] = []
            for _ in 0..<1 + Int(word() % 5) {
                // The same blob in every pack, some in several, most in one.
                var chosen = [ids[0]]
                for _ in 0..<Int(word() % 30) {
                    chosen.append(word() % 3 == 0 ? ids[Int(word() % 400)] : BlobID(word(), word(), word(), word()))
                }
                for id in chosen { holders[id, default: []].insert(pack) }
                let blobs = chosen.map { PackBlob(type: .data, id: $0, length: 1 + Int($0.word0 % 1000)) }
                frames.append(
                    PackFrame(
                        storedLength: 1000, rawLength: blobs.reduce(0) { $0 + $1.length }, codec: .zstd, blobs: blobs))
            }
            packs.append(
                SegmentPack(
                    id: PackID(UInt64(pack), word(), word(), word()), kind: .dataPack, length: 1 << 20,
                    directory: PackDirectory(frames: frames)))
        }
        let repository = try fixture.open()
        let session = try Session.openWriter(on: fixture.backend, program: "test")
        defer { session.close() }
        let writer = IndexWriter(
            backend: fixture.backend, session: session.id, keys: repository.keys, repository: repository.id)
        for start in stride(from: 0, to: packs.count, by: 7) {
            _ = try writer.publish(Array(packs[start..<min(start + 7, packs.count)]))
        }
        return holders
    }

    /// What a census says of each pack, and of each blob in which packs it lies.
    private static func content(_ census: BlobCensus) throws -> (packs: Set<SegmentPack>, holders: [BlobID: Set<Int>]) {
        let packs = Set(try census.packs.indices.map(census.segmentPack))
        var holders: [BlobID: Set<Int>] = [:]
        for id in Set(packs.flatMap(\.directory.frames).flatMap(\.blobs).map(\.id)) {
            for position in try census.positions(of: id, .data) {
                holders[id, default: []].insert(Int(census.packs[census.packNumber(ofPosition: position)].id.word0))
            }
            #expect(try census.positions(of: id, .tree).isEmpty)
        }
        return (packs, holders)
    }

    @Test(
        "A census whose ids lie in a file is the one that holds them in memory",
        arguments: [1, 2, 3, 4, 5] as [UInt64])
    func spilled(seed: UInt64) throws {
        let fixture = try CollectFixture(seed: seed)
        let expected = try Self.publish(in: fixture, seed: seed)
        let cache = try TemporaryDirectory()
        let repository = try fixture.open(cache: cache.path)
        let inMemory = try Self.content(try fixture.census())
        #expect(inMemory.holders == expected, "seed \(seed)")
        for limit in [0, 1, 500, 100_000] {
            let census = try BlobCensus(reading: repository, progress: Progress(), spillLimit: limit)
            let spilled = try Self.content(census)
            #expect(spilled.packs == inMemory.packs && spilled.holders == expected, "seed \(seed), limit \(limit)")
            for position in 0..<census.count {
                let number = census.packNumber(ofPosition: position)
                #expect(census.packs[number].positions.contains(position))
            }
        }
        let segments = try #require(repository.cacheDirectory)
        #expect(TreeImage.names(segments).isEmpty, "the file has no name")
    }

    @Test("Without a place for a file the ids stay in memory")
    func unwritable() throws {
        let fixture = try CollectFixture(seed: 9)
        let expected = try Self.publish(in: fixture, seed: 9)
        let repository = try fixture.open(cache: "/dev/null/nowhere")
        let census = try BlobCensus(reading: repository, progress: Progress(), spillLimit: 0)
        #expect(try Self.content(census).holders == expected)
    }

    @Test("A collection whose census lies in a file plans and moves as any other")
    func plansAlike() throws {
        let fixture = try CollectFixture(seed: 77)
        fixture.addFiles(60)
        try fixture.capture()
        fixture.change(3)
        let last = try fixture.capture()
        let cache = try TemporaryDirectory()
        let repository = try fixture.open(cache: cache.path)
        let spilled = try BlobCensus(reading: repository, progress: Progress(), spillLimit: 0)
        let live = try fixture.live([last], in: spilled)
        let expected = try fixture.plan(keeping: [last])
        #expect(live.count == expected.live.count && live.rawBytes == expected.live.rawBytes)
        let plan = CollectionPlan(
            census: spilled, live: live, condemned: [], options: CollectOptions(), config: repository.config)
        #expect(plan.rewrite == expected.plan.rewrite && plan.unreferenced == expected.plan.unreferenced)
        #expect(plan.bytesUnused == expected.plan.bytesUnused && plan.bytesLive == expected.plan.bytesLive)
        let outcome = try fixture.move(plan, live)
        #expect(outcome.framesMade > 0)
        let after = try fixture.census()
        for pack in outcome.packs { #expect(after.packNumber(of: pack) != nil) }
    }
}
