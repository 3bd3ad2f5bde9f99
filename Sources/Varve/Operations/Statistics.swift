public import VarveFormat

/// How much a repository holds and what it takes.
public struct Statistics: Sendable {
    /// Snapshots, those that a later one replaces left out.
    public var snapshots = 0
    /// Bytes of all snapshots together, as if each were stored whole.
    public var bytesLogical: UInt64 = 0
    /// Bytes of plaintext of the different blobs that are stored.
    public var bytesUnique: UInt64 = 0
    /// Bytes of all files of the repository.
    public var bytesStored: UInt64 = 0
    /// Different blobs.
    public var blobs = 0
    /// Packs that are there.
    public var packs = 0
    /// When the oldest snapshot was taken; nil without snapshots.
    public var oldest: Timestamp?
    /// When the newest snapshot was taken; nil without snapshots.
    public var newest: Timestamp?

    /// `bytesLogical` per byte of `bytesUnique`; nil while nothing is stored.
    public var dedupRatio: Double? { bytesUnique > 0 ? Double(bytesLogical) / Double(bytesUnique) : nil }
    /// `bytesUnique` per byte of `bytesStored`; nil while nothing is stored.
    public var compressionRatio: Double? { bytesUnique > 0 ? Double(bytesUnique) / Double(bytesStored) : nil }

    /// Adds up a repository; reads no pack.
    ///
    /// - Throws: what the storage throws.
    public init(of repository: Repository) throws(StoreError) {
        let list = try repository.snapshots().snapshots
        snapshots = list.count
        for snapshot in list { bytesLogical += UInt64(max(0, snapshot.manifest.bytes.total)) }
        newest = list.first?.manifest.time
        oldest = list.last?.manifest.time
        let listing = try PackListing(repository.backend).packs
        packs = listing.count
        bytesStored = listing.values.reduce(0) { $0 + $1.length }
        for directory in ["", "index", "keys", "manifests", "records"] {
            for entry in try repository.backend.list(directory) where !entry.isDirectory {
                if directory.isEmpty ? entry.name == "config" : FileID(hex: entry.name) != nil {
                    bytesStored += entry.size
                }
            }
        }
        try addBlobs(try repository.openIndex { listing[$0] != nil }, in: listing)
    }

    /// Counts every blob that is in a pack that is there, once.
    private mutating func addBlobs(
        _ index: BlobIndex, in listing: [PackID: PackListing.Entry]
    ) throws(StoreError) {
        let hasOneSegment = index.segmentCount == 1
        // Of the few blobs that are in several places: those that were counted.
        var counted: Set<BlobID> = []
        var blobs = 0
        var bytes: UInt64 = 0
        try index.forEachSegment { view throws(StoreError) in
            let isThere = (0..<view.packCount).map { listing[view.packID($0)] != nil }
            for position in 0..<view.blobCount {
                guard let pack = view.packNumber(at: position), isThere[pack], let place = view.location(at: position)
                else { continue }
                let id = view.id(at: position)
                let hasTwin =
                    hasOneSegment
                    ? position > 0 && view.id(at: position - 1) == id
                        || position + 1 < view.blobCount && view.id(at: position + 1) == id
                    : index.locations(of: id).count > 1
                if hasTwin, !counted.insert(id).inserted { continue }
                blobs += 1
                bytes += UInt64(place.length)
            }
        }
        self.blobs = blobs
        bytesUnique = bytes
    }
}
