extension JSONValue {
    /// Nesting above which JSON is refused, so that parsing needs little stack whatever the input.
    public static let depthLimit = 64

    /// Parses exactly one JSON value (RFC 8259), refusing repeated keys, invalid UTF-8, lone surrogates and anything
    /// behind the value but white space. Keys that are canonically equivalent count as repeated.
    ///
    /// - Throws: `.truncated` if the bytes end too early, `.overLimit` above `depthLimit`, else `.malformed`.
    public init(parsing bytes: [UInt8]) throws(FormatError) {
        var parser = JSONParser(bytes)
        self = try parser.document()
    }
}

/// One pass over the bytes of a JSON text. The recursion is bounded by `JSONValue.depthLimit`.
private struct JSONParser {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(FormatError) -> JSONValue {
        let result = try value(depth: 1)
        skipSpace()
        guard offset == bytes.count else { throw malformed("something stands behind the value") }
        return result
    }

    private mutating func value(depth: Int) throws(FormatError) -> JSONValue {
        guard depth <= JSONValue.depthLimit else {
            throw FormatError(.overLimit, "JSON nested more than \(JSONValue.depthLimit) deep")
        }
        skipSpace()
        switch try peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(FormatError) -> JSONValue {
        offset += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if try take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            let key = try string()
            skipSpace()
            guard try take(UInt8(ascii: ":")) else { throw malformed("a colon is missing") }
            let member = try value(depth: depth + 1)
            guard members.updateValue(member, forKey: key) == nil else { throw malformed("key \(key) is repeated") }
            skipSpace()
            if try take(UInt8(ascii: "}")) { return .object(members) }
            guard try take(UInt8(ascii: ",")) else { throw malformed("a comma or brace is missing") }
        }
    }

    private mutating func array(depth: Int) throws(FormatError) -> JSONValue {
        offset += 1
        var elements: [JSONValue] = []
        skipSpace()
        if try take(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            if try take(UInt8(ascii: "]")) { return .array(elements) }
            guard try take(UInt8(ascii: ",")) else { throw malformed("a comma or bracket is missing") }
        }
    }

    private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(FormatError) -> JSONValue {
        for expected in text.description.utf8 {
            guard try take(expected) else { throw malformed("an unknown word") }
        }
        return value
    }

    private mutating func number() throws(FormatError) -> JSONValue {
        let start = offset
        var isInteger = true
        if try take(UInt8(ascii: "-")) {}
        if try take(UInt8(ascii: "0")) {
            if offset < bytes.count, isDigit(bytes[offset]) { throw malformed("a number with a leading zero") }
        } else {
            try digits()
        }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            isInteger = false
            offset += 1
            try digits()
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            offset += 1
            if try peek() == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw malformed("a number out of range") }
        return .number(value)
    }

    private mutating func digits() throws(FormatError) {
        guard isDigit(try peek()) else { throw malformed("no value, or a digit is missing") }
        while offset < bytes.count, isDigit(bytes[offset]) { offset += 1 }
    }

    private mutating func string() throws(FormatError) -> String {
        guard try take(UInt8(ascii: "\"")) else { throw malformed("a string is missing") }
        var text: [UInt8] = []
        var runStart = offset
        while true {
            let byte = try peek()
            guard byte >= 0x20 else { throw malformed("a control character in a string") }
            guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                offset += 1
                continue
            }
            text.append(contentsOf: bytes[runStart..<offset])
            offset += 1
            if byte == UInt8(ascii: "\"") { break }
            try escape(into: &text)
            runStart = offset
        }
        guard let result = String(validating: text, as: UTF8.self) else { throw malformed("a string is not UTF-8") }
        return result
    }

    private mutating func escape(into text: inout [UInt8]) throws(FormatError) {
        let character = try peek()
        offset += 1
        switch character {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(character)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if code & 0xfc00 == 0xd800 {
                guard try take(UInt8(ascii: "\\")), try take(UInt8(ascii: "u")) else {
                    throw malformed("a lone surrogate")
                }
                let low = try hexadecimal()
                guard low & 0xfc00 == 0xdc00 else { throw malformed("a lone surrogate") }
                code = 0x10000 + (code & 0x3ff) << 10 + low & 0x3ff
            }
            guard let scalar = Unicode.Scalar(code) else { throw malformed("a lone surrogate") }
            text.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: throw malformed("an unknown escape")
        }
    }

    private mutating func hexadecimal() throws(FormatError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            let character = try peek()
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): code = code << 4 | UInt32(character - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): code = code << 4 | UInt32(character - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): code = code << 4 | UInt32(character - UInt8(ascii: "A") + 10)
            default: throw malformed("a hexadecimal digit is missing")
            }
            offset += 1
        }
        return code
    }

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0a, 0x0d: offset += 1
            default: return
            }
        }
    }

    private func peek() throws(FormatError) -> UInt8 {
        guard offset < bytes.count else { throw FormatError(.truncated, "JSON ends at offset \(offset)") }
        return bytes[offset]
    }

    private mutating func take(_ byte: UInt8) throws(FormatError) -> Bool {
        guard try peek() == byte else { return false }
        offset += 1
        return true
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    private func malformed(_ what: String) -> FormatError {
        FormatError(.malformed, "JSON at offset \(offset): \(what)")
    }
}
