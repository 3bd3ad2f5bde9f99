package import VarveFormat

/// The blobs that snapshots reach: one bit for each position of a census.
package struct LiveBlobs: Sendable {
    package let census: BlobCensus
    /// The trees from which the marking began, in the order given.
    package let roots: [BlobID]
    /// Different blobs.
    package let count: Int
    /// Bytes of plaintext, each blob once.
    package let rawBytes: UInt64
    private let positions: BitSet

    init(census: BlobCensus, roots: [BlobID], positions: BitSet, count: Int, rawBytes: UInt64) {
        self.census = census
        self.roots = roots
        self.positions = positions
        self.count = count
        self.rawBytes = rawBytes
    }

    /// Marks everything that is reached from the root trees of snapshots. Every tree and list is read, checked and
    /// parsed, level by level, so that a frame is decoded once a level; memory holds a bit a position and the
    /// trees of one level.
    ///
    /// - Parameters:
    ///   - roots: the newest snapshot's first, for whoever lays blobs out anew.
    ///   - avoided: packs that do not count: a collection is removing them.
    /// - Throws: `missing` if a blob has no place in a present pack that counts; `damaged` or `unsupported` if a tree
    ///   or list is not whole anywhere or not understood; `interrupted`; what the storage throws.
    package static func marking(
        _ roots: [BlobID], in census: BlobCensus, repository: Repository, avoiding avoided: Set<PackID> = [],
        progress: Progress
    ) throws(StoreError) -> LiveBlobs {
        try LiveMarker(census, repository: repository, avoiding: avoided, progress: progress).mark(roots)
    }

    /// The same blobs at their places in another census; nil if one has no place in a present pack there. What is
    /// reached from the same roots is the same: trees are named by what is in them.
    package func placed(in other: BlobCensus) throws(StoreError) -> LiveBlobs? {
        var positions = BitSet(limit: other.count)
        /// By first position in this census.
        var found = BitSet(limit: census.count)
        let isPresent = other.packs.map(\.isPresent)
        for frame in other.frames.indices {
            let counts = other.counts(frame: frame, isPresent)
            for position in other.positions(inFrame: frame) {
                let (id, type) = (try other.table.id(position), other.table.type(position))
                guard let known = try census.table.position(of: id, type), contains(known) else { continue }
                positions.insert(position)
                if counts { found.insert(known) }
            }
        }
        guard found.count == count else { return nil }
        return LiveBlobs(census: other, roots: roots, positions: positions, count: count, rawBytes: rawBytes)
    }

    /// Whether the blob at a position is live; it is so at all its positions.
    package func contains(_ position: Int) -> Bool { positions.contains(position) }

    /// Those packs that may be removed: every live blob in them, and in delta frames whose bases they hold, also lies
    /// in a present pack that is neither one of them nor condemned, and if it lies in a delta frame there, so does the
    /// base.
    package func removable(_ packs: Set<PackID>, condemned: Set<PackID>) -> Set<PackID> {
        let counts = census.packs.map { $0.isPresent && !packs.contains($0.id) && !condemned.contains($0.id) }
        func isDispensable(_ position: Int) -> Bool {
            guard contains(position) else { return true }
            return census.positions(sameAs: position).contains {
                census.counts(frame: census.frame(ofPosition: $0), counts)
            }
        }
        var dependents: [Int: [Int]] = [:]
        for (frame, base) in census.baseFrames { dependents[Int(census.frames[base].pack), default: []].append(frame) }
        return packs.filter { id in
            guard let number = census.packNumber(of: id), census.packs[number].isPresent else { return true }
            return census.packs[number].positions.allSatisfy(isDispensable)
                && (dependents[number] ?? []).allSatisfy { frame in
                    census.positions(inFrame: frame).allSatisfy(isDispensable)
                }
        }
    }
}
