import VarveFormat

/// Where the bases of delta frames are after they moved. A moved frame is known by the ids of its blobs: whatever frame
/// has the same blobs in the same order has the same bytes.
struct MovedBases: Sendable {
    private let census: BlobCensus
    /// Frames whose new place is not known, by the id of their first blob.
    private var wanted: [BlobID: [Int]] = [:]
    /// By the number of the old frame.
    private(set) var places: [Int: FrameBase] = [:]

    /// - Parameter frames: the numbers of bases in packs that are rewritten.
    init(_ census: BlobCensus, _ frames: Set<Int>) throws(StoreError) {
        self.census = census
        for frame in frames {
            let first = try census.table.id(census.positions(inFrame: frame).lowerBound)
            wanted[first, default: []].append(frame)
        }
    }

    /// Takes in a new pack.
    mutating func take(_ pack: FinishedPack) {
        guard !wanted.isEmpty else { return }
        for (number, frame) in pack.directory.frames.enumerated() where frame.base == nil {
            guard let first = frame.blobs.first else { continue }
            // Duplicates may move both: all of them are here now.
            for old in wanted[first.id] ?? [] where holds(old, frame, pack.kind) {
                places[old] = FrameBase(pack: pack.id, number: number)
            }
        }
    }

    private func holds(_ old: Int, _ frame: PackFrame, _ kind: FileKind) -> Bool {
        let positions = census.positions(inFrame: old)
        return census.packs[Int(census.frames[old].pack)].kind == kind && positions.count == frame.blobs.count
            && zip(positions, frame.blobs).allSatisfy { position, blob in
                (try? census.table.id(position)) == blob.id && census.table.type(position) == blob.type
            }
    }
}
