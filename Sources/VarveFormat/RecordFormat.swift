/// A later statement about snapshots (FORMAT.md section 10).
public struct Record: Hashable, Sendable {
    /// The repository.
    public var repositoryID: RepositoryID
    /// What is said; a reader ignores records of a kind that it does not know.
    public var kind: String
    /// The snapshots, or other files, that it is said about.
    public var subjects: [FileID]
    /// When it was said.
    public var time: Timestamp
    /// Manifests and records that the writer saw and nothing else names as a tip; written sorted, at most 64.
    public var tips: [FileID]
    /// 1 + the highest sequence of the tips.
    public var sequence: Int
    /// An object whose keys depend on the kind; empty where the kind has none.
    public var details: JSONValue
    /// Keys that this program does not know, as they were read.
    public var extra: [String: JSONValue] = [:]

    /// Makes a record.
    public init(
        repositoryID: RepositoryID, kind: String, subjects: [FileID], time: Timestamp, tips: [FileID], sequence: Int,
        details: JSONValue = .object([:])
    ) {
        self.repositoryID = repositoryID
        self.kind = kind
        self.subjects = subjects
        self.time = time
        self.tips = tips
        self.sequence = sequence
        self.details = details
    }

    /// Makes a record of what `statement` says.
    public init(
        repositoryID: RepositoryID, _ statement: Statement, subjects: [FileID], time: Timestamp, tips: [FileID],
        sequence: Int
    ) {
        self.init(
            repositoryID: repositoryID, kind: statement.kind.rawValue, subjects: subjects, time: time, tips: tips,
            sequence: sequence, details: statement.details)
    }

    /// What the record says; nil for a kind that this program does not know.
    public var statement: Statement? {
        RecordKind(rawValue: kind).flatMap { try? Statement(kind: $0, details: details) }
    }

    /// The bytes of the file before it is sealed: canonical JSON.
    public func encode() -> [UInt8] { json().canonicalFile() }

    /// The record as JSON.
    public func json() -> JSONValue {
        var object = JSONMembers(extra)
        object.set("details", details == .object([:]) ? nil : details)
        object.set("format_version", .integer(1))
        object.set("kind", kind)
        object.set("repository_id", repositoryID.hex)
        object.set("sequence", .integer(Int64(sequence)))
        object.set("subjects", .array(subjects.map { .string($0.hex) }))
        object.set("time", time.rfc3339)
        object.set("tips", .array(Set(tips).sorted().map { .string($0.hex) }))
        return .object(object.members)
    }

    /// Reads a record of the repository `repositoryID`.
    ///
    /// - Throws: `.unsupported` for another format version or an unknown read feature, `.mismatch` for another
    ///   repository, `.overLimit`, else `.truncated` or `.malformed`, as for details that are not those of the kind.
    public init(parsing bytes: [UInt8], repositoryID: RepositoryID) throws(FormatError) {
        var fields = try StatementHeader.fields(parsing: bytes, "record")
        let header = try StatementHeader(&fields, repositoryID)
        self.init(
            repositoryID: repositoryID, kind: try fields.required("kind", JSONConvert.string),
            subjects: try fields.required("subjects") { value throws(FormatError) in
                try JSONConvert.array(value, JSONConvert.id)
            },
            time: header.time, tips: header.tips, sequence: header.sequence,
            details: try fields.optional("details", JSONConvert.object) ?? .object([:]))
        if let kind = RecordKind(rawValue: kind) { _ = try Statement(kind: kind, details: details) }
        extra = fields.remainder
    }
}
