import VarveFormat

/// The order in which blobs lie best: that of a walk through the snapshots, depth first and in path order, the newest
/// snapshot first, each blob where it is met first. A restore then reads its packs from beginning to end.
///
/// Every tree is read once at most; memory holds the blobs to be ordered and the way to the tree at hand.
struct LayoutOrder {
    private static let cacheBytes = 32 << 20

    private let census: BlobCensus
    private let wanted: BitSet
    private let packs: PackReader
    private let frames: FrameReader
    private var cache = FrameCache(limit: Self.cacheBytes)
    /// By first position of a blob.
    private var visited: BitSet
    private var order: [UInt32] = []

    private init(_ wanted: BitSet, _ census: BlobCensus, _ repository: Repository) throws(StoreError) {
        self.census = census
        self.wanted = wanted
        packs = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        frames = try FrameReader(packs, findBase: census.frameLocation)
        visited = BitSet(limit: census.count)
        order.reserveCapacity(wanted.count)
    }

    /// Brings positions into path order. What cannot be read on the way only costs the order.
    ///
    /// - Parameter wanted: positions of live blobs, one of each blob at most.
    static func of(
        _ wanted: BitSet, in live: LiveBlobs, repository: Repository, progress: Progress
    ) throws(StoreError) -> [UInt32] {
        guard !wanted.isEmpty else { return [] }
        var path = try LayoutOrder(wanted, live.census, repository)
        for root in live.roots where path.order.count < wanted.count {
            try progress.check()
            try path.walk(root, progress)
        }
        if path.order.count < wanted.count {
            var isOrdered = BitSet(limit: live.census.count)
            for position in path.order { isOrdered.insert(Int(position)) }
            wanted.forEach { if !isOrdered.contains($0) { path.order.append(UInt32($0)) } }
        }
        return path.order
    }

    private mutating func walk(_ root: BlobID, _ progress: Progress) throws(StoreError) {
        guard let first = try census.table.position(of: root, .tree) else { return }
        var pending = [first]
        var isRoot = true
        while let position = pending.popLast(), order.count < wanted.count {
            guard visited.insert(position) else { continue }
            if let place = wantedPlace(position) { order.append(UInt32(place)) }
            let type = census.table.type(position)
            guard type != .data else { continue }
            try progress.check()
            let start = pending.count
            do throws(StoreError) {
                for below in try references(position, type, isRoot: isRoot)
                where census.table.type(below) != .data || wantedPlace(below) != nil { pending.append(below) }
            } catch {
                guard error.isDamage || error.code == .missing else { throw error }
            }
            isRoot = false
            pending[start...].reverse()
        }
    }

    /// The place of a blob that is to be ordered; nil if none is.
    private func wantedPlace(_ first: Int) -> Int? {
        if wanted.contains(first) { return first }
        var twin = census.table.next(first)
        while twin != first {
            if wanted.contains(twin) { return twin }
            twin = census.table.next(twin)
        }
        return nil
    }

    /// The first position of each blob that a tree or list names.
    private mutating func references(
        _ position: Int, _ type: BlobType, isRoot: Bool
    ) throws(StoreError) -> [Int] {
        let bytes = try load(position)
        let table = census.table
        var references: [Int] = []
        var failure: StoreError?
        try bytes.withBytes { bytes throws(StoreError) in
            do throws(FormatError) {
                try BlobReferences.visit(type, bytes, isRoot: isRoot) { type, id in
                    do throws(StoreError) {
                        if let below = try table.position(of: id, type) { references.append(below) }
                    } catch { failure = error }
                }
            } catch { throw StoreError(error) }
        }
        if let failure { throw failure }
        return references
    }

    private mutating func load(_ first: Int) throws(StoreError) -> [UInt8] {
        let places = census.positions(sameAs: first)
        let present = places.first { census.packs[census.packNumber(ofPosition: $0)].isPresent }
        guard let position = present else { throw StoreError(.missing, "no pack has the blob") }
        let number = census.frame(ofPosition: position)
        let location = census.location(ofFrame: number)
        let key = FrameCache.Key(pack: location.pack, number: location.number)
        var frame = cache.frame(key)
        if frame == nil {
            let handle = try packs.handle(location.pack, kind: location.kind)
            let bytes = try frames.read(handle, location)
            cache.insert(bytes, key)
            frame = bytes
        }
        let before = census.positions(inFrame: number).lowerBound..<position
        let offset = before.reduce(0) { $0 + census.table.length($1) }
        return Array(frame?[offset..<offset + census.table.length(position)] ?? [])
    }
}
