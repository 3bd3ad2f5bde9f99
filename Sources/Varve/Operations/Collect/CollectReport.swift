public import VarveFormat

/// What a collection did, and what it could not do yet.
public struct CollectReport: Sendable {
    /// Packs and manifests that a collection has condemned, and what keeps them.
    public struct Waiting: Sendable {
        /// What is waited for.
        public enum Kind: String, Sendable, CaseIterable {
            /// Sessions that began before the packs were condemned.
            case session
            /// The time that condemned packs stay.
            case grace
            /// A later run: listings of this place may be old.
            case listing
        }

        /// What is waited for.
        public let kind: Kind
        /// Why the packs were condemned.
        public let reason: CondemnedReason
        /// Packs that stay meanwhile, of those that are there.
        public let packs: Int
        /// Bytes of these packs.
        public let bytes: UInt64
        /// Deleted snapshots whose manifests stay meanwhile.
        public let snapshots: Int
        /// When a run may go on; nil where that depends on others.
        public let until: Timestamp?
        /// The sessions that are waited for.
        public let sessions: [Occupant]
    }

    /// A program at work in the repository.
    public struct Occupant: Sendable {
        /// Its session.
        public let id: SessionID
        /// What it does; nil if that cannot be read (yet).
        public let kind: SessionKind?
        /// Where it runs.
        public let host: String?
        /// Its process there.
        public let pid: Int?
        /// Since when, where that can be told.
        public let since: Timestamp?

        init(_ session: SessionEntry) {
            id = session.id
            kind = session.kind
            host = session.info?.host
            pid = session.info?.pid
            since = session.info.flatMap { ProcessIdentity.current.start(of: $0) }
        }
    }

    /// Packs removed.
    public var packsRemoved = 0
    /// Packs of which what is needed was written into new ones.
    public var packsRewritten = 0
    /// Packs written.
    public var packsWritten = 0
    /// Manifests of deleted and replaced snapshots removed.
    public var snapshotsRemoved = 0
    /// Index files removed.
    public var indexFilesRemoved = 0
    /// Index files written.
    public var indexFilesWritten = 0
    /// Bytes of the files removed.
    public var bytesRemoved: UInt64 = 0
    /// Bytes of the packs and index files written.
    public var bytesWritten: UInt64 = 0
    /// By how many bytes the repository became smaller; 0 if it grew.
    public var bytesFreed: UInt64 { bytesRemoved - min(bytesRemoved, bytesWritten) }
    /// Bytes of blobs, before compression, that no snapshot needs and that stay in packs that stay.
    public var bytesUnusedKept: UInt64 = 0
    /// Bytes of blobs, before compression, that snapshots need.
    public var bytesLive: UInt64 = 0
    /// What stays for now, and why.
    public var waitingFor: [Waiting] = []
    /// Deleted snapshots that a reader still uses.
    public var snapshotsInUse: [SnapshotID] = []
    /// Sessions that were ended because nobody runs them any more.
    public var sessionsEnded: [Occupant] = []
    /// What is worth telling, one sentence each.
    public var notices: [String] = []
    /// There was no space to write packs anew: what could be freed without was freed.
    public var ranOutOfSpace = false
    /// Whether nothing was changed: the figures say what would be done.
    public var isDryRun = false
    /// How long it took.
    public var durationSeconds: Double = 0
}
