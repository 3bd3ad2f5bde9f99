import Testing
import VarveFormat

private let sample: Record = {
    var record = Record(
        repositoryID: sampleRepository, kind: "verified", subjects: [FileID(1, 2, 3, 4)],
        time: Timestamp(seconds: 5), tips: [FileID(2, 0, 0, 0), FileID(1, 0, 0, 0)], sequence: 9,
        details: .object(["level": .string("data"), "result": .string("ok")]))
    record.extra = ["note": .string("x")]
    return record
}()

private func parse(_ bytes: [UInt8]) throws(FormatError) -> Record {
    try Record(parsing: bytes, repositoryID: sampleRepository)
}

@Suite struct RecordFormatTests {
    @Test("Every property reads back as it was written, tips sorted")
    func roundTrip() throws {
        var expected = sample
        expected.tips.sort()
        #expect(try parse(sample.encode()) == expected)
    }

    @Test("Details that are empty are left out")
    func emptyDetails() throws {
        var record = sample
        record.kind = "undelete"
        record.details = .object([:])
        #expect(record.json()["details"] == nil)
        #expect(try parse(record.encode()).details == .object([:]))
    }

    @Test("Every required key is missed", arguments: [
        "format_version", "kind", "repository_id", "sequence", "subjects", "time", "tips",
    ])
    func requiredKeys(key: String) throws {
        var members = try #require(sample.json().objectValue)
        members[key] = nil
        let bytes = JSONValue.object(members).canonicalFile()
        #expect(refusal { () throws(FormatError) in try parse(bytes) } == .malformed)
    }

    @Test("No damage traps, and what is accepted is written again as it was read")
    func damage() {
        survivesDamage(sample.encode(), parse: parse, encode: { $0.encode() })
    }
}
