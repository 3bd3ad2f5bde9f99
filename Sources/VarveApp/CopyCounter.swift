import Glibc

/// Counts the rows of every table in a plain SQL dump while it goes by, in pieces of any size.
///
/// What pg_dump writes is SQL and, behind each `COPY name (columns) FROM stdin;`, lines of data up to one that is `\.`
/// (postgresql.org/docs/current/sql-copy.html). Inside of strings, quoted names, dollar quotes and comments such a line
/// means nothing (sql-syntax-lexical.html), so those are followed too.
package struct CopyCounter: Sendable {
    private enum Mode: Sendable, Equatable {
        case sql
        case string(hasEscapes: Bool)
        /// Behind a character that may end a string, or be one that is written twice.
        case stringEnd(hasEscapes: Bool)
        case stringEscape
        case name
        /// Between the dollar signs that begin a quote.
        case dollarTag
        case dollarQuote
        case lineComment
        case blockComment(depth: Int)
        /// A line for psql itself.
        case command
        /// The rest of the line behind `FROM stdin;`.
        case copyLine
        case data
    }

    /// Rows by table, as the dump writes its name: `public.orders`, `"odd name"."x"`.
    package private(set) var rows: [[UInt8]: Int64] = [:]

    private static let shortLimit = 64
    private static let longLimit = 4 << 20
    private static let copy = Array("COPY ".utf8)
    private static let end = Array(" FROM stdin".utf8)

    private var mode = Mode.sql
    /// The statement so far, or the beginning of one that is of no interest.
    private var statement: [UInt8] = []
    private var startsLine = false
    private var column = 0
    /// The last two bytes of SQL.
    private var previous: (UInt8, UInt8) = (10, 10)
    private var tag: [UInt8] = []
    private var matched = 0
    private var hasEscapes = false
    private var table: [UInt8] = []
    private var count: Int64 = 0
    /// How a line of data begins, up to three bytes.
    private var prefix: (UInt8, UInt8) = (0, 0)
    private var prefixCount = 0

    package init() {}

    /// Whether a dump may end here: not in the middle of a table, a string or a comment.
    package var isAtEnd: Bool { (mode == .sql && statement.isEmpty) || mode == .lineComment || mode == .command }

    /// Looks at the next bytes of the dump.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) {
        var position = 0
        while position < bytes.count {
            if mode == .data {
                position = feedData(bytes, position)
            } else {
                take(bytes[position])
                position += 1
            }
        }
    }

    // MARK: data

    private mutating func feedData(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int {
        guard let base = bytes.baseAddress else { return bytes.count }
        var position = start
        while position < bytes.count {
            let found = memchr(base + position, 10, bytes.count - position)
            let end = found.map { base.distance(to: UnsafeRawPointer($0)) } ?? bytes.count
            var next = position
            while prefixCount < 3, next < end {
                if prefixCount == 0 { prefix.0 = bytes[next] }
                if prefixCount == 1 { prefix.1 = bytes[next] }
                prefixCount += 1
                next += 1
            }
            guard found != nil else { return bytes.count }
            position = end + 1
            let isEnd = prefixCount == 2 && prefix == (UInt8(ascii: "\\"), UInt8(ascii: "."))
            prefixCount = 0
            if isEnd {
                rows[table, default: 0] += count
                begin()
                return position
            }
            count += 1
        }
        return position
    }

    /// A new line of SQL, outside of everything.
    private mutating func begin() {
        mode = .sql
        statement.removeAll(keepingCapacity: true)
        column = 0
        previous = (10, 10)
    }

    // MARK: SQL

    private mutating func take(_ byte: UInt8) {
        switch mode {
        case .sql: takeSQL(byte)
        case .data: break
        case .string(let hasEscapes): takeString(byte, hasEscapes)
        case .stringEscape: keep(byte, .string(hasEscapes: true))
        case .stringEnd(let hasEscapes):
            if byte == UInt8(ascii: "'") { keep(byte, .string(hasEscapes: hasEscapes)) } else {
                mode = .sql
                takeSQL(byte)
            }
        case .name: keep(byte, byte == UInt8(ascii: "\"") ? .sql : .name)
        case .dollarTag: takeTag(byte)
        case .dollarQuote: takeDollarQuote(byte)
        case .lineComment, .command:
            if byte == 10 { endLine() }
        case .blockComment(let depth): return takeBlockComment(byte, depth)
        case .copyLine:
            if byte == 10 {
                mode = .data
                count = 0
                prefixCount = 0
            }
        }
        if case .blockComment = mode { previous = (32, 32) } else { previous = (previous.1, byte) }
    }

    private mutating func takeString(_ byte: UInt8, _ hasEscapes: Bool) {
        switch byte {
        case UInt8(ascii: "'"): keep(byte, .stringEnd(hasEscapes: hasEscapes))
        case UInt8(ascii: "\\") where hasEscapes: keep(byte, .stringEscape)
        default: keep(byte, mode)
        }
    }

    private mutating func takeSQL(_ byte: UInt8) {
        let before = previous.1
        switch byte {
        case 10:
            if !statement.isEmpty { keep(byte, .sql) }
            column = 0
            return
        case UInt8(ascii: "'"):
            let isEscaped = (before | 0x20) == UInt8(ascii: "e") && !Self.isNamePart(previous.0)
            keep(byte, .string(hasEscapes: isEscaped || hasEscapes))
        case UInt8(ascii: "\""): keep(byte, .name)
        case UInt8(ascii: "$") where !Self.isNamePart(before):
            tag = []
            keep(byte, .dollarTag)
        case UInt8(ascii: "-") where before == byte: beginComment(.lineComment)
        case UInt8(ascii: "*") where before == UInt8(ascii: "/"): beginComment(.blockComment(depth: 1))
        case UInt8(ascii: "\\") where statement.isEmpty: mode = .command
        case UInt8(ascii: ";"): endStatement()
        case UInt8(ascii: " "), 9, 13:
            if !statement.isEmpty { keep(byte, .sql) }
        default: keep(byte, .sql)
        }
        column += 1
    }

    private mutating func takeTag(_ byte: UInt8) {
        if byte == UInt8(ascii: "$") {
            tag = [byte] + tag + [byte]
            matched = 0
            return keep(byte, .dollarQuote)
        }
        let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        if Self.isNamePart(byte), !(isDigit && tag.isEmpty), tag.count < 64 {
            tag.append(byte)
            return keep(byte, .dollarTag)
        }
        mode = .sql
        takeSQL(byte)
    }

    private mutating func takeDollarQuote(_ byte: UInt8) {
        if byte == tag[matched] {
            matched += 1
        } else {
            matched = byte == UInt8(ascii: "$") ? 1 : 0
        }
        keep(byte, matched == tag.count ? .sql : .dollarQuote)
    }

    private mutating func takeBlockComment(_ byte: UInt8, _ depth: Int) {
        if byte == UInt8(ascii: "/"), previous.1 == UInt8(ascii: "*") {
            mode = depth == 1 ? .sql : .blockComment(depth: depth - 1)
        } else if byte == UInt8(ascii: "*"), previous.1 == UInt8(ascii: "/") {
            mode = .blockComment(depth: depth + 1)
        } else {
            previous = (previous.1, byte)
            return
        }
        previous = (32, 32)
    }

    private mutating func beginComment(_ comment: Mode) {
        if statement.count <= Self.shortLimit || isOfInterest { _ = statement.popLast() }
        mode = comment
    }

    private mutating func endLine() {
        mode = .sql
        column = 0
    }

    private var isOfInterest: Bool { startsLine && statement.starts(with: Self.copy) }

    /// Adds a byte to the statement, as long as it may be a COPY.
    private mutating func keep(_ byte: UInt8, _ next: Mode) {
        mode = next
        if statement.isEmpty { startsLine = column == 0 }
        guard statement.count < Self.shortLimit || (isOfInterest && statement.count < Self.longLimit) else { return }
        statement.append(byte)
    }

    private mutating func endStatement() {
        defer { statement.removeAll(keepingCapacity: true) }
        mode = .sql
        if statement.elementsEqual("SET standard_conforming_strings = off".utf8) { hasEscapes = true }
        guard isOfInterest, statement.suffix(Self.end.count).elementsEqual(Self.end) else { return }
        table = Self.name(Array(statement.dropFirst(Self.copy.count)))
        guard !table.isEmpty else { return }
        rows[table, default: 0] += 0
        mode = .copyLine
    }

    /// The qualified name that a text begins with, quotes included; empty if there is none.
    static func name(_ text: [UInt8]) -> [UInt8] {
        var end = 0
        while end < text.count {
            if text[end] == UInt8(ascii: "\"") {
                // A quote that is written twice ends one part and begins the next.
                guard let close = text[(end + 1)...].firstIndex(of: UInt8(ascii: "\"")) else { return [] }
                end = close + 1
            } else if isNamePart(text[end]) || text[end] == UInt8(ascii: ".") {
                end += 1
            } else { break }
        }
        return Array(text[..<end])
    }

    private static func isNamePart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...0xFF, UInt8(ascii: "$"): true
        default: false
        }
    }
}
