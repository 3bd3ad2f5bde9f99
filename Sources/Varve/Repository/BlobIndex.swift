import Synchronization
package import VarveFormat

/// Which blobs a repository has, and where.
///
/// It is a set of immutable segments, searched one after the other, each behind its filter, and the blobs that this
/// session is storing now. Any number of threads may ask.
package final class BlobIndex: Sendable {
    /// Index files that could not be used, and why. What they name is found in other index files or in the packs.
    package let problems: [StoreError]

    private let repository: RepositoryID
    private let cache: IndexCache?
    private let isUsable: (@Sendable (PackID) -> Bool)?
    /// Segments as of the opening.
    private let segments: [IndexSegment]
    /// Segments that came later.
    private let added: Mutex<[IndexSegment]>
    private let addedCount = Atomic<Int>(0)
    private let inFlight = InFlightBlobs()
    private let pages: MappedPages
    private let latePages: MappedPages

    init(
        repository: RepositoryID, segments: [IndexSegment], cache: IndexCache?,
        isUsable: (@Sendable (PackID) -> Bool)?, problems: [StoreError]
    ) {
        self.repository = repository
        self.segments = segments
        self.cache = cache
        self.isUsable = isUsable
        self.problems = problems
        pages = MappedPages(limit: 64 << 20)
        latePages = MappedPages(limit: 8 << 20)
        for segment in segments { pages.add(segment.memory) }
        added = Mutex([])
    }

    /// Whether the blob is stored in a pack that counts, or is being stored by this session.
    package func contains(_ id: BlobID) -> Bool {
        // In this order: a blob moves from the set in flight to a segment, and must not be missed on its way.
        inFlight.contains(id) || isStored(id)
    }

    /// True for exactly one caller for each blob that is not stored yet: that caller must store it in this session.
    package func claim(_ id: BlobID) -> Bool {
        if isStored(in: segments, id, pages) { return false }
        return inFlight.insert(id) { isStoredLately(id) }
    }

    /// Every place where the blob is known to be, in packs that count. Blobs in flight have none yet.
    package func locations(of id: BlobID) -> [BlobLocation] {
        var locations: [BlobLocation] = []
        for segment in segments { segment.appendLocations(of: id, to: &locations) }
        pages.count(1)
        for segment in lateSegments { segment.appendLocations(of: id, to: &locations) }
        return locations
    }

    /// Where the frame lies that a base names, in a pack of a kind that counts; nil if no index file says so.
    package func frameLocation(_ base: FrameBase, _ kind: FileKind) -> FrameLocation? {
        for segment in segments {
            if let location = segment.frameLocation(base, kind) { return location }
        }
        for segment in lateSegments {
            if let location = segment.frameLocation(base, kind) { return location }
        }
        return nil
    }

    /// Takes in the packs of an index file that this session has published: their blobs are no longer in flight.
    ///
    /// - Parameter isLast: nothing is stored any more, so that the set in flight need not be kept small.
    package func absorb(_ written: IndexWriter.Written, isLast: Bool = false) throws(StoreError) {
        var memory = cache?.store(written.segment, sources: [written.id])?.memory
        if memory == nil { memory = SegmentMemory(copying: written.segment) }
        guard let memory else { return }
        try add(memory, sources: [written.id])
        guard !isLast else { return }
        inFlight.remove { isStoredLately($0) }
        // That looked at all of it.
        memory.release()
    }

    /// Takes in directories that were read out of packs.
    package func add(_ packs: [SegmentPack]) throws(StoreError) {
        guard !packs.isEmpty else { return }
        let bytes: [UInt8]
        do throws(FormatError) {
            bytes = try SegmentBuilder.build(repository: repository, packs: packs)
        } catch { throw StoreError(error) }
        try add(SegmentMemory(copying: bytes), sources: [])
    }

    /// The packs that some segment names, whether they are present or not.
    package func knownPacks() -> Set<PackID> {
        var packs: Set<PackID> = []
        for segment in segments + lateSegments {
            segment.withView { view in
                for number in 0..<view.packCount { packs.insert(view.packID(number)) }
            }
        }
        return packs
    }

    /// Visits every segment, as `verify` and `gc` need: a pack may come in more than one.
    package func forEachSegment(_ body: (SegmentView) throws(StoreError) -> Void) throws(StoreError) {
        for segment in segments + lateSegments {
            try segment.withView { (view) throws(StoreError) in try body(view) }
        }
    }

    /// Segments that a look-up may touch.
    package var segmentCount: Int { segments.count + lateSegments.count }

    private var lateSegments: [IndexSegment] {
        addedCount.load(ordering: .acquiring) == 0 ? [] : added.withLock { $0 }
    }

    private func isStored(_ id: BlobID) -> Bool { isStored(in: segments, id, pages) || isStoredLately(id) }

    private func isStoredLately(_ id: BlobID) -> Bool { isStored(in: lateSegments, id, latePages) }

    private func isStored(in segments: [IndexSegment], _ id: BlobID, _ pages: MappedPages) -> Bool {
        var touches = 0
        defer { pages.count(touches) }
        for segment in segments where segment.contains(id, touches: &touches) { return true }
        return false
    }

    private func add(_ memory: SegmentMemory, sources: [FileID]) throws(StoreError) {
        let segment: IndexSegment
        do throws(FormatError) {
            segment = try IndexSegment(memory, repository: repository, sources: sources, isUsable: isUsable)
        } catch { throw StoreError(error) }
        latePages.add(memory)
        added.withLock { $0.append(segment) }
        addedCount.add(1, ordering: .releasing)
    }
}
