/// Whether every byte of the sources was read (FORMAT.md section 10).
public enum SnapshotKind: String, Sendable, CaseIterable {
    /// Every byte was read.
    case full
    /// Files that had not changed were trusted.
    case quick
}

/// Who asked for a snapshot (FORMAT.md section 10).
public enum SnapshotOrigin: String, Sendable, CaseIterable {
    case user
    case schedule
    /// The program itself, before it did something that overwrites.
    case safety
}

/// How far a snapshot got (FORMAT.md section 10).
public enum SnapshotState: String, Sendable, CaseIterable {
    case complete
    /// Finished, but some sources were unreadable.
    case partial
    /// A checkpoint.
    case interrupted
}

/// Sizes that a manifest gives, in bytes.
public struct SnapshotBytes: Hashable, Sendable {
    /// Logical size of the tree.
    public var total = 0
    /// Read from the source.
    public var read = 0
    /// Plaintext of new blobs.
    public var added = 0
    /// Growth of the packs.
    public var stored = 0

    /// Makes sizes of zero.
    public init() {}
}

/// Numbers of things that a manifest gives.
public struct SnapshotCounts: Hashable, Sendable {
    public var files = 0
    public var dirs = 0
    public var symlinks = 0
    /// Devices, fifos and sockets.
    public var specials = 0
    public var filesNew = 0
    public var filesChanged = 0
    public var filesUnmodified = 0
    /// Paths that a rule excluded.
    public var excluded = 0
    /// Paths that could not be read.
    public var skipped = 0
    public var blobsNew = 0
    public var blobsTotal = 0
    public var packsAdded = 0

    /// Makes counts of zero.
    public init() {}
}

/// A source that could not be read.
public struct SnapshotError: Hashable, Sendable {
    /// The absolute path.
    public var path: [UInt8]
    /// What failed, such as `open`.
    public var operation: String
    /// The system's number for the reason; 0 without one.
    public var errno: Int
    /// The reason in words.
    public var message: String

    /// Makes an error.
    public init(path: [UInt8], operation: String, errno: Int, message: String) {
        self.path = path
        self.operation = operation
        self.errno = errno
        self.message = message
    }

    init(_ value: JSONValue) throws(FormatError) {
        var fields = try JSONFields(value)
        path = try fields.required("path", FileNameJSON.decode)
        operation = try fields.optional("operation", JSONConvert.string) ?? ""
        errno = try fields.optional("errno", JSONConvert.integer) ?? 0
        message = try fields.optional("message", JSONConvert.string) ?? ""
    }

    var json: JSONValue {
        .object([
            "path": FileNameJSON.encode(path), "operation": .string(operation), "errno": .integer(Int64(errno)),
            "message": .string(message),
        ])
    }
}

/// An object of integers under fixed keys, the missing ones being 0.
protocol JSONCounts {
    init()
    static var keys: [(String, WritableKeyPath<Self, Int>)] { get }
}

extension JSONCounts {
    init(_ value: JSONValue) throws(FormatError) {
        self.init()
        var fields = try JSONFields(value)
        for (key, path) in Self.keys {
            self[keyPath: path] = try fields.optional(key, JSONConvert.count) ?? 0
        }
    }

    var json: JSONValue {
        var members: [String: JSONValue] = [:]
        for (key, path) in Self.keys { members[key] = .integer(Int64(self[keyPath: path])) }
        return .object(members)
    }
}

extension SnapshotBytes: JSONCounts {
    static var keys: [(String, WritableKeyPath<Self, Int>)] {
        [("total", \.total), ("read", \.read), ("added", \.added), ("stored", \.stored)]
    }
}

extension SnapshotCounts: JSONCounts {
    static var keys: [(String, WritableKeyPath<Self, Int>)] {
        [
            ("files", \.files), ("dirs", \.dirs), ("symlinks", \.symlinks), ("specials", \.specials),
            ("files_new", \.filesNew), ("files_changed", \.filesChanged), ("files_unmodified", \.filesUnmodified),
            ("excluded", \.excluded), ("skipped", \.skipped), ("blobs_new", \.blobsNew),
            ("blobs_total", \.blobsTotal), ("packs_added", \.packsAdded),
        ]
    }
}
