/// The stored record of one snapshot (FORMAT.md section 10). Its id is the name of its file and not inside.
public struct Manifest: Hashable, Sendable {
    /// The number of errors that a manifest lists at most; `errorsTotal` counts the rest too.
    public static let errorLimit = 1_000

    /// The time in UTC as a short name, with `_2`, `_3` ... behind it where the writer knew of a clash.
    public var alias: String?
    /// The version of the captured application, as the user gave it.
    public var appVersion: String?
    /// Sizes.
    public var bytes = SnapshotBytes()
    /// The application's components: objects of `name`, `type`, `kind` and `paths`.
    public var components: [JSONValue] = []
    /// Numbers of files and blobs.
    public var counts = SnapshotCounts()
    /// One object for each captured database.
    public var databases: [JSONValue] = []
    /// The user's words about the snapshot.
    public var description: String?
    /// How long the capture took.
    public var durationSeconds: Double?
    /// Sources that could not be read, at most `errorLimit`.
    public var errors: [SnapshotError] = []
    /// How many sources could not be read.
    public var errorsTotal = 0
    /// The exclusion rules in force.
    public var excludes: [String] = []
    /// The machine.
    public var host: String
    /// The configured job.
    public var job: String?
    /// Whether every byte was read.
    public var kind: SnapshotKind
    /// The user's name for the snapshot.
    public var name: String?
    /// Who asked for it.
    public var origin: SnapshotOrigin
    /// The snapshot that it was compared with.
    public var parent: SnapshotID?
    /// The captured absolute paths.
    public var paths: [[UInt8]]
    /// Name and version of the writer.
    public var program: String
    /// Features that a reader must know. Format 1 defines none.
    public var readFeatures: [String] = []
    /// Interrupted snapshots of the same job that this one stands for.
    public var replaces: [SnapshotID] = []
    /// The repository.
    public var repositoryID: RepositoryID
    /// 1 + the highest sequence of the tips.
    public var sequence: Int
    /// How far the capture got.
    public var state: SnapshotState
    /// The user's tags; written sorted.
    public var tags: [String] = []
    /// When the capture began.
    public var time: Timestamp
    /// Manifests and records that the writer saw and nothing else names as a tip; written sorted, at most 64.
    public var tips: [FileID]
    /// The root tree.
    public var treeRoot: BlobID
    /// Whether size and mtime alone were trusted.
    public var trustMtime = false
    /// `full`, `data`, `database`, `config` or another word for what was captured.
    public var type: String?
    /// Who ran the program.
    public var user: String?
    /// Results of checks made during the capture, one object each.
    public var validation: [JSONValue] = []
    /// Keys that this program does not know, as they were read.
    public var extra: [String: JSONValue] = [:]

    /// Makes a manifest of the keys that every manifest has.
    public init(
        repositoryID: RepositoryID, host: String, program: String, kind: SnapshotKind, origin: SnapshotOrigin,
        state: SnapshotState, time: Timestamp, paths: [[UInt8]], treeRoot: BlobID, tips: [FileID], sequence: Int
    ) {
        self.repositoryID = repositoryID
        self.host = host
        self.program = program
        self.kind = kind
        self.origin = origin
        self.state = state
        self.time = time
        self.paths = paths
        self.treeRoot = treeRoot
        self.tips = tips
        self.sequence = sequence
    }

    /// The bytes of the file before it is sealed: canonical JSON.
    public func encode() -> [UInt8] { json().canonicalFile() }

    /// The manifest as JSON, without keys that have no value.
    public func json() -> JSONValue {
        var object = JSONMembers(extra)
        object.set("alias", alias)
        object.set("app_version", appVersion)
        object.set("bytes", bytes.json)
        object.set("components", components)
        object.set("counts", counts.json)
        object.set("databases", databases)
        object.set("description", description)
        object.set("duration_seconds", durationSeconds.map { .number($0) })
        object.set("errors", errors.map(\.json))
        object.set("errors_total", .integer(Int64(errorsTotal)))
        object.set("excludes", excludes.map { .string($0) })
        object.set("format_version", .integer(1))
        object.set("host", host)
        object.set("job", job)
        object.set("kind", kind.rawValue)
        object.set("name", name)
        object.set("origin", origin.rawValue)
        object.set("parent", parent?.hex)
        object.set("paths", .array(paths.map(FileNameJSON.encode)))
        object.set("program", program)
        object.set("read_features", readFeatures.map { .string($0) })
        object.set("replaces", replaces.map { .string($0.hex) })
        object.set("repository_id", repositoryID.hex)
        object.set("sequence", .integer(Int64(sequence)))
        object.set("state", state.rawValue)
        object.set("tags", StrictOrder.sorted(tags).map { .string($0) })
        object.set("time", time.rfc3339)
        object.set("tips", .array(Set(tips).sorted().map { .string($0.hex) }))
        object.set("tree_root", treeRoot.hex)
        object.set("trust_mtime", trustMtime ? .bool(true) : nil)
        object.set("type", type)
        object.set("user", user)
        object.set("validation", validation)
        return .object(object.members)
    }

