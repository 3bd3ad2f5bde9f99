package import VarveFormat

/// What a collection does with the packs: which go, which are rewritten, and which place of each live blob counts.
///
/// Waste is counted in plaintext bytes: those of dead blobs, and those of live ones that count elsewhere. A plan that
/// was carried out leaves at most the waste that the options allow, and the next one finds nothing to do.
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

    /// A pack is small below this share of the length at which writers close packs.
    static let smallShare = 4
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
        let rewritten = Self.chooseRewritten(choice, options, config)
        choice.preferPacks { !rewritten.contains($0) }
        kept = choice.kept
        var moved: UInt64 = 0
        for (number, pack) in census.packs.enumerated() where pack.isListed && !condemned.contains(pack.id) {
            let bytes = choice.keptBytes[number]
            let unused = pack.rawBytes - bytes
            if bytes == 0 {
                // A pack that is not as long as it should be counts for nothing, but may be all that is left of a blob.
                guard pack.isPresent || !choice.hasLiveBlobs[number] else { continue }
                bytesFreed += pack.length
                if choice.hasLiveBlobs[number] { redundant.append(pack.id) } else { unreferenced.append(pack.id) }
                if !choice.hasLiveBlobs[number] { bytesUnreferenced += pack.length }
            } else if rewritten.contains(number) {
                rewrite.append(pack.id)
                bytesToRewrite += pack.length
                bytesFreed += pack.length
                moved += choice.storedKeptBytes(number)
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

    /// The numbers of the packs to rewrite.
    private static func chooseRewritten(
        _ choice: PlaceChoice, _ options: CollectOptions, _ config: RepositoryConfig
    ) -> Set<Int> {
        guard options.allowsRewriting else { return [] }
        let packs = choice.census.packs
        let candidates = packs.indices.filter { choice.isCandidate[$0] && choice.keptBytes[$0] > 0 }
        var rewritten: Set<Int> = []
        for kind in [FileKind.dataPack, .treePack] {
            let small = candidates.filter { packs[$0].kind == kind && isSmall(packs[$0], config) }
            if small.count > 1 { rewritten.formUnion(small) }
        }
        var live: UInt64 = 0
        var unused: UInt64 = 0
        for number in candidates {
            live += choice.keptBytes[number]
            if !rewritten.contains(number) { unused += packs[number].rawBytes - choice.keptBytes[number] }
        }
        func share(_ number: Int) -> Double {
            1 - Double(choice.keptBytes[number]) / Double(max(1, packs[number].rawBytes))
        }
        // Once more than may stay is unused, half of that is the aim: or every collection would rewrite a pack or two.
        var limit = options.maxUnused
        for number in candidates.sorted(by: { (share($0), $1) > (share($1), $0) }) where !rewritten.contains(number) {
            let waste = packs[number].rawBytes - choice.keptBytes[number]
            guard waste > 0, Double(unused) > limit * Double(live + unused) else { break }
            limit = options.maxUnused / 2
            rewritten.insert(number)
            unused -= waste
        }
        // What is rewritten ends in a pack that may be small: then a small one that is there joins it, or the next plan
        // would find two.
        for kind in [FileKind.dataPack, .treePack] where rewritten.contains(where: { packs[$0].kind == kind }) {
            rewritten.formUnion(candidates.filter { packs[$0].kind == kind && isSmall(packs[$0], config) })
        }
        return rewritten
    }

    /// Whether a pack would be longer if a writer had had more for it.
    private static func isSmall(_ pack: BlobCensus.Pack, _ config: RepositoryConfig) -> Bool {
        let limit = pack.kind == .treePack ? config.treePackBytes : config.packBytes
        return pack.length < UInt64(limit / smallShare) && pack.positions.count < PackWriter.packBlobCount / smallShare
            && pack.frames.count < FormatLimits.packFrameCount / smallShare
    }
}
