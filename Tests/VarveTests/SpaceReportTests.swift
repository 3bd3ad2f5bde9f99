import Testing
import Varve
import VarveFormat

@Suite struct SpaceReportTests {
    private static func history(_ seed: UInt64) throws -> CollectFixture {
        let fixture = try CollectFixture(seed % 2 == 0 ? .none : .aes256GCM, seed: seed)
        for number in 0..<4 {
            fixture.addFiles(number == 0 ? 60 : 12)
            if number > 0 { fixture.change(4) }
            try fixture.capture()
        }
        return fixture
    }

    @Test("Unique and shared bytes are those that plain walks find", arguments: 1...8 as ClosedRange<UInt64>)
    func sameAsReference(seed: UInt64) throws {
        let fixture = try Self.history(seed)
        let chosen = fixture.snapshots.filter { _ in fixture.below(2) == 0 }
        let others = fixture.snapshots.filter { !chosen.contains($0) }
        let report = try SpaceReport(of: try fixture.open(), without: chosen, progress: Progress())
        let (these, rest) = (try fixture.reached(chosen), try fixture.reached(others))
        let census = try fixture.census()
        var lengths: [CollectFixture.Key: Int] = [:]
        for number in census.packs.indices {
            for blob in try census.segmentPack(number).directory.frames.flatMap(\.blobs) {
                lengths[CollectFixture.Key(type: blob.type, id: blob.id)] = blob.length
            }
        }
        func bytes(_ keys: Set<CollectFixture.Key>) -> UInt64 { keys.reduce(0) { $0 + UInt64(lengths[$1] ?? 0) } }
        #expect(report.uniqueBytes == bytes(these.subtracting(rest)), "seed \(seed)")
        #expect(report.sharedBytes == bytes(these.intersection(rest)), "seed \(seed)")
        #expect(report.uniqueBlobs == these.subtracting(rest).count, "seed \(seed)")
        #expect(report.freedAtOnceBytes <= report.freedBytes, "seed \(seed)")
    }

    @Test("What a report promises is about what a collection then frees", arguments: 1...4 as ClosedRange<UInt64>)
    func promise(seed: UInt64) throws {
        let fixture = try Self.history(seed)
        func stored() throws -> UInt64 { try fixture.census().packs.reduce(0) { $0 + $1.length } }
        // So that nothing but these snapshots is freed.
        try fixture.collect(keeping: fixture.snapshots) { $0.maxUnused = 0 }
        let idle = try SpaceReport.reclaimable(in: try fixture.open(), progress: Progress())
        #expect(idle.unreferencedBytes == 0 && idle.unusedBytes < 1_000, "seed \(seed)")
        let before = try stored()
        let gone = Array(fixture.snapshots.prefix(3))
        let report = try SpaceReport(of: try fixture.open(), without: gone, progress: Progress())
        for id in gone { try fixture.backend.remove("manifests/\(id.hex)") }
        let reclaimable = try SpaceReport.reclaimable(in: try fixture.open(), progress: Progress())
        let promised = reclaimable.unreferencedBytes + reclaimable.unusedBytes
        #expect(Self.isNear(promised, report.freedBytes), "seed \(seed)")
        try fixture.collect(keeping: Array(fixture.snapshots.suffix(1))) { $0.maxUnused = 0 }
        let after = try stored()
        #expect(Self.isNear(report.freedBytes, before - after), "seed \(seed)")
    }

    private static func isNear(_ left: UInt64, _ right: UInt64) -> Bool {
        abs(Double(left) - Double(right)) < 0.1 * Double(right) + 20_000
    }

    @Test("A snapshot alone shares nothing, and one that is not there is an error")
    func alone() throws {
        let fixture = try CollectFixture(seed: 3)
        fixture.addFiles(20)
        let id = try fixture.capture()
        let report = try SpaceReport(of: try fixture.open(), without: [id], progress: Progress())
        let count = try fixture.census().count
        #expect(report.sharedBytes == 0 && report.uniqueBlobs == count)
        #expect(report.freedBytes == report.freedAtOnceBytes)
        let error = #expect(throws: StoreError.self) {
            try SpaceReport(of: try fixture.open(), without: [SnapshotID(1, 2, 3, 4)], progress: Progress())
        }
        #expect(error?.code == .notFound)
    }
}