    /// Reads a manifest of the repository `repositoryID`.
    ///
    /// - Throws: `.unsupported` for another format version, an unknown read feature or word, `.mismatch` for another
    ///   repository, `.overLimit`, else `.truncated` or `.malformed`.
    public init(parsing bytes: [UInt8], repositoryID: RepositoryID) throws(FormatError) {
        var fields = try StatementHeader.fields(parsing: bytes, "manifest")
        let header = try StatementHeader(&fields, repositoryID)
        self.init(
            repositoryID: repositoryID, host: try fields.required("host", JSONConvert.string),
            program: try fields.required("program", JSONConvert.string),
            kind: try fields.required("kind", JSONConvert.word),
            origin: try fields.required("origin", JSONConvert.word),
            state: try fields.required("state", JSONConvert.word), time: header.time,
            paths: try fields.required("paths") { value throws(FormatError) in
                try JSONConvert.array(value, FileNameJSON.decode)
            },
            treeRoot: try fields.required("tree_root", JSONConvert.id), tips: header.tips,
            sequence: header.sequence)
        self.bytes = try fields.required("bytes") { value throws(FormatError) in try SnapshotBytes(value) }
        counts = try fields.required("counts") { value throws(FormatError) in try SnapshotCounts(value) }
        errorsTotal = try fields.required("errors_total", JSONConvert.count)
        try readOptional(&fields)
        extra = fields.remainder
    }

    private mutating func readOptional(_ fields: inout JSONFields) throws(FormatError) {
        alias = try fields.optional("alias", JSONConvert.string)
        appVersion = try fields.optional("app_version", JSONConvert.string)
        components = try fields.array("components", JSONConvert.object)
        databases = try fields.array("databases", JSONConvert.object)
        description = try fields.optional("description", JSONConvert.string)
        durationSeconds = try fields.optional("duration_seconds", JSONConvert.number)
        errors = try fields.array("errors", limit: Self.errorLimit) { value throws(FormatError) in
            try SnapshotError(value)
        }
        excludes = try fields.array("excludes", JSONConvert.string)
        job = try fields.optional("job", JSONConvert.string)
        name = try fields.optional("name", JSONConvert.string)
        parent = try fields.optional("parent", JSONConvert.id)
        replaces = try fields.array("replaces", JSONConvert.id)
        tags = try fields.array("tags", JSONConvert.string)
        guard StrictOrder.isSorted(tags) else { throw FormatError(.malformed, "tags: not sorted") }
        trustMtime = try fields.optional("trust_mtime", JSONConvert.bool) ?? false
        type = try fields.optional("type", JSONConvert.string)
        user = try fields.optional("user", JSONConvert.string)
        validation = try fields.array("validation", JSONConvert.object)
    }
}

/// The members of a JSON object being made; what has no value is left out.
struct JSONMembers {
    private(set) var members: [String: JSONValue]

    init(_ members: [String: JSONValue] = [:]) { self.members = members }

    mutating func set(_ key: String, _ value: JSONValue?) { members[key] = value }

    mutating func set(_ key: String, _ text: String?) { members[key] = text.map { .string($0) } }

    mutating func set(_ key: String, _ elements: [JSONValue]) {
        members[key] = elements.isEmpty ? nil : .array(elements)
    }
}

/// Strings sorted by their UTF-8 bytes, each once.
enum StrictOrder {
    static func isSorted(_ texts: [String]) -> Bool {
        zip(texts, texts.dropFirst()).allSatisfy { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    static func sorted(_ texts: [String]) -> [String] {
        let sorted = texts.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        var result: [String] = []
        for text in sorted where !(result.last?.utf8.elementsEqual(text.utf8) ?? false) { result.append(text) }
        return result
    }
}
