import VarveFormat

/// Of each live blob the one place that counts.
///
/// A blob with several places counts in a pack that no record condemns, and there in the one that is in use most: so
/// that duplicates gather in few packs and the others become free.
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

    init(_ census: BlobCensus, _ live: LiveBlobs, condemned: Set<PackID>) {
        self.census = census
        self.live = live
        isCandidate = census.packs.map { $0.isPresent && !condemned.contains($0.id) }
        hasLiveBlobs = [Bool](repeating: false, count: census.packs.count)
        keptBytes = [UInt64](repeating: 0, count: census.packs.count)
        kept = BitSet(limit: census.count)
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
                let hasTwin = table.next(position) != position && hasCandidateTwin(position)
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
                let best = places.min { isBetter($0.1, $1.1) || $0.1 == $1.1 && $0.0 < $1.0 }
                if let best { keep(best.0, in: best.1) }
            }
        }
    }

    private func hasCandidateTwin(_ position: Int) -> Bool {
        var twin = census.table.next(position)
        while twin != position {
            if isCandidate[census.packNumber(ofPosition: twin)] { return true }
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
}
