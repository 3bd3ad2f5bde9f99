import VarveFormat

/// What the packs to be rewritten are made into: frames that move as they are, and frames to be made anew.
struct MoveLayout {
    /// Plaintext that one thread puts together at a time, about.
    private static let batchLength = 8 << 20
    /// More blobs do not go into one frame.
    private static let frameBlobCount = 16_384

    enum Task {
        /// A frame whose blobs all count: by its number.
        case whole(Int)
        /// Frames to be made, by their numbers in `made`.
        case made(Range<Int>)
    }

    let census: BlobCensus
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
                let isWhole = positions.allSatisfy { plan.kept.contains($0) } && !isRemnant(census, frame)
                if isWhole {
                    whole.append(frame)
                } else {
                    for position in positions where plan.kept.contains(position) { loose.insert(position) }
                }
            }
        }
        return (whole, loose)
    }

    /// Whether a frame is short because its writer had nothing more for it: then it is compressed better with others.
    private static func isRemnant(_ census: BlobCensus, _ frame: Int) -> Bool {
        let kind = census.packs[Int(census.frames[frame].pack)].kind
        let rawLength = Int(census.frames[frame].rawLength)
        return rawLength < PackWriter.ownFrameLength && rawLength < PackWriter.frameLength(kind) / 2
    }

    /// - Parameters:
    ///   - whole: frames that move as they are.
    ///   - order: positions of the other blobs, in path order.
    ///   - kind: of the packs; what belongs in others is left out.
    init(_ census: BlobCensus, kind: FileKind, whole: [Int], order: [UInt32]) {
        self.census = census
        for frame in whole where census.packs[Int(census.frames[frame].pack)].kind == kind {
            tasks.append(.whole(frame))
            rawBytes += UInt64(census.frames[frame].rawLength)
        }
        cut(order.filter { kind.holds(census.table.type(Int($0))) }, limit: PackWriter.frameLength(kind))
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
