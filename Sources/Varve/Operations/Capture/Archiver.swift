import Glibc
import VarveFormat

/// Captures directories and streams as one snapshot.
///
/// Workers take tasks from one stack and do each from start to end. The snapshot exists once its manifest is renamed
/// into place (FORMAT.md section 11); whatever happens before leaves at most unreferenced packs.
public struct Archiver: Sendable {
    private let repository: Repository
    private let options: Options
    private let progress: Progress

    /// Prepares a capture.
    public init(repository: Repository, options: Options, progress: Progress) {
        self.repository = repository
        self.options = options
        self.progress = progress
    }

    /// Makes the snapshot.
    ///
    /// - Throws: `failed` if none of the paths exists or all are empty; `interrupted`, with what was captured saved as
    ///   an interrupted snapshot; `noSpace`; `exists` if the name is taken. Source files that cannot be read are errors
    ///   of the report instead.
    public func run() throws(StoreError) -> ArchiveReport {
        let start = Timestamp.now()
        try SourceForest.check(paths: options.paths, streams: options.streams)
        guard !options.isDryRun else { return try dryRun(start) }
        var attempt = 1
        while true {
            let session = try Session.openWriter(on: repository.backend, program: repository.options.program)
            defer { session.close() }
            do {
                return try capture(in: session, start)
            } catch {
                // Somebody judged this session dead. What it stored may be gone: look everything up again.
                // A stream cannot be read a second time.
                guard error.code == .sessionLost, attempt < 3, options.streams.isEmpty else { throw error }
                attempt += 1
            }
        }
    }

    private func capture(in session: Session, _ start: Timestamp) throws(StoreError) -> ArchiveReport {
        let listing = try PackListing(repository.backend)
        let condemned = session.condemnedPacks
        let index = try repository.openIndex { listing.contains($0) && !condemned.contains($0) }
        let snapshots = try repository.snapshots()
        try checkName(snapshots)
        let parent = snapshots.parent(for: options)
        let run = try makeRun(index: index, snapshots: snapshots, parent: parent)
        let publisher = try PackPublisher(backend: repository.backend)
        defer { publisher.close() }
        let statement = SnapshotStatement(
            repository: repository, options: options, start: start, snapshots: snapshots, parent: parent)
        let commit = CaptureCommit(
            repository: repository, session: session, run: run, publisher: publisher, statement: statement)
        let crew = try CaptureCrew(run: run, session: session, publisher: publisher, commit: commit)
        try crew.work()
        try checkNotEmpty(run)
        guard let root = run.root.withLock({ $0 }) else { throw StoreError(.failed, "no tree was made") }
        if options.skipsIfUnchanged, let parent, parent.manifest.treeRoot == root {
            try commit.keepWithoutSnapshot(for: parent.id)
            return report(run, snapshots, nil, commit.preview(root: root))
        }
        let (id, manifest) = try commit.finish(root: root)
        return report(run, snapshots, id, manifest)
    }

    private func dryRun(_ start: Timestamp) throws(StoreError) -> ArchiveReport {
        let index = try repository.openIndex(isUsable: nil)
        let snapshots = try repository.snapshots()
        let parent = snapshots.parent(for: options)
        let run = try makeRun(index: index, snapshots: snapshots, parent: parent)
        try CaptureCrew.look(run)
        try checkNotEmpty(run)
        let statement = SnapshotStatement(
            repository: repository, options: options, start: start, snapshots: snapshots, parent: parent)
        let root = BlobID(0, 0, 0, 0)
        let manifest = statement.manifest(
            run, root: root, state: .complete, tips: snapshots.tips, sequence: snapshots.nextSequence, replaces: [],
            packs: (0, 0))
        return report(run, snapshots, nil, manifest)
    }

    private func makeRun(
        index: BlobIndex, snapshots: SnapshotList, parent: Snapshot?
    ) throws(StoreError) -> ArchiveRun {
        let forest = SourceForest(paths: options.paths, streams: options.streams)
        return try ArchiveRun(
            repository: repository, options: options, progress: progress, index: index, forest: forest,
            caches: CaptureCaches.open(repository, options, snapshots: snapshots),
            parent: parent)
    }

    private func checkName(_ snapshots: SnapshotList) throws(StoreError) {
        guard let name = options.name, let holder = snapshots.snapshots.first(where: { $0.manifest.name == name })
        else { return }
        throw StoreError(
            .exists, "the name \(name) is taken by snapshot \(holder.id.hex.prefix(12))",
            remedy: "choose another name")
    }

    private func checkNotEmpty(_ run: ArchiveRun) throws(StoreError) {
        let totals = run.totals
        guard totals.files + totals.symlinks + totals.specials == 0, !options.allowsEmpty else { return }
        let cause = run.errors.list.first.map { ": \(String(decoding: $0.path, as: UTF8.self)): \($0.message)" } ?? ""
        throw StoreError(
            .failed, "nothing was found to capture\(cause)",
            remedy: "check the paths and exclusions; --allow-empty makes an empty snapshot")
    }

    private func report(
        _ run: ArchiveRun, _ snapshots: SnapshotList, _ id: SnapshotID?, _ manifest: Manifest
    ) -> ArchiveReport {
        let errors = run.errors
        return ArchiveReport(
            snapshotID: id, manifest: manifest, errors: errors.list, notices: errors.notices,
            isUnchanged: id == nil && !options.isDryRun, bytesUnchanged: run.totals.bytesUnchanged,
            bytesUnmodified: run.totals.bytesUnmodified, vanished: snapshots.vanished)
    }
}
