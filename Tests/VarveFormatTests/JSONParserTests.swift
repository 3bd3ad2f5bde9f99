import Testing
import VarveFormat

private func parse(_ text: String) throws(FormatError) -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

@Suite struct JSONParserTests {
    @Test("Any white space between tokens is accepted")
    func whiteSpace() throws {
        #expect(try parse(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n") == parse(#"{"a":[1,2],"b":{}}"#))
    }

    @Test("Every escape is understood")
    func escapes() throws {
        let text = #""\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00\u0000""#
        #expect(try parse(text) == .string("\"\\/\u{8}\u{c}\n\r\té€😀\0"))
    }

    @Test("Numbers with fraction or exponent, and integers beyond 64 bits, are doubles")
    func numbers() throws {
        #expect(try parse("[1.5,1e2,-1E-2,1.0,9223372036854775808]")
            == .array([.number(1.5), .number(100), .number(-0.01), .number(1), .number(9_223_372_036_854_775_808)]))
        #expect(try parse("-0") == .integer(0))
    }

    @Test("Text that is not JSON is refused", arguments: [
        "01", "-01", "1x", "+1", "--1", ".5", "0x10", "1e400", "NaN", "nul1", "True", "{a:1}",
        "{\"a\" 1}", "{\"a\":1,}", "[1,]", "[1 2]", "[,1]", "{,}", "'a'", "\"\\x\"", "\"\\u12g4\"", "\"\t\"", "1 2",
        "{}}", "\u{feff}1", "[1}", "{\"a\":1]", "1.x", "1ex", "{\"a\":1 \"b\":2}", "{1:2}", "/**/1",
    ])
    func malformed(text: String) {
        #expect(refusal { () throws(FormatError) in try parse(text) } == .malformed)
    }

    @Test("Text that ends too early is truncated", arguments: [
        "", " ", "{", "[", "\"", "\"\\", "\"\\u12", "{\"a\"", "{\"a\":", "[1", "[1,", "-", "1.", "1e", "1e+", "tru",
    ])
    func truncated(text: String) {
        #expect(refusal { () throws(FormatError) in try parse(text) } == .truncated)
    }

    @Test("A surrogate without its partner is refused", arguments: [
        #""\ud800""#, #""\udc00""#, #""\ud800\ud800""#, #""\ud800x""#, #""\ud800\n""#, #""\udc00\ud800""#,
    ])
    func surrogates(text: String) {
        #expect(refusal { () throws(FormatError) in try parse(text) } == .malformed)
    }

    @Test("Bytes that are not UTF-8 are refused", arguments: [
        [0xff], [0xc0, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80],
    ] as [[UInt8]])
    func invalidText(middle: [UInt8]) {
        #expect(refusal { () throws(FormatError) in try JSONValue(parsing: [0x22] + middle + [0x22]) } == .malformed)
    }

    @Test("A key that is repeated is refused, also behind an escape and in another normal form")
    func repeatedKeys() {
        for text in [#"{"a":1,"a":1}"#, #"{"a":1,"\u0061":2}"#, "{\"é\":1,\"e\u{301}\":1}", #"[{"b":{"a":1,"a":2}}]"#] {
            #expect(refusal { () throws(FormatError) in try parse(text) } == .malformed)
        }
    }

    @Test("Nesting is refused above its limit, whatever the length")
    func depth() throws {
        let limit = JSONValue.depthLimit
        let deepest = String(repeating: "[", count: limit) + String(repeating: "]", count: limit)
        #expect(try parse(deepest).arrayValue != nil)
        for count in [limit + 1, 1_000_000] {
            let opening = String(repeating: "[", count: count)
            #expect(refusal { () throws(FormatError) in try parse(opening) } == .overLimit)
            let objects = String(repeating: "{\"a\":", count: count)
            #expect(refusal { () throws(FormatError) in try parse(objects) } == .overLimit)
        }
    }
}
