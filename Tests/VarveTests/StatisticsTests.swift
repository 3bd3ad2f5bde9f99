import Testing
import Varve
import VarveFormat

@Suite struct StatisticsTests {
    @Test("Statistics add up what is stored", arguments: Suite.allCases)
    func sums(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        let repository = try fixture.open()
        let statistics = try Statistics(of: repository)
        let snapshots = try repository.snapshots().snapshots
        #expect(statistics.snapshots == 2)
        #expect(statistics.bytesLogical == snapshots.reduce(0) { $0 + UInt64($1.manifest.bytes.total) })
        #expect(statistics.bytesStored == fixture.files.values.reduce(0) { $0 + UInt64($1.count) })
        #expect(statistics.packs == fixture.paths("packs/").count)
        #expect(statistics.oldest == snapshots[1].manifest.time && statistics.newest == snapshots[0].manifest.time)
        let report = try fixture.verify().report
        #expect(statistics.blobs == report.blobsChecked, "every blob of the fixture is in use")
        #expect(statistics.dedupRatio == Double(statistics.bytesLogical) / Double(statistics.bytesUnique))
        #expect(statistics.compressionRatio == Double(statistics.bytesUnique) / Double(statistics.bytesStored))
    }

    @Test("A blob in two packs counts once, and one in an absent pack not at all")
    func places() throws {
        let fixture = try VerifyFixture(.none)
        let before = try Statistics(of: try fixture.open())
        let old = fixture.paths("packs/data/") + fixture.paths("index/")
        try fixture.without(old) { try fixture.backup() }
        let after = try Statistics(of: try fixture.open())
        #expect(after.blobs == before.blobs && after.bytesUnique == before.bytesUnique)
        let gone = try fixture.without(fixture.paths("packs/data/")) { try Statistics(of: try fixture.open()) }
        #expect(gone.blobs < after.blobs)
    }

    @Test("An empty repository has no times and no ratios")
    func empty() throws {
        let repository = try Repository.create(
            on: MemoryBackend(), options: Repository.CreateOptions(), openOptions: Repository.OpenOptions())
        let statistics = try Statistics(of: repository)
        #expect(statistics.snapshots == 0 && statistics.blobs == 0)
        #expect(statistics.bytesStored > 0)
        #expect(statistics.oldest == nil && statistics.dedupRatio == nil && statistics.compressionRatio == nil)
    }
}
