/// How much a keep rule keeps.
public enum RetentionSpan: Hashable, Sendable {
    /// So many; 0 is the same as no rule.
    case count(Int)
    /// As far back as so many seconds from the newest snapshot of the group. Not from now: what a machine that went
    /// out of use has left does not go just because time passes.
    case seconds(Int64)
    /// All of them.
    case unlimited
}

/// Which snapshots are to stay, and which to go.
///
/// A keep rule keeps, a limit drops, and a keep rule wins over a limit. With keep rules alone, what none of them keeps
/// goes. With limits, only what a limit hits goes, and of that only what no keep rule keeps. So each keep rule that is
/// added can only make more stay.
public struct RetentionPolicy: Sendable, Hashable {
    /// What snapshots of one group have in common. Rules count within a group.
    public enum Grouping: String, Sendable, CaseIterable {
        case host, job, paths, tags
    }

    /// The newest snapshots.
    public var keepLast: RetentionSpan?
    /// The newest snapshot of each period that has one, by period.
    public var keepPeriods: [RetentionPeriod: RetentionSpan] = [:]
    /// All that are at most so many seconds older than the newest of their group.
    public var keepWithin: Int64?
    /// All that have one of these tags.
    public var keepTags: [String] = []
    /// Limit: those that were made more than so many seconds before now.
    public var maxAge: Int64?
    /// Limit: those beyond the newest so many of their group.
    public var maxCount: Int?
    /// Limit: the oldest of all, until what the rest made the repository grow by is within so many bytes.
    public var maxSize: UInt64?
    /// What makes a group.
    public var groupBy: Set<Grouping> = [.host, .job, .paths]
    /// Lets the newest snapshot of a group or job go, which otherwise stays whatever the rules say.
    public var allowsEmptyResult = false

    /// Makes a policy without any rule, which is refused as long as none is added.
    public init() {}

    var hasLimits: Bool { maxAge != nil || maxCount != nil || maxSize != nil }

    private var hasKeepRules: Bool {
        let spans = [keepLast].compactMap(\.self) + keepPeriods.values
        return keepWithin != nil || !keepTags.isEmpty || spans.contains { $0 != .count(0) }
    }

    /// - Throws: `usage` for a policy without a rule, and for numbers below 0.
    func validate() throws(StoreError) {
        guard hasLimits || hasKeepRules else {
            throw StoreError(
                .usage, "no rule says what to keep", remedy: "give a rule such as --keep-daily 7 or --max-age 90d")
        }
        for span in [keepLast].compactMap(\.self) + keepPeriods.values {
            switch span {
            case .count(let count) where count < 0: throw Self.negative
            case .seconds(let seconds) where seconds < 0: throw Self.negative
            default: continue
            }
        }
        if (keepWithin ?? 0) < 0 || (maxAge ?? 0) < 0 || (maxCount ?? 0) < 0 { throw Self.negative }
    }

    private static let negative = StoreError(.usage, "a rule has a number below 0")
}
