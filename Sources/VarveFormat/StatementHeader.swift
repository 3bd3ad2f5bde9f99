/// The keys that manifests and records share (FORMAT.md section 10).
struct StatementHeader {
    let time: Timestamp
    let tips: [FileID]
    let sequence: Int

    /// The JSON object of a file, within its limit.
    static func fields(parsing bytes: [UInt8], _ what: String) throws(FormatError) -> JSONFields {
        guard bytes.count <= FormatLimits.manifest else {
            throw FormatError(.overLimit, "a \(what) of \(bytes.count) bytes, the limit is \(FormatLimits.manifest)")
        }
        return try JSONFields(try JSONValue(parsing: bytes))
    }

    /// Takes the shared keys. Version and features come first: what they change may make the rest unreadable.
    init(_ fields: inout JSONFields, _ repositoryID: RepositoryID) throws(FormatError) {
        let version = try fields.required("format_version", JSONConvert.integer)
        guard version == 1 else { throw FormatError(.unsupported, "format version \(version)") }
        if let feature = try fields.array("read_features", JSONConvert.string).first {
            throw FormatError(.unsupported, "unknown read feature \(feature)")
        }
        let found: RepositoryID = try fields.required("repository_id", JSONConvert.id)
        guard found == repositoryID else {
            throw FormatError(.mismatch, "of repository \(found.hex), not \(repositoryID.hex)")
        }
        sequence = try fields.required("sequence", JSONConvert.integer)
        guard sequence > 0 else { throw FormatError(.malformed, "sequence: \(sequence) is not positive") }
        time = try fields.required("time") { value throws(FormatError) in
            try Timestamp(rfc3339: try JSONConvert.string(value))
        }
        tips = try fields.required("tips") { value throws(FormatError) in
            try JSONConvert.array(value, limit: FormatLimits.tipCount, JSONConvert.id)
        }
        for (tip, next) in zip(tips, tips.dropFirst()) where tip >= next {
            throw FormatError(.malformed, "tips: not sorted")
        }
    }
}
