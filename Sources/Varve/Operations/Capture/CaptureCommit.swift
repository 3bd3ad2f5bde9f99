import Synchronization
import VarveFormat

/// Makes snapshots of a running capture durable: its checkpoints and its end (FORMAT.md section 11).
final class CaptureCommit: Sendable {
    private struct State {
        var tips: [FileID]
        var sequence: Int
        var replaces: [SnapshotID]
        var packCount = 0
        var storedBytes: UInt64 = 0
    }

    /// Blobs that wait for an index file may be this share of all that the capture has stored, if that is more than
    /// the options say: each index file makes look-ups slower.
    private static let indexedShare = 8
    /// With so many blobs an index file takes memory that workers who have ended may still hold.
    private static let largeIndexCount = 65_536

    /// The directory `/` of this capture.
    let rootNode: DirectoryNode

    private let repository: Repository
    private let session: Session
    private let run: ArchiveRun
    private let publisher: PackPublisher
    private let statement: SnapshotStatement
    private let state: Mutex<State>
    private let isIndexing = Atomic(false)
    private let indexedBlobs = Atomic<Int>(0)

    init(
        repository: Repository, session: Session, run: ArchiveRun, publisher: PackPublisher,
        statement: SnapshotStatement
    ) {
        self.repository = repository
        self.session = session
        self.run = run
        self.publisher = publisher
        self.statement = statement
        rootNode = run.makeRoot()
        state = Mutex(
            State(
                tips: statement.snapshots.tips, sequence: statement.snapshots.nextSequence,
                replaces: statement.interrupted))
    }

    /// Names the packs so far in index files, once they hold many blobs: so that memory need not hold all that is new.
    /// To be called between two tasks, and within the capture of a long file: blobs that are not in a pack yet stay in
    /// flight.
    func indexIfDue() throws(StoreError) {
        let indexed = indexedBlobs.load(ordering: .relaxed)
        guard publisher.blobCount >= max(run.options.indexedBlobCount, indexed / Self.indexedShare) else { return }
        guard !isIndexing.exchange(true, ordering: .acquiring) else { return }
        defer { isIndexing.store(false, ordering: .releasing) }
        try publishPacks(isLast: false)
        // What the index file took to make is not needed for long.
        Allocator.trim()
    }

    /// Commits what was captured so far as an interrupted snapshot, which the next one replaces.
    func checkpoint(root: BlobID, records: [StatCacheWriter.DirectoryRecord]) throws(StoreError) {
        let (id, _) = try commit(root: root, state: .interrupted)
        run.caches.writer?.publishCopy(as: run.caches.interruptedPath, snapshot: id, records: records)
    }

    /// Commits the finished capture.
    func finish(root: BlobID) throws(StoreError) -> (SnapshotID, Manifest) {
        let (id, manifest) = try commit(root: root, state: .complete)
        keepCache(for: id)
        return (id, manifest)
    }

    /// Keeps what there is when no snapshot is made because nothing changed: lost blobs may have been stored anew.
    func keepWithoutSnapshot(for parent: SnapshotID) throws(StoreError) {
        try publishPacks(isLast: true)
        keepCache(for: parent)
    }

    /// What the manifest would be, without making it.
    func preview(root: BlobID) -> Manifest {
        state.withLock { state in
            statement.manifest(
                run, root: root, state: .complete, tips: state.tips, sequence: state.sequence,
                replaces: state.replaces, packs: (0, 0))
        }
    }

    /// Publishes the stat cache of a capture that is whole.
    func keepCache(for id: SnapshotID) {
        guard let writer = run.caches.writer else { return }
        writer.publish(as: run.caches.completePath, snapshot: id)
        run.caches.removeInterrupted()
    }

    private func commit(root: BlobID, state snapshotState: SnapshotState) throws(StoreError) -> (SnapshotID, Manifest) {
        try publishPacks(isLast: snapshotState == .complete)
        let manifest = state.withLock { state -> Manifest in
            statement.manifest(
                run, root: root, state: snapshotState, tips: state.tips, sequence: state.sequence,
                replaces: state.replaces, packs: (state.packCount, state.storedBytes))
        }
        let sealed = try SealedFile(keys: repository.keys, repository: repository.id).seal(.manifest, manifest.encode())
        let id = SHA256Digest.of(sealed)
        try repository.backend.commit(session: session.id, sealed, as: RepositoryPath.file(.manifest, id))
        repository.memory?.remember([id])
        state.withLock { state in
            state.tips = [id]
            state.sequence += 1
            if snapshotState == .interrupted { state.replaces.append(id) }
        }
        return (id, manifest)
    }

    /// Makes packs and their index files durable.
    private func publishPacks(isLast: Bool) throws(StoreError) {
        let packs = try publisher.commitPoint()
        let blobs = packs.reduce(0) { $0 + $1.directory.frames.reduce(0) { $0 + $1.blobs.count } }
        indexedBlobs.add(blobs, ordering: .relaxed)
        if isLast, blobs >= Self.largeIndexCount { Allocator.trim() }
        let writer = IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id)
        let written = try writer.publish(packs)
        for file in written { try run.index.absorb(file, isLast: isLast) }
        state.withLock { state in
            state.packCount += packs.count
            state.storedBytes += packs.reduce(0) { $0 + $1.length }
            state.storedBytes += written.reduce(0) { $0 + UInt64($1.byteCount) }
        }
    }
}
