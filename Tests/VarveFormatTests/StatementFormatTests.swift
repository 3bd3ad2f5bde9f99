import Testing
import VarveFormat

@Suite struct StatementFormatTests {
    @Test("A record says what it was made to say", arguments: [
        .verified(level: "structure", result: "damaged"), .tombstone(reason: "forget"), .undelete,
        .drilled(DrillResult(outcome: .ok, files: 3, bytes: 1 << 40)),
        .drilled(DrillResult(outcome: .failed, files: 3, bytes: 9, databases: .failed)),
        .drilled(DrillResult(outcome: .failed, files: 0, bytes: 0, part: "2/7", check: .failed)),
        .tag(.set([])), .tag(.set(["a", "b"])), .tag(.change(add: ["a"], remove: ["b", "c"])),
        .tag(.change(add: [], remove: [])), .pin(true), .pin(false), .hold(until: nil),
        .hold(until: Timestamp(seconds: 4_000_000_000, nanoseconds: 7)), .accepted,
    ] as [Statement])
    func roundTrip(statement: Statement) throws {
        let record = Record(
            repositoryID: sampleRepository, statement, subjects: [FileID(1, 2, 3, 4)], time: Timestamp(seconds: 1),
            tips: [], sequence: 1)
        let read = try Record(parsing: record.encode(), repositoryID: sampleRepository)
        #expect(read == record && read.statement == statement)
    }

    @Test("A record of an unknown kind says nothing")
    func unknownKind() {
        let record = Record(
            repositoryID: sampleRepository, kind: "anything", subjects: [], time: Timestamp(seconds: 1), tips: [],
            sequence: 1)
        #expect(record.statement == nil)
    }

    @Test("Tags are written sorted and once")
    func sortedTags() throws {
        let details = Statement.tag(.change(add: ["b", "a", "b"], remove: [])).details
        #expect(details == .object(["add": .array([.string("a"), .string("b")])]))
    }

    @Test("Tags are taken away before others are added, and set replaces all")
    func tagAlgebra() {
        #expect(TagChange.change(add: ["c", "a"], remove: ["b"]).applied(to: ["a", "b"]) == ["a", "c"])
        #expect(TagChange.change(add: ["a"], remove: ["a"]).applied(to: ["a"]) == ["a"])
        #expect(TagChange.set(["z", "y"]).applied(to: ["a"]) == ["y", "z"])
        #expect(TagChange.change(add: [], remove: []).applied(to: ["a"]) == ["a"])
    }

    @Test("Tags that look the same but have other bytes are other tags")
    func equivalentTags() {
        let composed = "\u{E9}", decomposed = "e\u{301}"
        let both = TagChange.change(add: [decomposed], remove: []).applied(to: [composed])
        #expect(both.map { Array($0.utf8) } == [Array(decomposed.utf8), Array(composed.utf8)])
        let one = TagChange.change(add: [], remove: [composed]).applied(to: both)
        #expect(one.map { Array($0.utf8) } == [Array(decomposed.utf8)])
    }
}
