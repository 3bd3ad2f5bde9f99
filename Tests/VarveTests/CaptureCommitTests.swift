import Testing
import Varve
import VarveFormat

@Suite struct CaptureCommitTests {
    @Test("A capture of many blobs makes index files on its way, stores nothing twice and is whole")
    func indexesEarly() throws {
        let fixture = try CollectFixture(.none, seed: 21)
        fixture.addFiles(300)
        try fixture.capture { $0.indexedBlobCount = 5 }
        #expect(fixture.paths("index/").count >= 2)
        let early = try fixture.census()
        #expect(early.packs.allSatisfy { $0.isNamed && $0.isPresent })
        let keys = try early.keys
        #expect(Set(keys).count == keys.count, "a blob that an index file names is not stored again")
        var options = Verifier.Options()
        options.level = .data
        options.recordResult = false
        let report = try Verifier(repository: try fixture.open(), options: options, progress: Progress()).run { _ in }
        #expect(report.result == .passed)
        // At the end alone, as small captures do. Without keys the same files are cut alike.
        let late = try CollectFixture(.none, seed: 21)
        late.addFiles(300)
        try late.capture()
        #expect(late.paths("index/").count == 1)
        #expect(try late.census().count == keys.count)
    }

    @Test("The blobs of one long file stand in index files before the file is read to its end")
    func indexesWithinFile() throws {
        let fixture = try CollectFixture(.none, seed: 22)
        // Shared between workers, and several times as long as what may wait to be published.
        var random = SeededBytes(seed: 22)
        FileTool.write(fixture.source.path + "/long", random.bytes(40 << 20))
        try fixture.capture { $0.indexedBlobCount = 5 }
        #expect(fixture.paths("index/").count >= 2)
        let census = try fixture.census()
        #expect(census.packs.allSatisfy { $0.isNamed && $0.isPresent })
        let keys = try census.keys
        #expect(Set(keys).count == keys.count, "a blob that an index file names is not stored again")
    }
}
