import TOMLKit
import Varve

/// A TOML file as plain values. TOMLKit is used here alone: it has the traps that `check` keeps away from it.
struct ConfigurationDocument {
    /// A value of any kind.
    indirect enum Node {
        case string(String)
        case integer(Int)
        case number(Double)
        case flag(Bool)
        /// A date, a time or both.
        case date
        case array([Node])
        case table([(key: String, value: Node)])

        /// The kind, behind "is".
        var kind: String {
            switch self {
            case .string: "a string"
            case .integer: "a whole number"
            case .number: "a number with a fraction"
            case .flag: "true or false"
            case .date: "a date or time"
            case .array: "a list"
            case .table: "a table"
            }
        }
    }

    /// What keeps a file from being read at all.
    struct Failure: Error {
        let line: Int?
        let message: String
        let remedy: String
    }

    /// A file that people write has no business being longer.
    static let sizeLimit = 256 << 10
    /// Deeper than any key, and shallow enough for a parser that calls itself.
    private static let depthLimit = 8
    private static let dotLimit = 64

    let root: [(key: String, value: Node)]
    let lines: ConfigurationLines

    init(_ bytes: [UInt8]) throws(Failure) {
        let text = try Self.check(bytes)
        do {
            let table = try TOMLTable(string: text)
            root = withExtendedLifetime(table) { Self.members(table, depth: 0) }
        } catch let error as TOMLParseError {
            throw Failure(
                line: error.source.begin.line, message: Self.sentence(error.description),
                remedy: "correct the line; https://toml.io describes the syntax")
        } catch {
            throw Failure(line: nil, message: "cannot be parsed", remedy: "https://toml.io describes the syntax")
        }
        lines = ConfigurationLines(bytes)
    }

    /// The text, if it is of a kind that the parser handles: it stops at NUL and calls itself for each level.
    private static func check(_ bytes: [UInt8]) throws(Failure) -> String {
        guard bytes.count <= sizeLimit else {
            throw Failure(
                line: nil, message: "is longer than \(sizeLimit >> 10) KiB",
                remedy: "keep long lists of patterns in a file of their own, as exclude_file")
        }
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            guard String(validating: line, as: UTF8.self) != nil else {
                throw Failure(line: number, message: "is not UTF-8", remedy: "save the file as UTF-8")
            }
            guard !line.contains(0), !hasEscapedZero(line) else {
                throw Failure(line: number, message: "holds a NUL", remedy: "take it out")
            }
            guard dots(line) <= dotLimit else {
                throw Failure(
                    line: number, message: "holds more than \(dotLimit) dots outside of strings",
                    remedy: "no key is nested that deep")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hasEscapedZero(_ line: ArraySlice<UInt8>) -> Bool {
        let text = Array(line)
        for zero in ["\\u0000", "\\U00000000"].map({ Array($0.utf8) }) where text.count >= zero.count {
            for start in 0...(text.count - zero.count) where text[start...].starts(with: zero) { return true }
        }
        return false
    }

    private static func dots(_ line: ArraySlice<UInt8>) -> Int {
        var count = 0
        var quote: UInt8?
        var isEscaped = false
        for byte in line {
            if isEscaped {
                isEscaped = false
            } else if let open = quote {
                if byte == open { quote = nil }
                isEscaped = byte == UInt8(ascii: "\\") && open == UInt8(ascii: "\"")
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if byte == UInt8(ascii: "#") {
                return count
            } else if byte == UInt8(ascii: ".") {
                count += 1
            }
        }
        return count
    }

    /// The parser's words: "Error while parsing key: ..." in lower case.
    private static func sentence(_ text: String) -> String { text.prefix(1).lowercased() + text.dropFirst() }

    private static func members(_ table: TOMLTable, depth: Int) -> [(key: String, value: Node)] {
        table.keys.compactMap { key in table[key].map { (key: key, value: node($0, depth: depth + 1)) } }
    }

    private static func node(_ value: any TOMLValueConvertible, depth: Int) -> Node {
        switch value.type {
        case .string: return .string(value.string ?? "")
        case .int: return .integer(value.int ?? 0)
        case .double: return .number(value.double ?? 0)
        case .bool: return .flag(value.bool ?? false)
        case .date, .time, .dateTime: return .date
        case .array:
            guard depth < depthLimit, let array = value.array else { return .array([]) }
            return .array((0..<array.count).map { node(array[$0], depth: depth + 1) })
        case .table:
            guard depth < depthLimit, let table = value.table else { return .table([]) }
            return .table(members(table, depth: depth))
        }
    }
}
