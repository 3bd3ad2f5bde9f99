import VarveFormat

/// What the packs to be rewritten are made into: frames that move as they are, and frames to be made anew.
struct MoveLayout {
    /// Plaintext that one thread puts together at a time, about.
    private static let batchLength = 8 << 20
    /// More blobs do not go into one frame.
    private static let frameBlobCount = 16_384

    enum Task {
        /// A frame that moves as it is: by its number.
        case whole(Int)
        /// A delta frame, after its base has moved: by its number.
        case delta(Int)
        /// Frames to be made, by their numbers in `made`.
        case made(Range<Int>)
    }

    let census: BlobCensus
    /// By position: the places that count.
    let kept: BitSet
    /// By number: the frames that delta frames need.
    let bases: Set<Int>
    /// The positions that go into new frames, in the order of their bytes.
    private(set) var sequence: [UInt32] = []
    /// For each new frame its part of `sequence`.
    private(set) var made: [Range<Int>] = []
    private(set) var tasks: [Task] = []
    /// What is done after all `tasks`.
    private(set) var deltaTasks: [Task] = []
    private(set) var rawBytes: UInt64 = 0

    /// What of the packs to be rewritten goes which way.
    struct Parts {
        /// Frames that move as they are.
        var whole: [Int] = []
        /// Delta frames: of these packs, and of others if their base lies in these.
        var deltas: [Int] = []
        /// Frames that delta frames need.
        var bases: Set<Int> = []
        /// Positions in frames that do not stay together.
        var loose: BitSet
    }

    /// Divides what a plan rewrites.
    static func split(_ census: BlobCensus, _ plan: CollectionPlan) -> Parts {
        var parts = Parts(bases: plan.neededBases, loose: BitSet(limit: census.count))
        let rewritten = Set(plan.rewrite.compactMap { census.packNumber(of: $0) })
        for pack in plan.rewrite {
            guard let number = census.packNumber(of: pack) else { continue }
            for frame in census.packs[number].frames {
                let positions = census.positions(inFrame: frame)
                if census.baseFrames[frame] != nil {
                    if positions.contains(where: { plan.kept.contains($0) }) { parts.deltas.append(frame) }
                } else if plan.movedFrames.contains(frame) {
                    parts.whole.append(frame)
                } else {
                    for position in positions where plan.kept.contains(position) { parts.loose.insert(position) }
                }
            }
        }
        for (frame, base) in census.baseFrames
        where rewritten.contains(Int(census.frames[base].pack)) && !rewritten.contains(Int(census.frames[frame].pack)) {
            let isKept = census.positions(inFrame: frame).contains { plan.kept.contains($0) }
            if isKept { parts.deltas.append(frame) }
        }
        // Those of one base one after the other.
        parts.deltas.sort { (census.baseFrames[$0] ?? 0, $0) < (census.baseFrames[$1] ?? 0, $1) }
        return parts
    }

    /// - Parameters:
    ///   - kept: the places that count.
    ///   - parts: what moves as it is.
    ///   - order: positions of the other blobs, in path order.
    ///   - kind: of the packs; what belongs in others is left out.
    init(_ census: BlobCensus, kind: FileKind, kept: BitSet, _ parts: Parts, order: [UInt32]) {
        self.census = census
        self.kept = kept
        bases = parts.bases
        func isOfKind(_ frame: Int) -> Bool { census.packs[Int(census.frames[frame].pack)].kind == kind }
        let copied = parts.whole.filter(isOfKind)
        let deltas = parts.deltas.filter(isOfKind)
        deltaTasks = deltas.map { .delta($0) }
        rawBytes = (copied + deltas).reduce(0) { $0 + UInt64(census.frames[$1].rawLength) }
        cut(order.filter { kind.holds(census.table.type(Int($0))) }, limit: PackWriter.frameLength(kind))
        tasks = Self.alternate(copied.map { .whole($0) }, batches())
    }

    /// New frames together, as many as one thread makes at a time.
    private mutating func batches() -> [Task] {
        var tasks: [Task] = []
        var start = 0
        var length = 0
        for (number, frame) in made.enumerated() {
            length += sequence[frame].reduce(0) { $0 + census.table.length(Int($1)) }
            guard length >= Self.batchLength || number + 1 == made.count else { continue }
            tasks.append(.made(start..<number + 1))
            rawBytes += UInt64(length)
            start = number + 1
            length = 0
        }
        return tasks
    }

    /// Both, evenly mixed: threads that copy wait for each other at the pack, one that makes frames leaves it alone.
    private static func alternate(_ copied: [Task], _ made: [Task]) -> [Task] {
        var tasks: [Task] = []
        tasks.reserveCapacity(copied.count + made.count)
        var next = 0
        for (number, task) in made.enumerated() {
            tasks.append(task)
            let end = copied.count * (number + 1) / made.count
            tasks += copied[next..<end]
            next = end
        }
        return tasks + copied[next...]
    }

    /// Cuts the order into frames: long blobs alone, short ones together, as `PackWriter` does.
    private mutating func cut(_ order: [UInt32], limit: Int) {
        sequence.reserveCapacity(order.count)
        var open: [UInt32] = []
        var length = 0
        func close(_ positions: [UInt32], _ sequence: inout [UInt32], _ made: inout [Range<Int>]) {
            guard !positions.isEmpty else { return }
            made.append(sequence.count..<sequence.count + positions.count)
            sequence += positions
        }
        for position in order {
            let next = census.table.length(Int(position))
            if next >= PackWriter.ownFrameLength {
                close([position], &sequence, &made)
                continue
            }
            if length + next > limit || open.count == Self.frameBlobCount {
                close(open, &sequence, &made)
                open.removeAll(keepingCapacity: true)
                length = 0
            }
            open.append(position)
            length += next
        }
        close(open, &sequence, &made)
    }
}
