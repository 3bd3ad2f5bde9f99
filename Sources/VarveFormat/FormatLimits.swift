/// The kinds of stored unit (FORMAT.md section 3.3).
public enum BlobType: UInt8, Sendable, CaseIterable {
    case data = 1
    case list = 2
    case tree = 3
    case treeList = 4
}

/// The kinds of file that carry a file header (FORMAT.md section 6).
public enum FileKind: UInt8, Sendable, CaseIterable {
    case dataPack = 1
    case treePack = 2
    case index = 3
    case manifest = 4
    case record = 5
}

/// How a repository is sealed (FORMAT.md section 3.1).
public enum Suite: UInt8, Sendable, CaseIterable {
    case none = 0
    case aes256GCM = 1
}

/// Limits that readers enforce before they allocate (FORMAT.md section 14). Bytes unless the name says otherwise.
public enum FormatLimits {
    public static let config = 4_096
    public static let keySlot = 8_192
    public static let manifest = 16_777_216
    public static let indexFile = 268_435_456
    public static let pack = 268_435_456
    public static let packFrameCount = 65_536
    public static let packBlobCount = 131_072
    public static let frame = 16_777_216
    public static let zstdWindow = 16_777_216
    public static let name = 255
    public static let symlinkTarget = 4_095
    public static let xattrName = 255
    public static let xattrValue = 65_536
    public static let treeEntryCount = 65_536
    public static let listLevels = 8
    public static let directoryDepth = 4_096
    public static let tipCount = 64
    /// Encoded entries above which a directory is cut into pieces (FORMAT.md section 9.2).
    public static let treeCutThreshold = 262_144
    public static let treePieceEntryCount = 4_096
    public static let treePiece = 1_048_576
}
