public import VarveFormat

/// What is to happen to one snapshot, and why.
public struct RetentionDecision: Sendable, Hashable {
    /// The snapshot.
    public let id: SnapshotID
    /// Whether it stays.
    public let keeps: Bool
    /// All rules that keep it, or all that drop it, in short texts. Never empty.
    public let reasons: [String]
    /// When it was made, as its writer claims.
    public let claimedTime: Timestamp
    /// When it was made, as far as that claim can be believed. Rules go by this.
    public let time: Timestamp
}

/// What is to happen to all snapshots.
public struct RetentionPlan: Sendable {
    /// The snapshots that rules counted together.
    public struct Group: Sendable {
        /// What they have in common.
        public let key: RetentionGroupKey
        /// Newest first.
        public let decisions: [RetentionDecision]
    }

    /// In order of host, job, paths and tags.
    public let groups: [Group]
    /// How many stay.
    public let kept: Int
    /// Those that go, group after group.
    public let dropped: [SnapshotID]
    /// By how many bytes the size limit is still exceeded, since what is left is protected.
    public let bytesOverLimit: UInt64

    package init(groups: [Group], bytesOverLimit: UInt64) {
        self.groups = groups
        self.bytesOverLimit = bytesOverLimit
        dropped = groups.flatMap { $0.decisions.lazy.filter { !$0.keeps }.map(\.id) }
        kept = groups.reduce(0) { $0 + $1.decisions.count } - dropped.count
    }
}
