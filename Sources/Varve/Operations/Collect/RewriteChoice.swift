import Glibc
import VarveFormat

/// Which packs are worth writing anew, and how much of a frame may be dead for the frame to move as it is.
///
/// A frame that moves as it is costs little; one that is made anew is decoded, compressed and decoded again. So where
/// some waste may stay, it stays in the frames that have least of it, in rewritten packs too.
struct RewriteChoice {
    /// Numbers of packs.
    private(set) var packs: Set<Int> = []
    /// The share of a frame's plaintext that may be dead in a frame that moves as it is.
    private(set) var tolerance = 0.0

    /// Once more than may stay is unused, this share of it is the aim, so that not every collection finds a pack to
    /// rewrite.
    private static let aim = 0.5
    private static let tolerances = [0] + (0..<24).map { 0.004 * pow(1.2, Double($0)) }
    /// What it costs to make a byte of plaintext anew, where copying a stored byte costs one.
    private static let makingCost: UInt64 = 2
    /// A pack is small below this share of the length at which writers close packs.
    private static let smallShare = 4

    /// A pack whose blobs may be moved.
    private struct Candidate {
        let number: Int
        let isForced: Bool
        let unused: UInt64
        let frames: Range<Int>
    }

    /// A frame of a candidate.
    private struct Frame {
        let kept: UInt64
        let storedLength: UInt64
        /// Bytes that would stay unused if it moved as it is, and their share; nil if it must be made anew.
        let dead: (bytes: UInt64, share: Double)?
    }

    /// What rewriting a candidate costs and leaves.
    private struct Cost {
        var bytes: UInt64 = 0
        var unusedKept: UInt64 = 0
    }

    private let candidates: [Candidate]
    private let frames: [Frame]

    init(_ choice: PlaceChoice, _ options: CollectOptions, _ config: RepositoryConfig) {
        let packs = choice.census.packs
        let bases = choice.neededBases
        let used = zip(choice.keptBytes, choice.heldBytes(bases)).map { $0 + $1 }
        let numbers = packs.indices.filter { choice.isCandidate[$0] && used[$0] > 0 }
        let small = numbers.filter { Self.isSmall(packs[$0], config) }
        var forced: Set<Int> = []
        for kind in [FileKind.dataPack, .treePack] {
            let ofKind = small.filter { packs[$0].kind == kind }
            // Delta frames cannot be in the pack of their base: there may be one small pack with and one without.
            let deltas = ofKind.filter { choice.census.hasDeltas(packs[$0]) }
            if deltas.count > 1 || ofKind.count - deltas.count > 1 { forced.formUnion(ofKind) }
        }
        var candidates: [Candidate] = []
        var frames: [Frame] = []
        for number in numbers {
            let first = frames.count
            for frame in packs[number].frames { frames.append(Self.frame(frame, choice, bases)) }
            candidates.append(
                Candidate(
                    number: number, isForced: forced.contains(number),
                    unused: packs[number].rawBytes - used[number], frames: first..<frames.count))
        }
        self.candidates = candidates
        self.frames = frames
        guard options.allowsRewriting else { return }
        let live = numbers.reduce(0) { $0 + choice.keptBytes[$1] }
        choose(live: Double(live), maxUnused: options.maxUnused)
        follow(choice, live: Double(live), maxUnused: options.maxUnused)
        // What is rewritten ends in a pack that may be small: then a small one that is there joins it, or the next plan
        // would find two.
        for kind in [FileKind.dataPack, .treePack] where self.packs.contains(where: { packs[$0].kind == kind }) {
            self.packs.formUnion(small.filter { packs[$0].kind == kind })
        }
    }

