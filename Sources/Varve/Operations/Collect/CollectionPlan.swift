package import VarveFormat

/// What a collection does with the packs: which go, which are rewritten, and which place of each live blob counts.
///
/// Waste is counted in plaintext bytes: those of dead blobs, and those of live ones that count elsewhere. A plan that
/// was carried out leaves at most the waste that the options allow, and the next one finds nothing to do. Dead blobs in
/// frames that delta frames need are waste that no plan can reach.
package struct CollectionPlan: Sendable {
    /// Packs without any live blob.
    package private(set) var unreferenced: [PackID] = []
    /// Packs whose live blobs all count elsewhere, in packs that stay or are rewritten.
    package private(set) var redundant: [PackID] = []
    /// Packs whose live blobs are to be copied into new packs: those with the greatest shares of waste, and small ones.
    package private(set) var rewrite: [PackID] = []
    /// Index files that are to become one; none unless there are many small ones.
    package private(set) var mergeIndexes: [FileID] = []

    /// Bytes of plaintext of the live blobs in packs that are not condemned, each blob once.
    package private(set) var bytesLive: UInt64 = 0
    /// Bytes of plaintext of all else in those packs.
    package private(set) var bytesUnused: UInt64 = 0
    /// What remains of `bytesUnused` when the plan was carried out.
    package private(set) var bytesUnusedKept: UInt64 = 0
    /// Bytes of the packs to be rewritten, as stored.
    package private(set) var bytesToRewrite: UInt64 = 0
    /// Bytes of packs that the repository gets smaller by, about, once the condemned packs are gone.
    package private(set) var bytesFreed: UInt64 = 0
    /// Bytes of `unreferenced`, as stored.
    package private(set) var bytesUnreferenced: UInt64 = 0

    /// By position: the places that count.
    let kept: BitSet
    /// By number: the frames of rewritten packs that move as they are.
    private(set) var movedFrames: BitSet
    /// Frames that delta frames with places that count need: they stay whole, or move as they are.
    let neededBases: Set<Int>

    /// Index files of fewer bytes are merged if there are more than `fewIndexFiles` of them.
    static let smallIndexFile = 1 << 20
    static let fewIndexFiles = 64

    /// Whether there is nothing to do.
    package var isEmpty: Bool {
        unreferenced.isEmpty && redundant.isEmpty && rewrite.isEmpty && mergeIndexes.isEmpty
    }

    /// Makes a plan.
    ///
    /// - Parameters:
    ///   - condemned: packs of all records that wait: they are left alone, and count as a blob's place only if it has
    ///     no other.
    ///   - config: for the sizes of packs.
    package init(
        census: BlobCensus, live: LiveBlobs, condemned: Set<PackID>, options: CollectOptions, config: RepositoryConfig
    ) {
        var choice = PlaceChoice(census, live, condemned: condemned)
        let rewriting = RewriteChoice(choice, options, config)
        choice.preferPacks { !rewriting.packs.contains($0) }
        kept = choice.kept
        neededBases = choice.neededBases
        let held = choice.heldBytes(neededBases)
        movedFrames = BitSet(limit: census.frames.count)
        var moved: UInt64 = 0
        for (number, pack) in census.packs.enumerated() where pack.isListed && !condemned.contains(pack.id) {
            let bytes = choice.keptBytes[number]
            let unused = pack.rawBytes - bytes
            if bytes + held[number] == 0 {
                // A pack that is not as long as it should be counts for nothing, but may be all that is left of a blob.
                guard pack.isPresent || !choice.hasLiveBlobs[number] else { continue }
                bytesFreed += pack.length
                if choice.hasLiveBlobs[number] { redundant.append(pack.id) } else { unreferenced.append(pack.id) }
                if !choice.hasLiveBlobs[number] { bytesUnreferenced += pack.length }
            } else if rewriting.packs.contains(number) {
                rewrite.append(pack.id)
                bytesToRewrite += pack.length
                bytesFreed += pack.length
                for frame in pack.frames { moved += move(frame, choice, rewriting.tolerance) }
            } else {
                bytesUnusedKept += unused
            }
            bytesLive += bytes
            bytesUnused += unused
        }
        bytesFreed -= min(moved, bytesFreed)
        let small = census.indexFiles.filter { $0.byteCount < Self.smallIndexFile }
        if small.count > Self.fewIndexFiles { mergeIndexes = small.map(\.id) }
    }

    /// Decides how a frame of a rewritten pack moves, and returns what it takes afterwards, about.
    private mutating func move(_ frame: Int, _ choice: PlaceChoice, _ tolerance: Double) -> UInt64 {
        let rawLength = choice.census.frames[frame].rawLength
        let bytes = choice.keptBytes(inFrame: frame)
        let unused = UInt64(rawLength) - bytes
        if neededBases.contains(frame) {
            movedFrames.insert(frame)
            bytesUnusedKept += unused
            return UInt64(choice.census.frames[frame].storedLength)
        }
        guard bytes > 0, Double(unused) <= tolerance * Double(rawLength), choice.canMoveWhole(frame),
            choice.census.bases[frame] == nil
        else {
            return choice.storedKeptBytes(inFrame: frame)
        }
        movedFrames.insert(frame)
        bytesUnusedKept += unused
        return UInt64(choice.census.frames[frame].storedLength)
    }
}
