public import VarveFormat

/// The newest statement of a verification about a snapshot.
public struct Verification: Sendable, Hashable {
    /// When the verification began.
    public let time: Timestamp
    /// `structure` or `data`.
    public let level: String
    /// `ok`, `damaged` or `incomplete`.
    public let result: String
}

/// The newest statement of a test restore about a snapshot.
public struct Drilled: Sendable, Hashable {
    /// When the drill began.
    public let time: Timestamp
    /// How it ended.
    public let result: DrillResult
}

/// That a snapshot was deleted: it no longer counts, and can be brought back until a collector took its space.
public struct Deletion: Sendable, Hashable {
    /// When.
    public let time: Timestamp
    /// `delete`, `forget`, `replaced` or another word.
    public let reason: String
}

/// One snapshot: its id, its manifest and what records say about it.
public struct Snapshot: Sendable {
    /// What later statements come to.
    struct Standing: Sendable {
        var verification: Verification?
        var drill: Drilled?
        var isPinned = false
        var holdUntil: Timestamp?
        var deletion: Deletion?
        var tagChanges: [TagChange] = []
    }

    /// A manifest is large, and lists of 10^5 snapshots hand copies around.
    final class Box: Sendable {
        let manifest: Manifest

        init(_ manifest: Manifest) { self.manifest = manifest }
    }

    /// The name of the manifest.
    public let id: SnapshotID
    /// The newest verification; nil if it was never verified.
    public let verification: Verification?
    /// The newest test restore; nil if there was none.
    public let drill: Drilled?
    /// The manifest's tags as changed since, sorted by their UTF-8 bytes.
    public let tags: [String]
    /// Whether policies leave it alone.
    public let isPinned: Bool
    /// Nobody may delete it before then; may be past. nil without a hold.
    public let holdUntil: Timestamp?
    /// nil unless it was deleted.
    public let deletion: Deletion?
    /// When this machine saw it first; nil where it keeps no memory.
    public let firstSeen: Timestamp?
    let box: Box

    init(_ id: SnapshotID, _ box: Box, _ standing: Standing, firstSeen: Timestamp?) {
        self.id = id
        self.box = box
        self.firstSeen = firstSeen
        verification = standing.verification
        drill = standing.drill
        tags = standing.tagChanges.reduce(box.manifest.tags) { $1.applied(to: $0) }
        isPinned = standing.isPinned
        holdUntil = standing.holdUntil
        deletion = standing.deletion
    }

    /// Makes a snapshot of its manifest alone.
    package init(id: SnapshotID, manifest: Manifest) {
        self.init(id, Box(manifest), Standing(), firstSeen: nil)
    }

    /// The stored record of the capture.
    public var manifest: Manifest { box.manifest }
    /// Where it stands among all statements: greater than that of all which its writer saw.
    public var sequence: Int { box.manifest.sequence }
    /// `ok`, `damaged`, `incomplete` or `unverified`.
    public var status: String { verification?.result ?? "unverified" }

    /// Whether nobody may delete it at a moment.
    public func isHeld(at now: Timestamp) -> Bool { holdUntil.map { now < $0 } ?? false }
}
