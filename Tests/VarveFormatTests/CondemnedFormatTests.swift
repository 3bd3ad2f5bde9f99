import Testing
import VarveFormat

@Suite struct CondemnedFormatTests {
    @Test("A condemned record names its packs and snapshots sorted and once")
    func order() throws {
        let record = CondemnedRecord(
            time: Timestamp(seconds: 0, nanoseconds: 5), reason: .rewritten,
            packs: [FileID(2, 0, 0, 0), FileID(1, 0, 0, 0), FileID(2, 0, 0, 0)],
            snapshots: [FileID(9, 0, 0, 0), FileID(3, 0, 0, 0)])
        let expected = """
            varve condemned 1
            time 1970-01-01T00:00:00.000000005Z
            reason rewritten
            pack \(FileID(1, 0, 0, 0).hex)
            pack \(FileID(2, 0, 0, 0).hex)
            snapshot \(FileID(3, 0, 0, 0).hex)
            snapshot \(FileID(9, 0, 0, 0).hex)

            """
        #expect(record.encode() == Array(expected.utf8))
        let read = try CondemnedRecord(parsing: record.encode())
        #expect(read.packs == [FileID(1, 0, 0, 0), FileID(2, 0, 0, 0)])
        #expect(read.snapshots == [FileID(3, 0, 0, 0), FileID(9, 0, 0, 0)])
        #expect(read.time == record.time && read.reason == .rewritten)
    }

    @Test("No damage to a condemned record traps")
    func damage() {
        let record = CondemnedRecord(
            time: Timestamp(seconds: 1), reason: .unreferenced, packs: [FileID(1, 2, 3, 4)],
            snapshots: [FileID(5, 6, 7, 8)])
        survivesDamage(
            record.encode(), parse: { (bytes) throws(FormatError) in try CondemnedRecord(parsing: bytes) },
            encode: { $0.encode() })
    }

    @Test("Names say how far a collection is", arguments: CondemnedName.State.allCases)
    func names(state: CondemnedName.State) {
        var name = CondemnedName(CollectionID(1, 2), state)
        #expect(CondemnedName(name.text) == name)
        name.taker = SessionID(3, 4)
        let isTaken = state == .final || state == .leaving
        #expect((CondemnedName(name.text) == name) == isTaken)
    }

    @Test("Other names in condemned are ignored", arguments: [
        "", "abc", "0123456789abcdef0123456789abcde", "0123456789ABCDEF0123456789ABCDEF",
        "0123456789abcdef0123456789abcdef-", "0123456789abcdef0123456789abcdef.tmp",
        "0123456789abcdef0123456789abcdef-final-withdrawn", "0123456789abcdef0123456789abcdef-final-.d",
        "0123456789abcdef0123456789abcdef.d", "0123456789abcdef0123456789abcdef-final.d.d",
        "0123456789abcdef0123456789abcdef-FINAL",
    ])
    func otherNames(text: String) { #expect(CondemnedName(text) == nil) }
}
