import Testing
import Varve
import VarveFormat

@Suite struct IndexRepairTests {
    private static func repair(_ fixture: VerifyFixture) throws -> IndexRepair.Report {
        try IndexRepair(repository: try fixture.open(), progress: Progress()).run()
    }

    @Test("A true index stays as it is", arguments: Suite.allCases)
    func sound(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        let before = fixture.paths("index/")
        let report = try Self.repair(fixture)
        #expect(report.packsRead == fixture.paths("packs/").count)
        #expect(report.indexFilesWritten == 0 && report.indexFilesRemoved == 0)
        #expect(fixture.paths("index/") == before)
        #expect(fixture.paths("sessions/").isEmpty)
    }

    @Test("A lost or damaged index is made anew from the packs", arguments: Suite.allCases)
    func lost(suite: Suite) throws {
        let fixture = try VerifyFixture(suite)
        let index = fixture.paths("index/")
        try fixture.backend.remove(index[0])
        var bytes = try fixture.backend.read(index[1], limit: .max)
        bytes[100] ^= 1
        try fixture.backend.replace(index[1], bytes)
        let report = try Self.repair(fixture)
        #expect(report.indexFilesWritten == 1 && report.indexFilesRemoved == 1)
        #expect(!fixture.paths("index/").contains(index[1]))
        let repository = try fixture.open()
        let known = try repository.openIndex(isUsable: nil).knownPacks()
        #expect(known.count == fixture.paths("packs/").count)
        #expect(try fixture.verify().report.result == .passed)
    }

    @Test("An index file that names an absent pack goes, and what else it named stays known")
    func absentPack() throws {
        let fixture = try VerifyFixture(.aes256GCM)
        try fixture.backend.remove(fixture.paths("packs/data/")[0])
        let report = try Self.repair(fixture)
        #expect(report.indexFilesWritten == 1 && report.indexFilesRemoved == 1)
        let known = try fixture.open().openIndex(isUsable: nil).knownPacks()
        #expect(Set(known.map(\.hex)) == Set(fixture.paths("packs/").map { String($0.suffix(64)) }))
        let after = try fixture.verify(.structure).report
        #expect(after.missingPacks == 0)
        #expect(after.result == .incomplete, "blobs are missing all the same")
    }

    @Test("What only an index file knows of a pack with a damaged end is kept")
    func damagedEnd() throws {
        let fixture = try VerifyFixture(.none)
        let packs = fixture.paths("packs/data/")
        try fixture.backend.remove(fixture.paths("packs/tree/")[0])
        for path in packs {
            var bytes = try fixture.backend.read(path, limit: .max)
            bytes[bytes.count - 10] ^= 1
            try fixture.backend.replace(path, bytes)
        }
        let report = try Self.repair(fixture)
        #expect(report.damagedPacks.count == packs.count)
        let known = try fixture.open().openIndex(isUsable: nil).knownPacks()
        #expect(Set(known.map(\.hex)) == Set(fixture.paths("packs/").map { String($0.suffix(64)) }))
        #expect(try Self.repair(fixture).indexFilesWritten == 0, "a second run has nothing left to do")
    }

    @Test("An index file of which others name every pack goes")
    func superseded() throws {
        let fixture = try VerifyFixture(.none)
        let old = fixture.paths("index/")
        try fixture.without(old) { _ = try Self.repair(fixture) }
        let merged = fixture.paths("index/").filter { !old.contains($0) }
        #expect(merged.count == 1)
        let report = try Self.repair(fixture)
        #expect(report.indexFilesWritten == 0 && report.indexFilesRemoved == old.count)
        #expect(fixture.paths("index/") == merged)
    }
}
