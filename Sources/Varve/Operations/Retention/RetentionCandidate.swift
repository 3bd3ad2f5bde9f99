public import VarveFormat

/// What the keep rules look at in a snapshot.
public struct RetentionCandidate: Sendable {
    /// The snapshot's id.
    public var id: SnapshotID
    /// 1 + the highest sequence of the tips that its writer saw, so that it is later than all of those.
    public var sequence: Int
    /// When it was made, as its writer claims.
    public var time: Timestamp
    /// When this machine first saw it; nil if that is not known.
    public var firstSeen: Timestamp?
    /// The machine that it was made on, as its writer claims.
    public var host: String
    /// The job that made it, if it had a name.
    public var job: String?
    /// What was captured, absolute.
    public var paths: [[UInt8]]
    /// Its tags as of now.
    public var tags: [String] = []
    /// How far it got.
    public var state = SnapshotState.complete
    /// Who asked for it.
    public var origin = SnapshotOrigin.user
    /// Somebody wants it kept until further notice.
    public var isPinned = false
    /// Somebody wants it kept until then.
    public var holdUntil: Timestamp?
    /// By how many bytes it made the repository grow.
    public var bytesStored: UInt64 = 0

    /// Makes a candidate: complete, made by a user, not protected.
    public init(
        id: SnapshotID, sequence: Int, time: Timestamp, firstSeen: Timestamp? = nil, host: String, job: String? = nil,
        paths: [[UInt8]]
    ) {
        self.id = id
        self.sequence = sequence
        self.time = time
        self.firstSeen = firstSeen
        self.host = host
        self.job = job
        self.paths = paths
    }

    /// Takes what rules look at from a snapshot.
    public init(_ snapshot: Snapshot) {
        let manifest = snapshot.manifest
        self.init(
            id: snapshot.id, sequence: snapshot.sequence, time: manifest.time, firstSeen: snapshot.firstSeen,
            host: manifest.host, job: manifest.job, paths: manifest.paths)
        tags = snapshot.tags
        state = manifest.state
        origin = manifest.origin
        isPinned = snapshot.isPinned
        holdUntil = snapshot.holdUntil
        bytesStored = UInt64(max(0, manifest.bytes.stored))
    }

    /// Neither a checkpoint nor a safety snapshot: what rules count.
    var isOrdinary: Bool { state != .interrupted && origin != .safety }
}
