/// The kinds of records that this program knows (FORMAT.md section 10).
public enum RecordKind: String, Sendable, CaseIterable {
    /// How a check of the snapshots ended.
    case verified
    /// How a test restore of the snapshots ended.
    case drilled
    /// The snapshots no longer count.
    case tombstone
    /// Their tombstones are taken back.
    case undelete
    /// Their tags change.
    case tag
    /// Whether a policy may drop them.
    case pin
    /// Until when nobody may delete them.
    case hold
    /// Their manifests vanished without a tombstone, and the owner accepts that.
    case accepted
}

/// What a record says about its subjects: its kind and, typed, its details (FORMAT.md section 10).
public enum Statement: Hashable, Sendable {
    /// How a check ended: level `structure` or `data`; result `ok`, `damaged` or `incomplete`.
    case verified(level: String, result: String)
    /// How a test restore ended.
    case drilled(DrillResult)
    /// The subjects no longer count; the reason is `delete`, `forget`, `replaced` or another word.
    case tombstone(reason: String)
    /// Earlier tombstones of the subjects count no more.
    case undelete
    /// The subjects' tags change.
    case tag(TagChange)
    /// Policies leave the subjects alone, or no longer do.
    case pin(Bool)
    /// Nobody may delete the subjects until then; nil lifts the hold.
    case hold(until: Timestamp?)
    /// The subjects vanished without a tombstone, and that is accepted.
    case accepted

    /// The kind of a record that says this.
    public var kind: RecordKind {
        switch self {
        case .verified: .verified
        case .drilled: .drilled
        case .tombstone: .tombstone
        case .undelete: .undelete
        case .tag: .tag
        case .pin: .pin
        case .hold: .hold
        case .accepted: .accepted
        }
    }

    /// The `details` of a record that says this: an object, empty where the kind has none.
    public var details: JSONValue {
        switch self {
        case .verified(let level, let result): .object(["level": .string(level), "result": .string(result)])
        case .drilled(let result): result.details
        case .tombstone(let reason): .object(["reason": .string(reason)])
        case .undelete, .accepted: .object([:])
        case .tag(let change): change.details
        case .pin(let isPinned): .object(["pinned": .bool(isPinned)])
        case .hold(let until): .object(["until": until.map { .string($0.rfc3339) } ?? .null])
        }
    }

    /// Reads the details of a record.
    ///
    /// - Throws: `.malformed` if they are not those of the kind; keys beyond them are ignored.
    public init(kind: RecordKind, details: JSONValue) throws(FormatError) {
        var fields = try JSONFields(details)
        switch kind {
        case .verified:
            self = .verified(
                level: try fields.required("level", JSONConvert.string),
                result: try fields.required("result", JSONConvert.string))
        case .drilled: self = .drilled(try DrillResult(&fields))
        case .tombstone: self = .tombstone(reason: try fields.required("reason", JSONConvert.string))
        case .undelete: self = .undelete
        case .tag: self = .tag(try TagChange(&fields))
        case .pin: self = .pin(try fields.required("pinned", JSONConvert.bool))
        case .hold:
            guard fields.rest["until"] != nil else { throw FormatError(.malformed, "the key until is missing") }
            self = .hold(
                until: try fields.optional("until") { value throws(FormatError) in
                    try Timestamp(rfc3339: try JSONConvert.string(value))
                })
        case .accepted: self = .accepted
        }
    }
}

/// How a record of kind `tag` changes tags. Sets of tags are sorted by their UTF-8 bytes, each once.
public enum TagChange: Hashable, Sendable {
    /// These and no others.
    case set([String])
    /// First some are taken away, then some are added.
    case change(add: [String], remove: [String])

    /// The tags that a snapshot has after the change.
    public func applied(to tags: [String]) -> [String] {
        switch self {
        case .set(let new): return StrictOrder.sorted(new)
        case .change(let add, let remove):
            // Tags are told apart by their bytes, as they are sorted; == would take equivalent ones for the same.
            let kept = tags.filter { tag in !remove.contains { $0.utf8.elementsEqual(tag.utf8) } }
            return StrictOrder.sorted(kept + add)
        }
    }

    fileprivate var details: JSONValue {
        func array(_ tags: [String]) -> JSONValue { .array(StrictOrder.sorted(tags).map { .string($0) }) }
        switch self {
        case .set(let tags): return .object(["set": array(tags)])
        case .change(let add, let remove):
            var members: [String: JSONValue] = [:]
            if !add.isEmpty { members["add"] = array(add) }
            if !remove.isEmpty { members["remove"] = array(remove) }
            return .object(members)
        }
    }

    fileprivate init(_ fields: inout JSONFields) throws(FormatError) {
        func tags(_ value: JSONValue) throws(FormatError) -> [String] {
            let tags = try JSONConvert.array(value, JSONConvert.string)
            guard StrictOrder.isSorted(tags) else { throw FormatError(.malformed, "not sorted") }
            return tags
        }
        let add = try fields.optional("add", tags)
        let remove = try fields.optional("remove", tags)
        guard let set = try fields.optional("set", tags) else {
            self = .change(add: add ?? [], remove: remove ?? [])
            return
        }
        guard add == nil, remove == nil else { throw FormatError(.malformed, "set beside add or remove") }
        self = .set(set)
    }
}
