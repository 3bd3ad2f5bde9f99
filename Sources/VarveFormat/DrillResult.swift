/// What a record of kind `drilled` says of a test restore (FORMAT.md section 10).
public struct DrillResult: Hashable, Sendable {
    /// How something ended.
    public enum Outcome: String, Sendable, Hashable {
        /// As it should.
        case ok
        /// Not as it should.
        case failed
    }

    /// How the whole drill ended.
    public var outcome: Outcome
    /// Files that were restored.
    public var files: Int
    /// Bytes of content that were restored.
    public var bytes: Int
    /// `number/count` where only a part of the files was restored, nil for all.
    public var part: String?
    /// How the user's own check ended; nil without one.
    public var check: Outcome?
    /// Whether the restored databases are whole and what the manifest says of them; nil if none was looked at.
    public var databases: Outcome?

    /// Makes a result.
    public init(
        outcome: Outcome, files: Int, bytes: Int, part: String? = nil, check: Outcome? = nil, databases: Outcome? = nil
    ) {
        self.outcome = outcome
        self.files = files
        self.bytes = bytes
        self.part = part
        self.check = check
        self.databases = databases
    }

    var details: JSONValue {
        var members: [String: JSONValue] = [
            "result": .string(outcome.rawValue), "files": .integer(Int64(files)), "bytes": .integer(Int64(bytes)),
        ]
        if let part { members["part"] = .string(part) }
        if let check { members["check"] = .string(check.rawValue) }
        if let databases { members["databases"] = .string(databases.rawValue) }
        return .object(members)
    }

    init(_ fields: inout JSONFields) throws(FormatError) {
        outcome = try fields.required("result", Self.outcome)
        files = try fields.required("files", JSONConvert.count)
        bytes = try fields.required("bytes", JSONConvert.count)
        part = try fields.optional("part", JSONConvert.string)
        check = try fields.optional("check", Self.outcome)
        databases = try fields.optional("databases", Self.outcome)
    }

    private static func outcome(_ value: JSONValue) throws(FormatError) -> Outcome {
        guard let outcome = Outcome(rawValue: try JSONConvert.string(value)) else {
            throw FormatError(.malformed, "neither ok nor failed")
        }
        return outcome
    }
}
