import Testing
import VarveFormat

@Suite struct FileNameJSONTests {
    @Test("A name that is UTF-8 is a string and keeps its bytes whatever its normal form", arguments: [
        "a", "", "é", "e\u{301}", "a\"\n\u{1}",
    ])
    func text(name: String) throws {
        let bytes = Array(name.utf8)
        guard case .string(let text) = FileNameJSON.encode(bytes) else {
            Issue.record("not a string")
            return
        }
        #expect(Array(text.utf8) == bytes)
        let stored = try JSONValue(parsing: FileNameJSON.encode(bytes).canonicalBytes())
        #expect(try FileNameJSON.decode(stored) == bytes)
    }

    @Test("A name that is not UTF-8 is base64 in an object", arguments: [
        [0xff], [0x2f, 0x61, 0xff], [0xed, 0xa0, 0x80],
    ])
    func otherBytes(name: [UInt8]) throws {
        let value = FileNameJSON.encode(name)
        #expect(value == .object(["base64": .string(Base64.encode(name))]))
        #expect(try FileNameJSON.decode(value) == name)
    }

    @Test("Any other value is refused", arguments: [
        JSONValue.null, .integer(1), .object([:]), .object(["base64": .integer(1)]),
        .object(["base64": .string("L/8")]),
    ])
    func refused(value: JSONValue) {
        #expect(refusal { () throws(FormatError) in try FileNameJSON.decode(value) } == .malformed)
    }
}
