/// The first eight bytes of a file header, which tell what carries it (FORMAT.md sections 6 and 7).
package enum FileMagic: String, Sendable, CaseIterable {
    case pack = "varvpack"
    case packTrailer = "varvtail"
    case index = "varvindx"
    case manifest = "varvmani"
    case record = "varvrecd"

    /// The magic at the beginning of a file of this kind.
    package init(_ kind: FileKind) {
        switch kind {
        case .dataPack, .treePack: self = .pack
        case .index: self = .index
        case .manifest: self = .manifest
        case .record: self = .record
        }
    }
}

/// What a reader must know to read a file (FORMAT.md section 6).
package struct ReadFeatures: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// There may be delta frames; of packs and index files only.
    package static let deltas = ReadFeatures(rawValue: 1)

    /// What files of a kind may need.
    fileprivate static func known(_ kind: FileKind) -> ReadFeatures {
        kind.isPack || kind == .index ? .deltas : []
    }
}

/// The clear header of packs and sealed files (FORMAT.md section 6).
package struct FileHeader: Hashable, Sendable {
    /// The length of an encoded header.
    package static let byteCount = 128
    /// The length of a salt and of a commitment.
    package static let saltLength = 32
    private static let version: UInt16 = 1
    private static let checkedLength = 112

    package let kind: FileKind
    package let suite: Suite
    package let features: ReadFeatures
    package let repositoryID: RepositoryID
    /// 32 random bytes.
    package let salt: [UInt8]
    /// 32 bytes that only the right key gives.
    package let commitment: [UInt8]

    /// Makes a header. `salt` and `commitment` are cut or filled with zeros to 32 bytes.
    package init(
        kind: FileKind, suite: Suite, features: ReadFeatures = [], repositoryID: RepositoryID, salt: [UInt8],
        commitment: [UInt8]
    ) {
        self.kind = kind
        self.suite = suite
        self.features = features
        self.repositoryID = repositoryID
        self.salt = Self.fitted(salt)
        self.commitment = Self.fitted(commitment)
    }

    /// The 128 bytes, with a checksum of their own. The secret type of format 1 is 0.
    package func encode(magic: FileMagic, sha256: SHA256Function) -> [UInt8] {
        var writer = ByteWriter()
        writer.bytes.reserveCapacity(Self.byteCount)
        writer.raw(Array(magic.rawValue.utf8))
        writer.u16(Self.version)
        writer.u8(kind.rawValue)
        writer.u8(suite.rawValue)
        writer.zeros(4)
        writer.u64(features.rawValue)
        writer.zeros(8)
        writer.id(repositoryID)
        writer.raw(salt)
        writer.raw(commitment)
        writer.raw(Array(sha256(writer.bytes).bytes.prefix(16)))
        return writer.bytes
    }

    /// Reads 128 bytes that must carry `magic`.
    ///
    /// - Throws: `checksum` before anything else is believed; then `unsupported` for what this program does not know.
    package init(parsing bytes: [UInt8], magic: FileMagic, sha256: SHA256Function) throws(FormatError) {
        guard bytes.count == Self.byteCount else {
            throw FormatError(.truncated, "a file header has \(Self.byteCount) bytes, not \(bytes.count)")
        }
        guard Array(bytes[0..<8]) == Array(magic.rawValue.utf8) else {
            throw FormatError(.malformed, "the file does not begin with \(magic.rawValue)")
        }
        let sum = sha256(Array(bytes[0..<Self.checkedLength])).bytes
        guard Array(sum.prefix(16)) == Array(bytes[Self.checkedLength...]) else {
            throw FormatError(.checksum, "the checksum of the file header does not match")
        }
        var reader = ByteReader(bytes)
        _ = try reader.raw(8)
        let version = try reader.u16()
        guard version == Self.version else { throw FormatError(.unsupported, "file version \(version)") }
        let kind = try reader.u8()
        guard let kind = FileKind(rawValue: kind), FileMagic(kind) == magic || magic == .packTrailer && kind.isPack
        else { throw FormatError(.unsupported, "file kind \(kind) behind the magic \(magic.rawValue)") }
        let suite = try reader.u8()
        guard let suite = Suite(rawValue: suite) else { throw FormatError(.unsupported, "suite \(suite)") }
        let secretType = try reader.u8()
        guard secretType == 0 else { throw FormatError(.unsupported, "secret type \(secretType)") }
        try reader.zeros(3)
        let features = ReadFeatures(rawValue: try reader.u64())
        guard features.isSubset(of: .known(kind)) else {
            throw FormatError(.unsupported, "read features \(features.rawValue)")
        }
        try reader.zeros(8)
        self.init(
            kind: kind, suite: suite, features: features, repositoryID: try reader.id(),
            salt: try reader.raw(Self.saltLength), commitment: try reader.raw(Self.saltLength))
    }

    private static func fitted(_ bytes: [UInt8]) -> [UInt8] {
        bytes.count == saltLength
            ? bytes : Array(bytes.prefix(saltLength)) + Array(repeating: 0, count: max(0, saltLength - bytes.count))
    }
}

extension FileKind {
    /// Whether files of this kind are packs.
    package var isPack: Bool { self == .dataPack || self == .treePack }

    /// Whether a pack of this kind may hold blobs of `type`.
    package func holds(_ type: BlobType) -> Bool {
        switch self {
        case .dataPack: type == .data
        case .treePack: type != .data
        case .index, .manifest, .record: false
        }
    }
}
