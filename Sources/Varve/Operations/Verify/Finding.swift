import Glibc
public import VarveFormat

/// One damaged or missing thing that a verification found.
public struct Finding: Sendable, Hashable {
    /// What is damaged or missing.
    public enum Kind: String, Sendable, CaseIterable {
        /// A file of the repository that is no pack: config, a key slot, an index file, a record.
        case damagedFile = "damaged_file"
        /// A manifest: its snapshot cannot be read at all.
        case damagedSnapshot = "damaged_snapshot"
        /// A manifest that this machine has seen at this place and that is gone without a tombstone.
        case missingSnapshot = "missing_snapshot"
        /// A pack, as a whole or one of its copies of something; blobs that it cost have findings of their own.
        case damagedPack = "damaged_pack"
        /// A blob in one of its places. The others of its frame are named too, if the whole frame is damaged.
        case damagedBlob = "damaged_blob"
        /// A pack that an index file names and that is not there.
        case missingPack = "missing_pack"
        /// A blob that a snapshot needs and that no pack holds.
        case missingBlob = "missing_blob"
        /// A path of a snapshot that cannot be restored exactly; a directory stands for all below it.
        case damagedPath = "damaged_path"
    }

    /// What is damaged or missing.
    public let kind: Kind
    /// The file concerned, relative to the repository.
    public let file: String?
    /// The pack concerned.
    public let pack: PackID?
    /// The blob concerned.
    public let blob: BlobID?
    /// The snapshot concerned.
    public let snapshot: SnapshotID?
    /// The absolute path in the snapshot, as bytes.
    public let path: [UInt8]?
    /// Where the damaged frame begins in the pack, bytes.
    public let offset: UInt64?
    /// Bytes of the damaged frame in the pack.
    public let length: UInt64?
    /// What is wrong, in one sentence without a full stop.
    public let message: String

    init(
        _ kind: Kind, _ message: String, file: String? = nil, pack: PackID? = nil, blob: BlobID? = nil,
        snapshot: SnapshotID? = nil, path: [UInt8]? = nil, offset: UInt64? = nil, length: UInt64? = nil
    ) {
        self.kind = kind
        self.message = message
        self.file = file
        self.pack = pack
        self.blob = blob
        self.snapshot = snapshot
        self.path = path
        self.offset = offset
        self.length = length
    }

    /// A finding about a whole pack.
    static func pack(_ kind: FileKind, _ id: PackID, _ message: String) -> Finding {
        Finding(.damagedPack, message, file: RepositoryPath.pack(kind, id), pack: id)
    }
}

extension StoreError {
    /// Whether stored bytes are not what was written, or the device cannot read them any more: a finding of a
    /// verification and not the end of it.
    var isDamage: Bool { code == .damaged || code == .unsupported || errno == EIO }
}
