import VarveFormat

/// Index files that name packs on their way out, and what takes their place.
struct IndexReplacement {
    /// Blobs in one batch of packs: what one index file holds.
    private static let blobLimit = 524_288

    /// The files to be removed.
    let old: [BlobCensus.IndexFile]
    /// Numbers in the census of packs that new files must name.
    private let packs: [Int]
    private let census: BlobCensus

    /// - Parameters:
    ///   - leaving: packs that are being removed.
    ///   - present: packs that a listing has.
    ///   - merged: index files that are to become one.
    ///   - staying: packs that were to be removed and are not: some index file must name them.
    init(
        _ census: BlobCensus, leaving: Set<PackID>, present: Set<PackID>, merged: Set<FileID>, staying: Set<PackID>
    ) {
        self.census = census
        let stays = census.packs.map { present.contains($0.id) && !leaving.contains($0.id) }
        old = census.indexFiles.filter { file in
            merged.contains(file.id) || file.packs.contains { !stays[$0] }
        }
        let oldNames = Set(old.map(\.id))
        var isNamed = census.packs.map { _ in false }
        for file in census.indexFiles where !oldNames.contains(file.id) {
            for number in file.packs { isNamed[number] = true }
        }
        var packs: [Int] = []
        for number in old.flatMap(\.packs) + staying.compactMap({ census.packNumber(of: $0) })
        where stays[number] && !isNamed[number] {
            isNamed[number] = true
            packs.append(number)
        }
        self.packs = packs.sorted()
    }

    /// Files of which nothing has to be kept.
    var isEmpty: Bool { old.isEmpty && packs.isEmpty }

    /// Publishes the new files, durable; returns their names and lengths.
    func publish(
        _ repository: Repository, _ session: Session
    ) throws(StoreError) -> [(id: FileID, byteCount: Int)] {
        let writer = IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id)
        // Packs that no index file names may be news to the disk too.
        let unnamed = packs.filter { !census.packs[$0].isNamed }
        let directories = Set(unnamed.map { RepositoryPath.packDirectory(census.packs[$0].kind, census.packs[$0].id) })
        try repository.backend.syncDirectories(directories.sorted())
        var written: [(id: FileID, byteCount: Int)] = []
        func publish(_ batch: [SegmentPack]) throws(StoreError) {
            // Their segments are not needed any more.
            written += try writer.publish(batch).map { ($0.id, $0.byteCount) }
        }
        var batch: [SegmentPack] = []
        var count = 0
        for number in packs {
            let blobs = census.packs[number].positions.count
            if !batch.isEmpty, count + blobs > Self.blobLimit {
                try publish(batch)
                batch.removeAll()
                count = 0
            }
            batch.append(try census.segmentPack(number))
            count += blobs
        }
        if !batch.isEmpty { try publish(batch) }
        return written
    }
}
