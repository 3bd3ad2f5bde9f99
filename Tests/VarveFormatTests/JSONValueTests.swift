import Testing
import VarveFormat

private func canonical(_ value: JSONValue) -> String { String(decoding: value.canonicalBytes(), as: UTF8.self) }

@Suite struct JSONValueTests {
    @Test("Keys are sorted by their UTF-8 bytes, not as Swift sorts strings")
    func keyOrder() {
        let value = JSONValue.object(["é": .null, "e\u{301}x": .null, "z": .null, "Z": .null, "": .null, "a": .null])
        #expect(canonical(value) == "{\"\":null,\"Z\":null,\"a\":null,\"e\u{301}x\":null,\"z\":null,\"é\":null}")
    }

    @Test("Only quotes, backslashes and control characters are escaped")
    func escapes() {
        let text = "\"\\/\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}\u{2028}é😀"
        #expect(
            canonical(.string(text))
                == #""\"\\/\n\r\t\u0008\u000c\u0000\u001f"# + "\u{7f}\u{2028}é😀\"")
    }

    @Test("Integers are written in decimal without exponent", arguments: [Int64.min, -1, 0, 7, 1 << 60, .max])
    func integers(value: Int64) throws {
        #expect(canonical(.integer(value)) == String(value))
        #expect(try JSONValue(parsing: Array(String(value).utf8)) == .integer(value))
    }

    @Test("Other numbers are the shortest decimal without exponent", arguments: [
        (1.25, "1.25"), (0.1, "0.1"), (2, "2.0"), (-0.5, "-0.5"), (1e16, "10000000000000000.0"), (1e-7, "0.0000001"),
        (-1.5e22, "-15000000000000000000000.0"), (123456789.125e-12, "0.000123456789125"), (1.5e-10, "0.00000000015"),
    ])
    func numbers(value: Double, text: String) throws {
        #expect(canonical(.number(value)) == text)
        #expect(try JSONValue(parsing: Array(text.utf8)) == .number(value))
    }

    @Test("Any finite number reads back as itself and a number that JSON cannot write becomes null")
    func numberRoundTrip() throws {
        var random = SplitMix(state: 1)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: random.next())
            guard value.isFinite else {
                #expect(canonical(.number(value)) == "null")
                continue
            }
            let text = canonical(.number(value))
            #expect(!text.contains("e"))
            #expect(try JSONValue(parsing: Array(text.utf8)) == .number(value), "\(value)")
        }
    }

    @Test("A file ends in one line feed")
    func file() { #expect(JSONValue.array([.bool(true), .null]).canonicalFile() == Array("[true,null]\n".utf8)) }

    @Test("Accessors give a value of their own type and nil for every other")
    func accessors() {
        let value = JSONValue.object(["a": .array([.integer(2), .number(0.5), .string("s"), .bool(false), .null])])
        let elements = value["a"]?.arrayValue ?? []
        #expect(elements.map(\.integerValue) == [2, nil, nil, nil, nil])
        #expect(elements.map(\.numberValue) == [2, 0.5, nil, nil, nil])
        #expect(elements.map(\.stringValue) == [nil, nil, "s", nil, nil])
        #expect(elements.map(\.boolValue) == [nil, nil, nil, false, nil])
        #expect(elements.map(\.isNull) == [false, false, false, false, true])
        #expect(value["b"] == nil)
        #expect(JSONValue.null["a"] == nil)
    }
}
