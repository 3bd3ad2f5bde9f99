/// Takes the keys that a reader knows out of a JSON object; what is left are the keys that it does not know.
struct JSONFields {
    /// The members not taken yet.
    private(set) var rest: [String: JSONValue]

    /// The members not taken, without the memory of those that were: a manifest keeps it, and lists keep many of those.
    var remainder: [String: JSONValue] { rest.isEmpty ? [:] : Dictionary(uniqueKeysWithValues: rest.map { ($0, $1) }) }

    init(_ value: JSONValue) throws(FormatError) {
        guard let members = value.objectValue else { throw FormatError(.malformed, "not a JSON object") }
        rest = members
    }

    /// Takes a key; nil if it is absent or null.
    mutating func optional<Value>(
        _ key: String, _ convert: (JSONValue) throws(FormatError) -> Value
    ) throws(FormatError) -> Value? {
        guard let value = rest.removeValue(forKey: key), !value.isNull else { return nil }
        do {
            return try convert(value)
        } catch {
            throw FormatError(error.code, "\(key): \(error.message)")
        }
    }

    /// Takes a key that must be there.
    mutating func required<Value>(
        _ key: String, _ convert: (JSONValue) throws(FormatError) -> Value
    ) throws(FormatError) -> Value {
        guard let value = try optional(key, convert) else {
            throw FormatError(.malformed, "the key \(key) is missing")
        }
        return value
    }

    /// Takes an array; empty if the key is absent or null.
    mutating func array<Element>(
        _ key: String, limit: Int = .max, _ convert: (JSONValue) throws(FormatError) -> Element
    ) throws(FormatError) -> [Element] {
        try optional(key) { value throws(FormatError) in
            try JSONConvert.array(value, limit: limit, convert)
        } ?? []
    }
}

/// What a JSON value must be to stand for a Swift value.
enum JSONConvert {
    static func string(_ value: JSONValue) throws(FormatError) -> String {
        guard let text = value.stringValue else { throw FormatError(.malformed, "not a string") }
        return text
    }

    static func bool(_ value: JSONValue) throws(FormatError) -> Bool {
        guard let truth = value.boolValue else { throw FormatError(.malformed, "not true or false") }
        return truth
    }

    static func number(_ value: JSONValue) throws(FormatError) -> Double {
        guard let number = value.numberValue else { throw FormatError(.malformed, "not a number") }
        return number
    }

    static func integer(_ value: JSONValue) throws(FormatError) -> Int {
        guard let integer = value.integerValue else { throw FormatError(.malformed, "not an integer") }
        return Int(integer)
    }

    /// An integer that counts something.
    static func count(_ value: JSONValue) throws(FormatError) -> Int {
        let count = try integer(value)
        guard count >= 0 else { throw FormatError(.malformed, "\(count) is negative") }
        return count
    }

    static func id<ID: FixedIdentifier>(_ value: JSONValue) throws(FormatError) -> ID {
        guard let text = value.stringValue, let id = ID(hex: text) else {
            throw FormatError(.malformed, "not \(ID.byteCount * 2) lowercase hexadecimal digits")
        }
        return id
    }

    static func word<Word: RawRepresentable<String>>(_ value: JSONValue) throws(FormatError) -> Word {
        let text = try string(value)
        guard let word = Word(rawValue: text) else { throw FormatError(.unsupported, "unknown word \(text)") }
        return word
    }

    static func object(_ value: JSONValue) throws(FormatError) -> JSONValue {
        guard value.objectValue != nil else { throw FormatError(.malformed, "not an object") }
        return value
    }

    static func array<Element>(
        _ value: JSONValue, limit: Int = .max, _ convert: (JSONValue) throws(FormatError) -> Element
    ) throws(FormatError) -> [Element] {
        guard let elements = value.arrayValue else { throw FormatError(.malformed, "not an array") }
        guard elements.count <= limit else {
            throw FormatError(.overLimit, "\(elements.count) elements, the limit is \(limit)")
        }
        var result: [Element] = []
        result.reserveCapacity(elements.count)
        for element in elements { result.append(try convert(element)) }
        return result
    }
}
