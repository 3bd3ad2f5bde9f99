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
    public var kind: KeySlotKind
    /// The suite of the repository.
    public var suite: Suite
    /// The repository that the slot belongs to.
    public var repositoryID: RepositoryID
    /// log2 of scrypt's N; 0 but in password slots, as are the next three fields.
    public var scryptLogN: UInt8 = 0
    /// scrypt's r.
    public var scryptR: UInt8 = 0
    /// scrypt's p.
    public var scryptP: UInt8 = 0
    /// scrypt's salt, 32 bytes.
    public var scryptSalt = [UInt8](repeating: 0, count: saltByteCount)
    /// When the slot was made, in seconds since 1970.
    public var timeMade: Int64 = 0
    /// The user's name for the slot. Only as many of its characters as fit in 64 bytes of UTF-8 are written, and none
    /// from a zero byte on.
    public var label = ""
    /// The nonce of `sealed`, 12 bytes; zero in a config copy.
    public var nonce = [UInt8](repeating: 0, count: nonceByteCount)
    /// The master key sealed, 48 bytes: ciphertext and tag; zero in a config copy.
    public var sealed = [UInt8](repeating: 0, count: sealedByteCount)

    /// Makes a record without a secret.
    public init(kind: KeySlotKind, suite: Suite, repositoryID: RepositoryID) {
        self.kind = kind
        self.suite = suite
        self.repositoryID = repositoryID
    }

    /// The 256 bytes.
    ///
    /// - Precondition: The salt has 32 bytes, the nonce 12 and the sealed key 48.
    public func encode() -> [UInt8] {
        precondition(
            scryptSalt.count == Self.saltByteCount && nonce.count == Self.nonceByteCount
                && sealed.count == Self.sealedByteCount)
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
        let text = Self.fitting(label)
        writer.raw(text)
        writer.zeros(Self.labelByteCount - text.count)
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
        self.init(kind: kind, suite: suite, repositoryID: try reader.id())
        scryptLogN = try reader.u8()
        scryptR = try reader.u8()
        scryptP = try reader.u8()
        try reader.zeros(5)
        scryptSalt = try reader.raw(Self.saltByteCount)
        try checkStretch()
        timeMade = Int64(bitPattern: try reader.u64())
        label = try Self.label(try reader.raw(Self.labelByteCount))
        nonce = try reader.raw(Self.nonceByteCount)
        sealed = try reader.raw(Self.sealedByteCount)
        try reader.zeros(52)
        try reader.finish()
        guard kind != .configCopy || (nonce + sealed).allSatisfy({ $0 == 0 }) else {
            throw FormatError(.malformed, "a config copy holds a sealed key")
        }
    }

    private func checkStretch() throws(FormatError) {
        guard kind == .password else {
            guard scryptLogN == 0, scryptR == 0, scryptP == 0, scryptSalt.allSatisfy({ $0 == 0 }) else {
                throw FormatError(.malformed, "scrypt parameters in a slot that has no password")
            }
            return
        }
        guard ScryptLimits.logN.contains(scryptLogN), ScryptLimits.r.contains(scryptR),
            ScryptLimits.p.contains(scryptP), 128 * Int(scryptR) << Int(scryptLogN) <= ScryptLimits.memory
        else {
            throw FormatError(.overLimit, "scrypt log2 N \(scryptLogN), r \(scryptR), p \(scryptP)")
        }
    }

    private static func label(_ field: [UInt8]) throws(FormatError) -> String {
        let text = field.prefix { $0 != 0 }
        guard field[text.count...].allSatisfy({ $0 == 0 }), let label = String(validating: text, as: UTF8.self) else {
            throw FormatError(.malformed, "the label of a key slot is not UTF-8 padded with zeros")
        }
        return label
    }

    /// The bytes of as many whole scalars of `label` as have room.
    private static func fitting(_ label: String) -> [UInt8] {
        var bytes: [UInt8] = []
        for scalar in label.unicodeScalars {
            guard bytes.count + UTF8.width(scalar) <= labelByteCount, scalar.value != 0 else { break }
            bytes.append(contentsOf: String(scalar).utf8)
        }
        return bytes
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
