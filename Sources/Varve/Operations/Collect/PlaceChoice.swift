import VarveFormat

/// Of each live blob the one place that counts.
///
/// A blob with several places counts in a pack that no record condemns, and there in the one that is in use most: so
/// that duplicates gather in few packs and the others become free. A place in a delta frame comes after one in a plain
/// frame: it needs its base too.
struct PlaceChoice {
    let census: BlobCensus
    private let live: LiveBlobs
    /// By pack: whether it is there and no record condemns it.
    let isCandidate: [Bool]
    /// By pack: whether it holds live blobs, wherever they count.
    private(set) var hasLiveBlobs: [Bool]
    /// By pack: plaintext bytes of the places that count.
    private(set) var keptBytes: [UInt64]
    /// By position.
    private(set) var kept: BitSet
    /// Positions in delta frames whose bases lie in packs that are no candidates.
    private let baseless: BitSet

    init(_ census: BlobCensus, _ live: LiveBlobs, condemned: Set<PackID>) {
        self.census = census
        self.live = live
        isCandidate = census.packs.map { $0.isPresent && !condemned.contains($0.id) }
        hasLiveBlobs = [Bool](repeating: false, count: census.packs.count)
        keptBytes = [UInt64](repeating: 0, count: census.packs.count)
        kept = BitSet(limit: census.count)
        var baseless = BitSet(limit: census.count)
        for frame in census.bases.keys
        where isCandidate[Int(census.frames[frame].pack)] && !census.counts(frame: frame, isCandidate) {
            baseless.insert(census.positions(inFrame: frame))
        }
        self.baseless = baseless
        keepSingle(live)
        keepDuplicates(live)
    }

    /// Blobs with one place in a candidate.
    private mutating func keepSingle(_ live: LiveBlobs) {
        let table = census.table
        for (number, pack) in census.packs.enumerated() {
            for position in pack.positions where live.contains(position) {
                hasLiveBlobs[number] = true
                guard isCandidate[number] else { continue }
                let hasTwin =
                    table.next(position) != position && (baseless.contains(position) || hasCandidateTwin(position))
                if !hasTwin { keep(position, in: number) }
            }
        }
    }

    private mutating func keepDuplicates(_ live: LiveBlobs) {
        let single = keptBytes
        let packs = census.packs
        // Judged by what is known before duplicates are shared out, so that all go the same way.
        func isBetter(_ left: Int, _ right: Int) -> Bool {
            if isCandidate[left] != isCandidate[right] { return isCandidate[left] }
            // A copy that no index file names does not count when packs go (FORMAT.md section 12).
            if packs[left].isNamed != packs[right].isNamed { return packs[left].isNamed }
            let leftShare = Double(single[left]) / Double(max(1, packs[left].rawBytes))
            let rightShare = Double(single[right]) / Double(max(1, packs[right].rawBytes))
            return (leftShare, packs[right].id) > (rightShare, packs[left].id)
        }
        let table = census.table
        for pack in packs where pack.isPresent {
            for position in pack.positions where live.contains(position) && table.next(position) != position {
                let places = census.positions(sameAs: position).map { ($0, census.packNumber(ofPosition: $0)) }
                    .filter { packs[$0.1].isPresent }
                guard !places.contains(where: { kept.contains($0.0) }) else { continue }
                let ranks = places.map { rank($0.0) }
                let lowest = ranks.min()
                let best = zip(places, ranks).filter { $0.1 == lowest }.map(\.0)
                    .min { isBetter($0.1, $1.1) || $0.1 == $1.1 && $0.0 < $1.0 }
                if let best { keep(best.0, in: best.1) }
            }
        }
    }

    /// Lower for places that need less: none of the others counts if there is a place of a lower rank.
    private func rank(_ position: Int) -> Int {
        if !isCandidate[census.packNumber(ofPosition: position)] { return 3 }
        if baseless.contains(position) { return 2 }
        return census.frames[census.frame(ofPosition: position)].codec == .zstdDelta ? 1 : 0
    }