    /// Takes the cheapest of the ways to leave no more than may stay.
    private mutating func choose(live: Double, maxUnused: Double) {
        let unused = candidates.reduce(0) { $1.isForced ? $0 : $0 + $1.unused }
        let isDue = Double(unused) > maxUnused * (live + Double(unused))
        let limit = isDue ? Self.aim * maxUnused : maxUnused
        let allowed = limit < 1 ? limit / (1 - limit) * live : .infinity
        var least: UInt64?
        for tolerance in Self.tolerances {
            guard let (chosen, cost) = cheapest(tolerance, allowed: allowed) else { continue }
            if let least, least <= cost { continue }
            least = cost
            packs = chosen
            self.tolerance = tolerance
        }
    }

    /// Adds packs that delta frames leave because their bases go: they would be rewritten the next time.
    private mutating func follow(_ choice: PlaceChoice, live: Double, maxUnused: Double) {
        while !choice.census.bases.isEmpty {
            let left = choice.bytesLeft(packs)
            let others = candidates.filter { !packs.contains($0.number) }
            let unused = Double(others.reduce(0) { $0 + $1.unused + left[$1.number] })
            let most = others.max { left[$0.number] < left[$1.number] }
            guard unused > maxUnused * (live + unused), let most, left[most.number] > 0 else { return }
            packs.insert(most.number)
        }
    }

    /// The packs to rewrite if frames with so much waste move as they are: first those that give most for what they
    /// cost. Nil if more than is allowed would stay.
    private func cheapest(_ tolerance: Double, allowed: Double) -> (packs: Set<Int>, cost: UInt64)? {
        let costs = candidates.map { cost(of: $0, tolerance) }
        var packs: Set<Int> = []
        var total: UInt64 = 0
        var left: UInt64 = 0
        for (candidate, cost) in zip(candidates, costs) {
            left += candidate.isForced ? cost.unusedKept : candidate.unused
            guard candidate.isForced else { continue }
            packs.insert(candidate.number)
            total += cost.bytes
        }
        func worth(_ index: Int) -> Double {
            Double(candidates[index].unused - costs[index].unusedKept) / Double(max(1, costs[index].bytes))
        }
        let order = candidates.indices.filter { !candidates[$0].isForced }
            .sorted { (worth($0), $1) > (worth($1), $0) }
        for index in order where Double(left) > allowed {
            let gain = candidates[index].unused - costs[index].unusedKept
            guard gain > 0 else { return nil }
            packs.insert(candidates[index].number)
            total += costs[index].bytes
            left -= gain
        }
        return Double(left) > allowed ? nil : (packs, total)
    }

    private func cost(of candidate: Candidate, _ tolerance: Double) -> Cost {
        var cost = Cost()
        for frame in frames[candidate.frames] {
            if let dead = frame.dead, dead.share <= tolerance {
                cost.bytes += frame.storedLength
                cost.unusedKept += dead.bytes
            } else {
                cost.bytes += Self.makingCost * frame.kept
            }
        }
        return cost
    }

    /// - Parameter bases: frames that delta frames need: they move as they are, and what is dead in them is no waste.
    private static func frame(_ number: Int, _ choice: PlaceChoice, _ bases: Set<Int>) -> Frame {
        let frame = choice.census.frames[number]
        let kept = choice.keptBytes(inFrame: number)
        if bases.contains(number) { return Frame(kept: kept, storedLength: UInt64(frame.storedLength), dead: (0, 0)) }
        let dead = UInt64(frame.rawLength) - kept
        // A delta frame is made anew without what is dead in it.
        let canMove = kept > 0 && choice.canMoveWhole(number) && (dead == 0 || frame.codec != .zstdDelta)
        return Frame(
            kept: kept, storedLength: UInt64(frame.storedLength),
            dead: canMove ? (dead, Double(dead) / Double(frame.rawLength)) : nil)
    }

    /// Whether a pack would be longer if a writer had had more for it.
    private static func isSmall(_ pack: BlobCensus.Pack, _ config: RepositoryConfig) -> Bool {
        let limit = pack.kind == .treePack ? config.treePackBytes : config.packBytes
        return pack.length < UInt64(limit / smallShare) && pack.positions.count < PackWriter.packBlobCount / smallShare
            && pack.frames.count < FormatLimits.packFrameCount / smallShare
    }
}
