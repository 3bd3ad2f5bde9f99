/// What opens a key slot (FORMAT.md section 5).
public enum KeySlotKind: UInt8, Sendable, CaseIterable {
    /// Nothing: the slot only carries a copy of config.
    case configCopy = 0
    /// A password, stretched with scrypt.
    case password = 1
    /// A file of 32 random bytes.
    case keyFile = 2
}

/// The 256 bytes of a key slot that hold the sealed master key (FORMAT.md section 5).
public struct KeySlotRecord: Hashable, Sendable {
    /// Bytes of an encoded record.
    public static let byteCount = 256
    /// Bytes of the label.
    public static let labelByteCount = 64
    /// Bytes of the encoded record that the sealed master key is bound to.
    public static let associatedByteCount = 144
    static let magic = Array("varvslot".utf8)
    /// Bytes of the scrypt salt.
    public static let saltByteCount = 32
    /// Bytes of the nonce.
    public static let nonceByteCount = 12
    /// Bytes of the sealed master key, tag included.
    public static let sealedByteCount = 48

    /// What opens the slot.
    public let kind: KeySlotKind
    /// The suite of the repository.
    public let suite: Suite
    /// The repository that the slot belongs to.
    public let repositoryID: RepositoryID
    /// log2 of scrypt's N; 0 but in password slots, as are the next three fields.
    public let scryptLogN: UInt8
    /// scrypt's r.
    public let scryptR: UInt8
    /// scrypt's p.
    public let scryptP: UInt8
    /// scrypt's salt, 32 bytes.
    public let scryptSalt: [UInt8]
    /// When the slot was made, in seconds since 1970.
    public let timeMade: Int64
    /// The user's name for the slot, at most 64 bytes of UTF-8.
    public let label: String
    /// The nonce of `sealed`, 12 bytes; zero in a config copy.
    public let nonce: [UInt8]
    /// The master key sealed, 48 bytes: ciphertext and tag; zero in a config copy.
    public let sealed: [UInt8]

    /// Makes a record; a label of more than 64 bytes, or with a zero byte, is shortened.
    ///
    /// - Precondition: The salt has 32 bytes, the nonce 12 and the sealed key 48.
    public init(
        kind: KeySlotKind, suite: Suite, repositoryID: RepositoryID, scryptLogN: UInt8 = 0, scryptR: UInt8 = 0,
        scryptP: UInt8 = 0, scryptSalt: [UInt8] = Array(repeating: 0, count: 32), timeMade: Int64, label: String,
        nonce: [UInt8] = Array(repeating: 0, count: 12), sealed: [UInt8] = Array(repeating: 0, count: 48)
    ) {
        precondition(
            scryptSalt.count == Self.saltByteCount && nonce.count == Self.nonceByteCount
                && sealed.count == Self.sealedByteCount)
        self.kind = kind
        self.suite = suite
        self.repositoryID = repositoryID
        self.scryptLogN = scryptLogN
        self.scryptR = scryptR
        self.scryptP = scryptP
        self.scryptSalt = scryptSalt
        self.timeMade = timeMade
        self.label = Self.fitting(label)
        self.nonce = nonce
        self.sealed = sealed
    }

