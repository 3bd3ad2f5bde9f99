/// 256 bits: which bytes a `[...]` matches.
struct ByteSet: Sendable, Hashable {
    private var word0: UInt64 = 0
    private var word1: UInt64 = 0
    private var word2: UInt64 = 0
    private var word3: UInt64 = 0

    mutating func insert(_ byte: UInt8) {
        let bit = UInt64(1) << UInt64(byte & 63)
        switch byte >> 6 {
        case 0: word0 |= bit
        case 1: word1 |= bit
        case 2: word2 |= bit
        default: word3 |= bit
        }
    }

    func contains(_ byte: UInt8) -> Bool {
        let word =
            switch byte >> 6 {
            case 0: word0
            case 1: word1
            case 2: word2
            default: word3
            }
        return word & (1 << UInt64(byte & 63)) != 0
    }

    var inverted: ByteSet {
        var result = self
        result.word0 = ~word0
        result.word1 = ~word1
        result.word2 = ~word2
        result.word3 = ~word3
        return result
    }
}

/// One element of a glob pattern.
enum GlobToken {
    case byte(UInt8), anyByte, star, anyDirectories, everything, set(ByteSet)
}

/// Cuts a glob pattern into tokens.
struct GlobParser {
    private let pattern: [UInt8]
    private var position = 0

    init(_ pattern: [UInt8]) { self.pattern = pattern }

    mutating func next() throws(StoreError) -> GlobToken? {
        guard position < pattern.count else { return nil }
        let byte = pattern[position]
        switch byte {
        case UInt8(ascii: "*"):
            return stars()
        case UInt8(ascii: "?"):
            position += 1
            return .anyByte
        case UInt8(ascii: "["):
            position += 1
            return .set(try set())
        case UInt8(ascii: "\\"):
            position += 1
            return .byte(try take("a \\ at its end"))
        default:
            position += 1
            return .byte(byte)
        }
    }

    /// A run of stars: special only where it is a whole path component.
    private mutating func stars() -> GlobToken {
        let slash = UInt8(ascii: "/")
        let start = position
        while position < pattern.count, pattern[position] == UInt8(ascii: "*") { position += 1 }
        guard position - start >= 2, start == 0 || pattern[start - 1] == slash else { return .star }
        if position == pattern.count { return .everything }
        guard pattern[position] == slash else { return .star }
        position += 1
        return .anyDirectories
    }

    private mutating func take(_ problem: String) throws(StoreError) -> UInt8 {
        guard position < pattern.count else {
            throw StoreError(.usage, "the pattern has \(problem)", path: pattern)
        }
        defer { position += 1 }
        return pattern[position]
    }

    private static let open = "a [ without its ]"

    /// What stands between `[` and `]`. A `]` that comes first is literal.
    private mutating func set() throws(StoreError) -> ByteSet {
        var set = ByteSet()
        var byte = try take(Self.open)
        let negated = byte == UInt8(ascii: "!") || byte == UInt8(ascii: "^")
        if negated { byte = try take(Self.open) }
        var isFirst = true
        while isFirst || byte != UInt8(ascii: "]") {
            isFirst = false
            if byte == UInt8(ascii: "["), let members = namedClass() {
                members.forEach { set.insert($0) }
            } else {
                let low = byte == UInt8(ascii: "\\") ? try take(Self.open) : byte
                let high = try rangeEnd() ?? low
                if low <= high { (low...high).forEach { set.insert($0) } }
            }
            byte = try take(Self.open)
        }
        return negated ? set.inverted : set
    }

    /// The byte after a `-` that makes a range; a `-` before the `]` is literal.
    private mutating func rangeEnd() throws(StoreError) -> UInt8? {
        guard position + 1 < pattern.count, pattern[position] == UInt8(ascii: "-"),
            pattern[position + 1] != UInt8(ascii: "]")
        else { return nil }
        position += 1
        let byte = try take(Self.open)
        return byte == UInt8(ascii: "\\") ? try take(Self.open) : byte
    }

    /// The members of `[:name:]`, for ASCII; nil, and nothing consumed, if this is not one.
    private mutating func namedClass() -> [UInt8]? {
        guard position < pattern.count, pattern[position] == UInt8(ascii: ":") else { return nil }
        var end = position + 1
        while end < pattern.count, pattern[end] >= UInt8(ascii: "a"), pattern[end] <= UInt8(ascii: "z") { end += 1 }
        guard end + 1 < pattern.count, pattern[end] == UInt8(ascii: ":"), pattern[end + 1] == UInt8(ascii: "]"),
            let test = Self.classes[String(decoding: pattern[(position + 1)..<end], as: UTF8.self)]
        else { return nil }
        position = end + 2
        return (0...127).filter { test(Unicode.Scalar($0)) }
    }

    private static let classes: [String: @Sendable (Unicode.Scalar) -> Bool] = [
        "alnum": { isLetter($0) || isDigit($0) },
        "alpha": { isLetter($0) },
        "blank": { $0 == " " || $0 == "\t" },
        "cntrl": { $0.value < 32 || $0.value == 127 },
        "digit": { isDigit($0) },
        "graph": { $0.value > 32 && $0.value < 127 },
        "lower": { ("a"..."z").contains($0) },
        "print": { $0.value >= 32 && $0.value < 127 },
        "punct": { $0.value > 32 && $0.value < 127 && !isLetter($0) && !isDigit($0) },
        "space": { $0 == " " || (9...13).contains($0.value) },
        "upper": { ("A"..."Z").contains($0) },
        "xdigit": { isDigit($0) || ("a"..."f").contains($0) || ("A"..."F").contains($0) },
    ]

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
}
