import VarveFormat

/// What a repository stores, as its packs say, checked against what its index files say of them. Nothing comes out of
/// a cache.
struct StoredInventory: Sendable {
    var data: BlobTable
    var tree: BlobTable
    /// Damage of packs' ends and of index files.
    var findings: [Finding] = []
    /// Packs that are there.
    var listing: [PackID: PackListing.Entry] = [:]
    /// Packs that index files name and that are not there.
    var missing: Set<PackID> = []
    /// Packs that are there and of which neither header nor trailer is whole: nothing in them can be read.
    var dead: Set<PackID> = []
    /// Whether a file went away between its listing and its reading.
    var sawRemoval = false
    var bytesRead: UInt64 = 0

    init(_ spill: SpillPlace) {
        data = BlobTable(spill)
        tree = BlobTable(spill)
    }

    /// Whether a collector at work could explain what is missing: then it is worth listing once more.
    var isDoubtful: Bool { sawRemoval || !missing.isEmpty }

    /// Whether a pack is there whose content no directory tells: what is called missing may lie in it.
    var hasOpaquePacks: Bool { listing.keys.contains { !isKnown($0) } }

    func isKnown(_ id: PackID) -> Bool { data.packNumbers[id] != nil || tree.packNumbers[id] != nil }

    /// The blobs of packs of a kind.
    func table(_ kind: FileKind) -> BlobTable { kind == .treePack ? tree : data }

    /// Makes the look-ups by id. Nothing may be added any more.
    mutating func finish() throws(StoreError) {
        try data.finish()
        try tree.finish()
    }

    mutating func add(_ pack: SegmentPack, isPresent: Bool) throws(StoreError) {
        if pack.kind == .treePack {
            try tree.add(pack, isPresent: isPresent)
        } else {
            try data.add(pack, isPresent: isPresent)
        }
    }
}
