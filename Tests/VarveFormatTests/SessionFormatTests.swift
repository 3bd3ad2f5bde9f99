import Testing
import VarveFormat

private let info = SessionInfo(
    kind: .reader, host: "h", bootID: "b", pidNamespace: "pid:[4026531836]", pid: 4_194_304, startTime: 1 << 40,
    program: "varve 0.1", snapshots: [FileID(4, 3, 2, 1), FileID(1, 2, 3, 4)])

@Suite struct SessionFormatTests {
    @Test("A session reads back as it was written", arguments: SessionKind.allCases)
    func roundTrip(kind: SessionKind) throws {
        var session = info
        session.kind = kind
        #expect(try SessionInfo(parsing: session.encode()) == session)
    }

    @Test("A session of an unknown kind is refused")
    func unknownKind() {
        let text = String(decoding: info.encode(), as: UTF8.self).split(separator: "reader").joined(separator: "mover")
        #expect(refusal { () throws(FormatError) in try SessionInfo(parsing: Array(text.utf8)) } == .unsupported)
    }

    @Test("No damage to a session traps")
    func damage() {
        survivesDamage(
            info.encode(), parse: { (bytes) throws(FormatError) in try SessionInfo(parsing: bytes) },
            encode: { $0.encode() })
    }

    @Test("A beat is a counter and a line feed and nothing else")
    func beat() throws {
        #expect(SessionBeat.encode(0) == Array("0\n".utf8))
        for counter in [0, 1, 1_440, UInt64.max] {
            #expect(try SessionBeat.parse(SessionBeat.encode(counter)) == counter)
        }
        for text in ["", "\n", "1", "01\n", "+1\n", "-1\n", "1\n\n", "1 \n", "18446744073709551616\n"] {
            #expect(refusal { () throws(FormatError) in try SessionBeat.parse(Array(text.utf8)) } == .malformed)
        }
    }

    @Test("Seen names are sorted lines")
    func seen() throws {
        #expect(SessionSeen.encode([]).isEmpty)
        #expect(try SessionSeen.parse([]).isEmpty)
        #expect(SessionSeen.encode(["b", "a-final", "b"]) == Array("a-final\nb\n".utf8))
        #expect(try SessionSeen.parse(Array("a-final\nb\n".utf8)) == ["a-final", "b"])
        #expect(refusal { () throws(FormatError) in try SessionSeen.parse(Array("a\nb".utf8)) } == .truncated)
        #expect(refusal { () throws(FormatError) in try SessionSeen.parse(Array("a\n\nb\n".utf8)) } == .malformed)
        #expect(refusal { () throws(FormatError) in try SessionSeen.parse([0xff, 0x0a]) } == .malformed)
    }
}