    private func hasCandidateTwin(_ position: Int) -> Bool {
        var twin = census.table.next(position)
        while twin != position {
            if isCandidate[census.packNumber(ofPosition: twin)], !baseless.contains(twin) { return true }
            twin = census.table.next(twin)
        }
        return false
    }

    private mutating func keep(_ position: Int, in pack: Int) {
        kept.insert(position)
        keptBytes[pack] += UInt64(census.table.length(position))
    }

    /// Lets blobs that count in other packs count in those that stay instead, where they have a place there.
    mutating func preferPacks(_ stays: (Int) -> Bool) {
        let table = census.table
        for number in census.packs.indices where isCandidate[number] && !stays(number) {
            for position in census.packs[number].positions
            where kept.contains(position) && table.next(position) != position {
                let better = census.positions(sameAs: position).map { ($0, census.packNumber(ofPosition: $0)) }
                    .first {
                        isCandidate[$0.1] && stays($0.1) && keptBytes[$0.1] > 0 && census.packs[$0.1].isNamed
                            && census.frames[census.frame(ofPosition: $0.0)].codec != .zstdDelta
                    }
                guard let better else { continue }
                kept.remove(position)
                keptBytes[number] -= UInt64(table.length(position))
                keep(better.0, in: better.1)
            }
        }
    }

    /// Plaintext bytes of the places of a frame that count.
    func keptBytes(inFrame frame: Int) -> UInt64 {
        census.positions(inFrame: frame).reduce(0) { kept.contains($1) ? $0 + UInt64(census.table.length($1)) : $0 }
    }

    /// Bytes that the places of a frame that count take as stored, about: their share of the plaintext.
    func storedKeptBytes(inFrame frame: Int) -> UInt64 {
        let (rawLength, storedLength) = (census.frames[frame].rawLength, census.frames[frame].storedLength)
        return UInt64(Double(keptBytes(inFrame: frame)) / Double(rawLength) * Double(storedLength))
    }

    /// Whether a frame may move as it is, with what is dead in it: not if a live blob in it counts elsewhere, or two
    /// packs would be as good for it; nor if it is short because its writer had nothing more for it, for then it is
    /// compressed better with others.
    func canMoveWhole(_ frame: Int) -> Bool {
        let kind = census.packs[Int(census.frames[frame].pack)].kind
        let rawLength = Int(census.frames[frame].rawLength)
        let isRemnant = rawLength < PackWriter.ownFrameLength && rawLength < PackWriter.frameLength(kind) / 2
        return !isRemnant && census.positions(inFrame: frame).allSatisfy { kept.contains($0) || !live.contains($0) }
    }

    /// The frames that places which count need as bases: they stay whole.
    var neededBases: Set<Int> { census.neededBases { kept.contains($0) } }

    /// By pack: plaintext bytes that do not count and stay all the same, in bases.
    func heldBytes(_ bases: Set<Int>) -> [UInt64] {
        var held = [UInt64](repeating: 0, count: census.packs.count)
        for frame in bases {
            for position in census.positions(inFrame: frame) where !kept.contains(position) {
                held[Int(census.frames[frame].pack)] += UInt64(census.table.length(position))
            }
        }
        return held
    }

    /// By pack: plaintext bytes that count and leave it, in delta frames whose bases lie in packs that are rewritten,
    /// while it is not.
    func bytesLeft(_ rewritten: Set<Int>) -> [UInt64] {
        var left = [UInt64](repeating: 0, count: census.packs.count)
        for (frame, base) in census.baseFrames where rewritten.contains(Int(census.frames[base].pack)) {
            let pack = Int(census.frames[frame].pack)
            guard !rewritten.contains(pack) else { continue }
            for position in census.positions(inFrame: frame) where kept.contains(position) {
                left[pack] += UInt64(census.table.length(position))
            }
        }
        return left
    }
}