    /// The 256 bytes.
    public func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Self.magic)
        writer.u16(1)
        writer.u8(kind.rawValue)
        writer.u8(suite.rawValue)
        writer.zeros(4)
        writer.id(repositoryID)
        writer.u8(scryptLogN)
        writer.u8(scryptR)
        writer.u8(scryptP)
        writer.zeros(5)
        writer.raw(scryptSalt)
        writer.u64(UInt64(bitPattern: timeMade))
        writer.raw(Array(label.utf8))
        writer.zeros(Self.labelByteCount - label.utf8.count)
        writer.raw(nonce)
        writer.raw(sealed)
        writer.zeros(Self.byteCount - writer.bytes.count)
        return writer.bytes
    }

    /// The bytes that the master key is sealed together with: the record before its nonce.
    public func associatedData() -> [UInt8] { Array(encode().prefix(Self.associatedByteCount)) }

    /// Reads 256 bytes.
    ///
    /// - Throws: `.unsupported` for a version, kind or suite that this program does not know, `.overLimit` for scrypt
    ///   parameters that it refuses to try, else `.truncated` or `.malformed`.
    public init(parsing bytes: [UInt8]) throws(FormatError) {
        var reader = ByteReader(bytes)
        guard try reader.raw(8) == Self.magic else { throw FormatError(.malformed, "not a key slot record") }
        let version = try reader.u16()
        guard version == 1 else { throw FormatError(.unsupported, "key slot version \(version)") }
        let kindNumber = try reader.u8()
        guard let kind = KeySlotKind(rawValue: kindNumber) else {
            throw FormatError(.unsupported, "key slot kind \(kindNumber)")
        }
        let suiteNumber = try reader.u8()
        guard let suite = Suite(rawValue: suiteNumber) else {
            throw FormatError(.unsupported, "suite \(suiteNumber)")
        }
        guard (kind == .configCopy) == (suite == .none) else {
            throw FormatError(.malformed, "a key slot of kind \(kindNumber) in suite \(suiteNumber)")
        }
        try reader.zeros(4)
        let repositoryID = try reader.id(RepositoryID.self)
        let (logN, r, p) = (try reader.u8(), try reader.u8(), try reader.u8())
        try reader.zeros(5)
        let salt = try reader.raw(Self.saltByteCount)
        try Self.checkStretch(kind, logN: logN, r: r, p: p, salt: salt)
        let timeMade = Int64(bitPattern: try reader.u64())
        let label = try Self.label(try reader.raw(Self.labelByteCount))
        let nonce = try reader.raw(Self.nonceByteCount)
        let sealed = try reader.raw(Self.sealedByteCount)
        try reader.zeros(52)
        try reader.finish()
        guard kind != .configCopy || (nonce + sealed).allSatisfy({ $0 == 0 }) else {
            throw FormatError(.malformed, "a config copy holds a sealed key")
        }
        self.init(
            kind: kind, suite: suite, repositoryID: repositoryID, scryptLogN: logN, scryptR: r, scryptP: p,
            scryptSalt: salt, timeMade: timeMade, label: label, nonce: nonce, sealed: sealed)
    }

    private static func checkStretch(
        _ kind: KeySlotKind, logN: UInt8, r: UInt8, p: UInt8, salt: [UInt8]
    ) throws(FormatError) {
        guard kind == .password else {
            guard logN == 0, r == 0, p == 0, salt.allSatisfy({ $0 == 0 }) else {
                throw FormatError(.malformed, "scrypt parameters in a slot that has no password")
            }
            return
        }
        guard ScryptLimits.logN.contains(logN), ScryptLimits.r.contains(r), ScryptLimits.p.contains(p),
            128 * Int(r) << Int(logN) <= ScryptLimits.memory
        else {
            throw FormatError(.overLimit, "scrypt parameters out of range: log2 N \(logN), r \(r), p \(p)")
        }
    }

    private static func label(_ field: [UInt8]) throws(FormatError) -> String {
        let text = field.prefix { $0 != 0 }
        guard field[text.count...].allSatisfy({ $0 == 0 }), let label = String(validating: text, as: UTF8.self) else {
            throw FormatError(.malformed, "the label of a key slot is not UTF-8 padded with zeros")
        }
        return label
    }

    /// As many whole scalars of `label` as have room.
    private static func fitting(_ label: String) -> String {
        var result = String.UnicodeScalarView()
        var count = 0
        for scalar in label.unicodeScalars {
            count += UTF8.width(scalar)
            guard count <= labelByteCount, scalar.value != 0 else { break }
            result.append(scalar)
        }
        return String(result)
    }
}

/// The scrypt parameters that a reader accepts, so that a hostile slot costs it neither memory nor safety.
public enum ScryptLimits {
    /// log2 of N.
    public static let logN: ClosedRange<UInt8> = 15...20
    /// Block size.
    public static let r: ClosedRange<UInt8> = 1...16
    /// Parallelism.
    public static let p: ClosedRange<UInt8> = 1...8
    /// 128 * r * N, in bytes.
    public static let memory = 1_073_741_824
}
