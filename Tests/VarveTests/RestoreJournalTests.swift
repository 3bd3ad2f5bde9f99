import Glibc
import Testing
import Varve
import VarveFormat

/// Journals that are not what was written: a restore must never take steps back that nobody made.
@Suite struct RestoreJournalTests {
    /// An interrupted restore, and the bytes of its journal.
    private func interrupted() throws -> (fixture: InPlaceFixture, journal: String, bytes: [UInt8]) {
        let fixture = try InPlaceFixture()
        let snapshot = try fixture.captureAndChange()
        let probe = RestoreProbe(leavesAll: true) { what throws(StoreError) in
            if what == "commit" { throw StoreError(.failed, "ended") }
        }
        #expect(throws: StoreError.self) { try fixture.restore(snapshot) { $0.probe = probe } }
        let names = try SafeRoot(Array(fixture.scratch.path.utf8)).directory.list()
        let all = (0..<names.count).map { String(decoding: names.name($0), as: UTF8.self) }
        let stage = try #require(all.first { $0.hasSuffix(".restore") })
        let journal = "\(fixture.scratch.path)/\(stage)/journal"
        return (fixture, journal, FileTool.read(journal))
    }

    @Test func `A journal with any byte flipped, or cut short, is refused, and the whole one still works`() throws {
        let (fixture, journal, bytes) = try interrupted()
        try #require(bytes.count > 500)
        let image = try fixture.image()
        var bad: [[UInt8]] = [[], Array(bytes.dropLast()), bytes + [0]]
        for position in stride(from: 0, to: bytes.count, by: 97) {
            var flipped = bytes
            flipped[position] ^= 0x10
            bad.append(flipped)
            bad.append(Array(bytes.prefix(position)))
        }
        for other in bad {
            FileTool.write(journal, other)
            let error = #expect(throws: StoreError.self) { try fixture.undo() }
            #expect(error?.code == .damaged)
        }
        FileTool.write(journal, bytes)
        let stage = journal.dropFirst(fixture.scratch.path.count).prefix { $0 != "j" }
        let now = try fixture.image().filter { !$0.key.hasPrefix(stage.dropLast()) }
        #expect(now == image.filter { !$0.key.hasPrefix(stage.dropLast()) })
        #expect(try fixture.undo())
        #expect(fixture.text("changed") == "new")
    }
}
