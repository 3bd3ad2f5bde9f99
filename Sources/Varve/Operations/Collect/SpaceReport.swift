public import VarveFormat

/// What snapshots cost: how much of what they hold they share with the others, and what comes free when they go.
///
/// Sizes as stored are estimates: of each frame a blob takes the share that it has of the plaintext.
public struct SpaceReport: Sendable {
    /// Plaintext bytes that only these snapshots hold.
    public private(set) var uniqueBytes: UInt64 = 0
    /// Plaintext bytes that other snapshots hold too.
    public private(set) var sharedBytes: UInt64 = 0
    /// Stored bytes that come free, all in all: at once, or when the packs that they lie in are rewritten.
    public private(set) var freedBytes: UInt64 = 0
    /// Stored bytes in packs that nothing else needs, which go without rewriting.
    public private(set) var freedAtOnceBytes: UInt64 = 0
    /// Different blobs that only these snapshots hold.
    public private(set) var uniqueBlobs = 0

    /// What a collection could free now.
    public struct Reclaimable: Sendable {
        /// Stored bytes of packs that nothing references.
        public fileprivate(set) var unreferencedBytes: UInt64 = 0
        /// Stored bytes of dead blobs, and of all but one copy of live ones, in other packs.
        public fileprivate(set) var unusedBytes: UInt64 = 0
    }

    /// Compares some snapshots with all others that count. Reads every tree and list.
    ///
    /// - Throws: `notFound` if one of them is not there; `damaged` or `missing` if a tree is; `interrupted`; what the
    ///   storage throws.
    public init(
        of repository: Repository, without ids: [SnapshotID], progress: Progress
    ) throws(StoreError) {
        // The list first: of whatever a manifest names the packs are there by then.
        let snapshots = try repository.snapshots().snapshots
        let chosen = Set(ids)
        let here = snapshots.filter { chosen.contains($0.id) }
        guard here.count == chosen.count else {
            let known = Set(here.map(\.id))
            let absent = ids.first { !known.contains($0) }
            throw StoreError(.notFound, "there is no snapshot \(absent?.hex ?? "")")
        }
        let others = snapshots.filter { !chosen.contains($0.id) }.map(\.manifest.treeRoot)
        let census = try BlobCensus(reading: repository, progress: progress)
        let these = try LiveBlobs.marking(
            here.map(\.manifest.treeRoot), in: census, repository: repository, progress: progress)
        let rest = try LiveBlobs.marking(others, in: census, repository: repository, progress: progress)
        add(census, these, rest)
    }

    private mutating func add(_ census: BlobCensus, _ these: LiveBlobs, _ rest: LiveBlobs) {
        var freed = 0.0
        let bases = census.neededBases { rest.contains($0) }
        for pack in census.packs where pack.isPresent {
            var freedHere = 0.0
            var isNeeded = false
            for frame in pack.frames {
                if bases.contains(frame) { isNeeded = true }
                var raw = 0
                for position in census.positions(inFrame: frame) {
                    if rest.contains(position) { isNeeded = true }
                    guard these.contains(position) else { continue }
                    let length = census.table.length(position)
                    if !rest.contains(position) { raw += length }
                    guard isFirstPresent(position, census) else { continue }
                    if rest.contains(position) {
                        sharedBytes += UInt64(length)
                    } else {
                        uniqueBytes += UInt64(length)
                        uniqueBlobs += 1
                    }
                }
                let location = census.frames[frame]
                if bases.contains(frame) { continue }
                freedHere += Double(raw) / Double(location.rawLength) * Double(location.storedLength)
            }
            freed += freedHere
            if !isNeeded { freedAtOnceBytes += UInt64(freedHere) }
        }
        freedBytes = max(UInt64(freed), freedAtOnceBytes)
    }

    /// Whether this is the first of the blob's places in packs that are there.
    private func isFirstPresent(_ position: Int, _ census: BlobCensus) -> Bool {
        census.table.next(position) == position
            || census.positions(sameAs: position).allSatisfy {
                $0 >= position || !census.packs[census.packNumber(ofPosition: $0)].isPresent
            }
    }

    /// What a collection could free now, if it rewrote every pack that holds waste. Reads every tree and list.
    ///
    /// - Throws: as `init` does.
    public static func reclaimable(
        in repository: Repository, progress: Progress
    ) throws(StoreError) -> Reclaimable {
        let list = try repository.snapshots()
        let census = try BlobCensus(reading: repository, progress: progress)
        if let problem = census.problems.first { throw problem }
        let live = try LiveBlobs.marking(
            list.snapshots.map(\.manifest.treeRoot), in: census, repository: repository, progress: progress)
        let choice = PlaceChoice(census, live, condemned: [])
        let bases = choice.neededBases
        var result = Reclaimable()
        for (number, pack) in census.packs.enumerated() where pack.isPresent {
            if !choice.hasLiveBlobs[number], bases.isDisjoint(with: pack.frames) {
                result.unreferencedBytes += pack.length
            } else {
                for frame in pack.frames where !bases.contains(frame) {
                    let storedLength = UInt64(census.frames[frame].storedLength)
                    result.unusedBytes += storedLength - min(storedLength, choice.storedKeptBytes(inFrame: frame))
                }
            }
        }
        return result
    }
}
