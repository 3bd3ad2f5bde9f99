public import VarveFormat

/// All snapshots of a repository, and what could not be read.
public struct SnapshotList: Sendable {
    /// A manifest or record that cannot be read.
    public struct Unreadable: Sendable {
        /// The file's name.
        public let id: FileID
        /// `manifests` or `records`.
        public let directory: String
        /// Why.
        public let error: StoreError
    }

    /// Those that count, newest first: not deleted, and no later one of the same job stands for them.
    public let snapshots: [Snapshot]
    /// Deleted ones whose manifest is still there, newest first.
    public let deleted: [Snapshot]
    /// What could not be read.
    public let unreadable: [Unreadable]
    /// Snapshots that this machine has seen at this place, and that are gone without a tombstone, a snapshot that
    /// replaces them, or the owner's consent: somebody deleted their files.
    public let vanished: [SnapshotID]
    /// Whether this machine has seen later statements at this place: records were removed, or an older copy was put in
    /// the repository's place.
    public let isRolledBack: Bool
    /// Snapshots that this machine has seen at other places of the same repository and that are not here: a copy that
    /// is so many snapshots behind.
    public let behind: Int
    /// What a new manifest or record names as its tips: at most 64, sorted.
    package let tips: [FileID]
    /// What a new manifest or record carries as its sequence.
    package let nextSequence: Int
    /// Interrupted ones that a later one of the same job stands for, whose manifest is still there.
    package let superseded: [Snapshot]
    /// Interrupted ones that a later one of the same job stands for, whose manifest is still there, deleted or not.
    package let finishedCheckpoints: Set<SnapshotID>
    /// Deleted ones, whether their manifest is still there or not.
    package let tombstoned: Set<SnapshotID>

    /// Interrupted ones that a later one of the same job stands for, whose manifest is still there.
    public var replaced: Set<SnapshotID> { Set(superseded.map(\.id)) }
    /// All manifests that can be read, deleted and replaced ones included.
    package var every: [Snapshot] { snapshots + superseded + deleted }

    init(reading repository: Repository) throws(StoreError) {
        let graph = try StatementGraph(reading: repository)
        let statements = StatementFold(graph)
        let (tips, nextSequence) = graph.tips()
        let evidence = repository.memory?.compare(
            with: graph, highest: nextSequence - 1, explains: statements.explainsLoss)
        vanished = evidence?.vanished ?? []
        isRolledBack = evidence?.isRolledBack ?? false
        behind = evidence?.behind ?? 0
        var live: [Snapshot] = []
        var deleted: [Snapshot] = []
        var superseded: [Snapshot] = []
        live.reserveCapacity(graph.manifests.count)
        for (entry, standing) in zip(graph.manifests, statements.standings) {
            let snapshot = Snapshot(
                entry.id, entry.box, standing, firstSeen: repository.memory?.firstSeen(entry.id))
            if standing.deletion != nil {
                deleted.append(snapshot)
            } else if statements.replaced.contains(entry.id) {
                superseded.append(snapshot)
            } else {
                live.append(snapshot)
            }
        }
        snapshots = Self.newestFirst(live)
        self.deleted = Self.newestFirst(deleted)
        self.superseded = Self.newestFirst(superseded)
        unreadable = graph.unreadable
        self.tips = tips
        self.nextSequence = nextSequence
        tombstoned = statements.tombstoned
        finishedCheckpoints = statements.replaced
    }

    /// Whether a snapshot counts.
    package func contains(_ id: SnapshotID) -> Bool { snapshots.contains { $0.id == id } }

    private static func newestFirst(_ snapshots: [Snapshot]) -> [Snapshot] {
        let times = snapshots.map(\.box.manifest.time)
        let order = snapshots.indices.sorted {
            times[$0] != times[$1] ? times[$0] > times[$1] : snapshots[$0].id > snapshots[$1].id
        }
        return order.map { snapshots[$0] }
    }
}
