/// Fixed-size identifiers. Byte order is the order of the bytes as stored: the words below are big-endian reads of
/// them, so comparing words compares bytes.

/// The 32-byte name of a blob: keyed BLAKE2b-256 of its plaintext (FORMAT.md section 3.3).
public struct BlobID: Hashable, Comparable, Sendable {
    /// The id's bytes 0 to 7, 8 to 15, 16 to 23 and 24 to 31, each read as a big-endian integer.
    public let word0, word1, word2, word3: UInt64

    /// Makes an id from its four big-endian words.
    @inlinable public init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// Whether the bytes of `left` sort before those of `right`.
    @inlinable public static func < (left: BlobID, right: BlobID) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }

    /// Feeds one word to the hasher: ids are uniformly distributed already.
    @inlinable public func hash(into hasher: inout Hasher) { hasher.combine(word1) }
}

/// The 32-byte name of a repository file: SHA-256 of its bytes. Packs, index files, manifests, key slots and records
/// are all named so; the id of a snapshot is the name of its manifest.
public struct FileID: Hashable, Comparable, Sendable {
    /// The id's bytes 0 to 7, 8 to 15, 16 to 23 and 24 to 31, each read as a big-endian integer.
    public let word0, word1, word2, word3: UInt64

    /// Makes an id from its four big-endian words.
    @inlinable public init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// Whether the bytes of `left` sort before those of `right`.
    @inlinable public static func < (left: FileID, right: FileID) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }
}

/// The name of a pack file.
public typealias PackID = FileID
/// The name of a manifest file, which is the id of the snapshot.
public typealias SnapshotID = FileID

/// The 16 random bytes that name a repository.
public struct RepositoryID: Hashable, Sendable {
    /// The id's bytes 0 to 7 and 8 to 15, each read as a big-endian integer.
    public let word0, word1: UInt64

    /// Makes an id from its two big-endian words.
    @inlinable public init(_ word0: UInt64, _ word1: UInt64) {
        self.word0 = word0
        self.word1 = word1
    }
}

/// The 16 random bytes that name a session.
public struct SessionID: Hashable, Comparable, Sendable {
    /// The id's bytes 0 to 7 and 8 to 15, each read as a big-endian integer.
    public let word0, word1: UInt64

    /// Makes an id from its two big-endian words.
    @inlinable public init(_ word0: UInt64, _ word1: UInt64) {
        self.word0 = word0
        self.word1 = word1
    }

    /// Whether the bytes of `left` sort before those of `right`.
    @inlinable public static func < (left: SessionID, right: SessionID) -> Bool {
        left.word0 != right.word0 ? left.word0 < right.word0 : left.word1 < right.word1
    }
}

/// The 16 random bytes that name a collection's record.
public struct CollectionID: Hashable, Comparable, Sendable {
    /// The id's bytes 0 to 7 and 8 to 15, each read as a big-endian integer.
    public let word0, word1: UInt64

    /// Makes an id from its two big-endian words.
    @inlinable public init(_ word0: UInt64, _ word1: UInt64) {
        self.word0 = word0
        self.word1 = word1
    }

    /// Whether the bytes of `left` sort before those of `right`.
    @inlinable public static func < (left: CollectionID, right: CollectionID) -> Bool {
        left.word0 != right.word0 ? left.word0 < right.word0 : left.word1 < right.word1
    }
}

/// An identifier of a fixed number of big-endian words, and its bytes and hexadecimal forms.
public protocol FixedIdentifier: Hashable, Sendable {
    /// The number of bytes: 16 or 32.
    static var byteCount: Int { get }
    /// The words, most significant first.
    var words: [UInt64] { get }
    /// Makes an id from `byteCount / 8` words.
    init(words: [UInt64])
}

extension BlobID: FixedIdentifier {
    public static var byteCount: Int { 32 }
    public var words: [UInt64] { [word0, word1, word2, word3] }
    public init(words: [UInt64]) { self.init(words[0], words[1], words[2], words[3]) }
}

extension FileID: FixedIdentifier {
    public static var byteCount: Int { 32 }
    public var words: [UInt64] { [word0, word1, word2, word3] }
    public init(words: [UInt64]) { self.init(words[0], words[1], words[2], words[3]) }
}

extension RepositoryID: FixedIdentifier {
    public static var byteCount: Int { 16 }
    public var words: [UInt64] { [word0, word1] }
    public init(words: [UInt64]) { self.init(words[0], words[1]) }
}

extension SessionID: FixedIdentifier {
    public static var byteCount: Int { 16 }
    public var words: [UInt64] { [word0, word1] }
    public init(words: [UInt64]) { self.init(words[0], words[1]) }
}

extension CollectionID: FixedIdentifier {
    public static var byteCount: Int { 16 }
    public var words: [UInt64] { [word0, word1] }
    public init(words: [UInt64]) { self.init(words[0], words[1]) }
}

extension FixedIdentifier {
    /// The bytes in stored order.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(Self.byteCount)
        for word in words {
            for shift in stride(from: 56, through: 0, by: -8) {
                result.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return result
    }

    /// Reads `byteCount` bytes; nil for any other count.
    public init?(bytes: some Collection<UInt8>) { self.init(array: Array(bytes)) }

    /// Loops over collections of any kind are many times slower across modules.
    private init?(array bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        var words: [UInt64] = []
        words.reserveCapacity(Self.byteCount / 8)
        var word: UInt64 = 0
        for (position, byte) in bytes.enumerated() {
            word = word << 8 | UInt64(byte)
            if position % 8 == 7 {
                words.append(word)
                word = 0
            }
        }
        self.init(words: words)
    }

    /// Lowercase hexadecimal, two digits a byte.
    public var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(Self.byteCount * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads exactly `2 * byteCount` lowercase hexadecimal digits; nil for anything else.
    public init?(hex: some StringProtocol) {
        let text = Array(String(hex).utf8)
        guard text.count == Self.byteCount * 2 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        for index in stride(from: 0, to: text.count, by: 2) {
            guard let high = Self.digit(text[index]), let low = Self.digit(text[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        self.init(array: bytes)
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
