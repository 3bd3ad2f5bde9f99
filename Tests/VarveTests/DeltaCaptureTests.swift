import Testing
import Varve
import VarveFormat

@Suite struct DeltaCaptureTests {
    @Test(
        "A changed database is stored as what changed, pages and lists, and reads and restores",
        arguments: Suite.allCases)
    func changed(suite: Suite) throws {
        var stored: [Int] = []
        for deltas in [false, true] {
            let fixture = try DatabaseFixture(suite, seed: 1)
            let first = try fixture.capture(deltas: deltas)
            fixture.change(8, added: 2)
            let second = try fixture.capture(deltas: deltas)
            stored.append(second.manifest.bytes.stored)
            #expect(try fixture.basePacks(.dataPack).isEmpty == !deltas)
            #expect(try fixture.basePacks(.treePack).isEmpty == !deltas)
            let ids = [first, second].compactMap(\.snapshotID)
            try fixture.expectWhole(ids)
            #expect(try fixture.verify().findings.isEmpty)
        }
        #expect(3 * stored[1] < stored[0], "\(stored)")
    }

    @Test("What is too different from its base is stored by itself")
    func different() throws {
        let fixture = try DatabaseFixture(seed: 2)
        try fixture.capture()
        fixture.replace(2)
        try fixture.capture()
        #expect(try fixture.basePacks(.dataPack).isEmpty)
        try fixture.expectWhole(fixture.site.snapshots)
    }

    @Test("Over ten generations each base is a plain frame, and each generation restores")
    func generations() throws {
        let fixture = try DatabaseFixture(seed: 3)
        for generation in 0..<10 {
            try fixture.capture()
            if generation == 4 { fixture.replace(4) }
            fixture.change(10, added: 1)
        }
        let census = try fixture.site.census()
        let packs = try census.packs.indices.map { try census.segmentPack($0) }
        let frames = Dictionary(uniqueKeysWithValues: packs.map { ($0.id, $0.directory.frames) })
        let bases = packs.flatMap(\.directory.frames).compactMap(\.base)
        #expect(bases.count > 10)
        #expect(bases.allSatisfy { frames[$0.pack]?[$0.number].base == nil })
        #expect(Set(bases.map(\.pack)).count > 1, "the fifth generation has new bases")
        try fixture.expectWhole(fixture.site.snapshots)
        #expect(try fixture.verify().findings.isEmpty)
    }

    @Test("Pages whose base is gone are stored anew, and so are the lists that name them")
    func lostBase() throws {
        let fixture = try DatabaseFixture(seed: 4)
        try fixture.capture()
        fixture.change(8)
        try fixture.capture()
        try fixture.removeBases()
        let id = try #require(try fixture.capture().snapshotID)
        try fixture.expectWhole([id])
    }

    @Test("Other files are cut by their content, whatever they begin with")
    func others() {
        func head(_ bytes: [UInt8]) -> [UInt8] { Array("SQLite format 3\0".utf8) + bytes }
        func unit(_ head: [UInt8]) -> Int? {
            let parameters = DatabasePages.parameters(head: head)
            return parameters?.minimum == parameters?.maximum ? parameters?.minimum : nil
        }
        #expect(unit(head([0x10, 0x00])) == 4_096)
        #expect(unit(head([0x02, 0x00])) == 4_096)
        #expect(unit(head([0x80, 0x00])) == 32_768)
        #expect(unit(head([0x00, 0x01])) == 65_536)
        #expect(unit(head([0x00, 0x00])) == nil)
        #expect(unit(head([0x01, 0x00])) == nil)
        #expect(unit(head([0x30, 0x00])) == nil)
        #expect(unit(head([0x10])) == nil)
        #expect(unit(Array("SQLite format 4\0".utf8) + [0x10, 0x00]) == nil)
        #expect(unit([]) == nil)
    }

    @Test("A database with holes, and one that was cut by its content before, are captured")
    func holes() throws {
        let fixture = try DatabaseFixture(seed: 5, pages: 40)
        fixture.punch(pages: 2_000)
        try fixture.capture()
        fixture.change(6, added: 3)
        try fixture.capture()
        try fixture.expectWhole(fixture.site.snapshots)
    }
}

@Suite struct DeltaVerifyTests {
    @Test("A damaged base names the paths of every snapshot that needs it", arguments: Suite.allCases)
    func damaged(suite: Suite) throws {
        let fixture = try DatabaseFixture(suite, seed: 6)
        try fixture.capture()
        // Not one page of the first state is left: the second needs the bases alone.
        fixture.change(1)
        let second = try #require(try fixture.capture().snapshotID)
        let (pack, offset) = try fixture.base(.dataPack)
        try fixture.flip(RepositoryPath.pack(.dataPack, pack), at: offset + 500)
        let (report, findings) = try fixture.verify()
        #expect(report.result == .failed)
        let paths = findings.filter { $0.kind == .damagedPath }
        #expect(Set(paths.compactMap(\.snapshot)) == Set(fixture.site.snapshots))
        #expect(paths.allSatisfy { $0.path == Array(fixture.path.utf8) })
        let restored = try fixture.restore(second).report
        #expect(restored.damagedTotal == 1)
    }

    @Test("A missing base is missing, not damage")
    func missing() throws {
        let fixture = try DatabaseFixture(seed: 7)
        try fixture.capture()
        fixture.change(1)
        try fixture.capture()
        try fixture.removeBases()
        let (report, findings) = try fixture.verify()
        #expect(report.result == .incomplete)
        #expect(Set(findings.filter { $0.kind == .damagedPath }.compactMap(\.snapshot)) == Set(fixture.site.snapshots))
    }

    @Test("An index made anew from the packs knows every base")
    func repair() throws {
        let fixture = try DatabaseFixture(seed: 8)
        try fixture.capture()
        fixture.change(9)
        try fixture.capture()
        for path in fixture.site.paths("index/") { try fixture.site.backend.remove(path) }
        try fixture.expectWhole(fixture.site.snapshots)
        let report = try IndexRepair(repository: try fixture.site.open(), progress: Progress()).run()
        #expect(report.indexFilesWritten > 0)
        #expect(try !fixture.basePacks(.dataPack).isEmpty)
        #expect(try fixture.verify().findings.isEmpty)
    }
}
