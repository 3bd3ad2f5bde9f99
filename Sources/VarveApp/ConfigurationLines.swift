/// On which line of a TOML file a key stands. The parser keeps no positions, so the text is scanned for them; it has
/// been parsed before, so that only what is well-formed arrives here.
struct ConfigurationLines {
    private var lines: [String: Int] = [:]
    /// How many tables of an array of tables there were, by its path.
    private var counts: [String: Int] = [:]
    private let text: [UInt8]
    private var position = 0
    private var line = 1

    init(_ text: [UInt8]) {
        self.text = text
        scan()
    }

    /// The line of `component[1].paths[0]`, or of the innermost of what that stands in.
    func line(of path: String) -> Int? {
        var path = path
        while true {
            if let line = lines[path] { return line }
            guard let end = path.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
            path = String(path[..<end])
        }
    }

    private mutating func scan() {
        var prefix = ""
        while skipSpace(lines: true), position < text.count {
            if peek(UInt8(ascii: "[")) {
                let start = line
                position += 1
                let isArray = peek(UInt8(ascii: "["))
                if isArray { position += 1 }
                let parts = key()
                prefix = resolved(parts, isArray: isArray)
                note(prefix, start)
                while position < text.count, text[position] != UInt8(ascii: "\n") { position += 1 }
            } else {
                let before = position
                statement(prefix)
                if position == before { position += 1 }
            }
        }
    }

    /// The path of a table header, with the number of the table where it is one of an array.
    private mutating func resolved(_ parts: [String], isArray: Bool) -> String {
        var path = ""
        for (number, part) in parts.enumerated() {
            path = Self.joined(path, part)
            if isArray, number == parts.count - 1 {
                note(path, line)
                counts[path, default: 0] += 1
            }
            if let count = counts[path] { path += "[\(count - 1)]" }
        }
        return path
    }

    /// `key = value`
    private mutating func statement(_ prefix: String) {
        let start = line
        var path = prefix
        for part in key() {
            path = Self.joined(path, part)
            note(path, start)
        }
        guard skipSpace(lines: false), peek(UInt8(ascii: "=")) else { return }
        position += 1
        value(path)
    }

    private mutating func value(_ path: String) {
        _ = skipSpace(lines: false)
        guard position < text.count else { return }
        switch text[position] {
        case UInt8(ascii: "["):
            position += 1
            elements(path)
        case UInt8(ascii: "{"):
            position += 1
            while skipSpace(lines: true), position < text.count, !peek(UInt8(ascii: "}")) {
                let before = position
                if peek(UInt8(ascii: ",")) { position += 1 } else { statement(path) }
                if position == before { position += 1 }
            }
            position += 1
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            _ = string()
        default:
            let ends = [UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "#"), UInt8(ascii: "\n")]
            while position < text.count, !ends.contains(text[position]) { position += 1 }
        }
    }

    private mutating func elements(_ path: String) {
        var index = 0
        while skipSpace(lines: true), position < text.count, !peek(UInt8(ascii: "]")) {
            if peek(UInt8(ascii: ",")) {
                position += 1
                index += 1
                continue
            }
            let before = position
            note("\(path)[\(index)]", line)
            value("\(path)[\(index)]")
            if position == before { position += 1 }
        }
        position += 1
    }

    /// A dotted key.
    private mutating func key() -> [String] {
        var parts: [String] = []
        while skipSpace(lines: false), position < text.count {
            if peek(UInt8(ascii: "\"")) || peek(UInt8(ascii: "'")) {
                parts.append(string())
            } else {
                let start = position
                while position < text.count, Self.isBare(text[position]) { position += 1 }
                guard position > start else { break }
                parts.append(String(decoding: text[start..<position], as: UTF8.self))
            }
            guard skipSpace(lines: false), peek(UInt8(ascii: ".")) else { break }
            position += 1
        }
        return parts
    }

    /// A string of any of the four kinds; its text, with escapes as they are written.
    private mutating func string() -> String {
        let quote = text[position]
        let isLong = text[position...].starts(with: [quote, quote, quote])
        position += isLong ? 3 : 1
        let start = position
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                position += 1
                if position < text.count, text[position] == UInt8(ascii: "\n") { line += 1 }
            } else if byte == UInt8(ascii: "\n") {
                line += 1
            } else if byte == quote, !isLong || text[position...].starts(with: [quote, quote, quote]) {
                break
            }
            position += 1
        }
        let end = min(position, text.count)
        position = end + (isLong ? 3 : 1)
        // A long string may end in up to two quotes of its own.
        while isLong, peek(quote) { position += 1 }
        return String(decoding: text[start..<end], as: UTF8.self)
    }

    /// Skips spaces and comments, and line feeds with `lines`. Always true, to stand in conditions.
    private mutating func skipSpace(lines: Bool) -> Bool {
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): position += 1
            case UInt8(ascii: "\n") where lines:
                line += 1
                position += 1
            case UInt8(ascii: "#") where lines:
                while position < text.count, text[position] != UInt8(ascii: "\n") { position += 1 }
            default: return true
            }
        }
        return true
    }

    private func peek(_ byte: UInt8) -> Bool { position < text.count && text[position] == byte }

    private mutating func note(_ path: String, _ line: Int) { if lines[path] == nil { lines[path] = line } }

    private static func joined(_ path: String, _ part: String) -> String { path.isEmpty ? part : path + "." + part }

    private static func isBare(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte &- UInt8(ascii: "0") < 10
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}
