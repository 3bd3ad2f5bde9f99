/// What a verification did and how it ended.
public struct VerifyReport: Sendable {
    /// How a verification ended.
    public enum Result: String, Sendable {
        /// Nothing is wrong.
        case passed = "PASSED"
        /// Something is damaged.
        case failed = "FAILED"
        /// Nothing is damaged, but packs, blobs or snapshots are missing: of a copy that another run may complete, or
        /// of an original from which they were taken.
        case incomplete = "INCOMPLETE"
    }

    /// Manifests checked, unreadable ones included.
    public var snapshotsChecked = 0
    /// Trees and lists that the snapshots reach.
    public var treesChecked = 0
    /// Blobs checked: those that the snapshots reach or, where packs were read whole, those in these packs.
    public var blobsChecked = 0
    /// Packs checked.
    public var packsChecked = 0
    /// Bytes read from the repository.
    public var bytesRead: UInt64 = 0
    /// Packs that are damaged in any way.
    public var damagedPacks = 0
    /// Blobs found damaged, each counted once.
    public var damagedBlobs = 0
    /// Snapshots of which something cannot be restored, unreadable manifests included.
    public var damagedSnapshots = 0
    /// Packs that an index file names and that are not there.
    public var missingPacks = 0
    /// Packs that are there or should be: "17 of 340 packs are missing".
    public var packsTotal = 0
    /// Seconds that it took.
    public var durationSeconds = 0.0
    /// How it ended.
    public var result = Result.passed

    init() {}

    /// Takes a finding into account.
    mutating func take(_ kind: Finding.Kind) {
        switch kind {
        case .missingPack, .missingBlob, .missingSnapshot: if result == .passed { result = .incomplete }
        // What a path lacks is damaged or missing, and was taken into account as such.
        case .damagedPath: if result == .passed { result = .incomplete }
        case .damagedFile, .damagedSnapshot, .damagedPack, .damagedBlob: result = .failed
        }
    }
}
