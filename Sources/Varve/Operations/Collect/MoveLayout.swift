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
        /// Frames to be made, by their numbers in `made`.
        case made(Range<Int>)
    }

    let census: BlobCensus
    /// By position: the places that count.
    let kept: BitSet
    /// The positions that go into new frames, in the order of their bytes.
    private(set) var sequence: [UInt32] = []
    /// For each new frame its part of `sequence`.
    private(set) var made: [Range<Int>] = []
    private(set) var tasks: [Task] = []
    private(set) var rawBytes: UInt64 = 0

    /// Frames of the packs that move as they are, and positions of those that do not.
    static func split(_ census: BlobCensus, _ plan: CollectionPlan) -> (whole: [Int], loose: BitSet) {
        var whole: [Int] = []
        var loose = BitSet(limit: census.count)
        for pack in plan.rewrite {
            guard let number = census.packNumber(of: pack) else { continue }
            for frame in census.packs[number].frames {
                let positions = census.positions(inFrame: frame)
                if plan.movedFrames.contains(frame) {
                    whole.append(frame)
                } else {
                    for position in positions where plan.kept.contains(position) { loose.insert(position) }
                }
            }
        }
        return (whole, loose)
    }

    /// - Parameters:
    ///   - kept: the places that count.
    ///   - whole: frames that move as they are.
    ///   - order: positions of the other blobs, in path order.
    ///   - kind: of the packs; what belongs in others is left out.
    init(_ census: BlobCensus, kind: FileKind, kept: BitSet, whole: [Int], order: [UInt32]) {
        self.census = census
        self.kept = kept
        let copied = whole.filter { census.packs[Int(census.frames[$0].pack)].kind == kind }
        rawBytes = copied.reduce(0) { $0 + UInt64(census.frames[$1].rawLength) }
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
