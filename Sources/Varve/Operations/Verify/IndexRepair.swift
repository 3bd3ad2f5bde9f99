import Synchronization
public import VarveFormat

/// Makes the index files of a repository anew from what its packs say of themselves (FORMAT.md section 8).
///
/// Index files that are true and of use stay as they are. New ones are durable before any is removed, so that a crash
/// leaves more than is needed, never less; a writer at work is not disturbed.
public struct IndexRepair: Sendable {
    /// What a repair did.
    public struct Report: Sendable {
        /// Packs whose ends were read.
        public var packsRead = 0
        /// Index files made.
        public var indexFilesWritten = 0
        /// Index files removed.
        public var indexFilesRemoved = 0
        /// Packs whose directory cannot be read.
        public var damagedPacks: [PackID] = []
        /// Why index files were removed and what is wrong with packs, one sentence each.
        public var notices: [String] = []
    }

    /// An index file that can be read.
    private struct IndexFile {
        let id: FileID
        let packs: [SegmentPack]
    }

    private let repository: Repository
    private let progress: Progress

    /// Prepares a repair.
    public init(repository: Repository, progress: Progress) {
        self.repository = repository
        self.progress = progress
    }

    /// Repairs.
    ///
    /// - Throws: `interrupted`, and what the storage throws.
    public func run() throws(StoreError) -> Report {
        let session = try Session.openWriter(on: repository.backend, program: repository.options.program)
        defer { session.close() }
        progress.update { $0.phase = "reading" }
        var report = Report()
        // Index files first: of those that are listed, the packs were there before.
        let names = try repository.backend.list(RepositoryPath.index).compactMap { FileID(hex: $0.name) }
        let ends = PackEnds(repository, progress: progress)
        let present = try ends.read(except: session.condemnedPacks, &report)
        var damaged: [FileID] = []
        let files = try read(names, &damaged, &report)
        let kept = keep(files, present: present, condemned: session.condemnedPacks, &report)
        let missing = try missingPacks(files, kept: kept, present: present)
        try publish(missing, session, &report)
        let removed = damaged + files.map(\.id).filter { id in !kept.contains { $0.id == id } }
        for id in removed { try repository.backend.remove(RepositoryPath.file(.index, id)) }
        if !removed.isEmpty { try repository.backend.syncDirectories([RepositoryPath.index]) }
        report.indexFilesRemoved = removed.count
        return report
    }

    private func read(
        _ names: [FileID], _ damaged: inout [FileID], _ report: inout Report
    ) throws(StoreError) -> [IndexFile] {
        let sealed = SealedFile(keys: repository.keys, repository: repository.id)
        var files: [IndexFile] = []
        for name in names {
            try progress.check()
            do throws(StoreError) {
                let segment = try sealed.read(.index, name, from: repository.backend)
                let packs = try segment.withBytes { bytes throws(StoreError) in
                    do throws(FormatError) {
                        let view = try SegmentView(validating: bytes, repository: repository.id)
                        try view.checkBlobs()
                        return try view.packs { _ in true }
                    } catch { throw StoreError(error) }
                }
                files.append(IndexFile(id: name, packs: packs))
            } catch {
                if error.code == .missing { continue }
                // One that this program does not know may be a newer program's: it stays.
                guard error.isDamage, error.code != .unsupported else { throw error }
                damaged.append(name)
                report.notices.append("index/\(name.hex) is damaged: \(error.message)")
            }
        }
        return files
    }

    /// The index files that stay: those that only name packs that are there and say of them what they say themselves,
    /// unless others that stay name all of them too.
    private func keep(
        _ files: [IndexFile], present: [PackID: PackEnds.Pack], condemned: Set<PackID>, _ report: inout Report
    ) -> [IndexFile] {
        var kept: [IndexFile] = []
        var named: Set<PackID> = []
        for file in files.sorted(by: { ($0.packs.count, $0.id) > ($1.packs.count, $1.id) }) {
            let absent = file.packs.count { present[$0.id] == nil && !condemned.contains($0.id) }
            let isTrue = file.packs.allSatisfy { pack in
                guard let known = present[pack.id]?.pack else { return true }
                return known == pack
            }
            if absent > 0 {
                report.notices.append("index/\(file.id.hex) names \(absent) packs that are not there")
            } else if !isTrue {
                report.notices.append("index/\(file.id.hex) says otherwise of its packs than they do themselves")
            } else if file.packs.allSatisfy({ named.contains($0.id) }) {
                report.notices.append("index/\(file.id.hex) names nothing that others do not name")
            } else {
                kept.append(file)
                named.formUnion(file.packs.map(\.id))
            }
        }
        return kept
    }

    /// The packs that new index files must name, in order. Of a pack that cannot tell its content itself, what an index
    /// file said that goes.
    private func missingPacks(
        _ files: [IndexFile], kept: [IndexFile], present: [PackID: PackEnds.Pack]
    ) throws(StoreError) -> [SegmentPack] {
        let named = Set(kept.flatMap { $0.packs.map(\.id) })
        var missing: [PackID: SegmentPack] = [:]
        for (id, end) in present where !named.contains(id) {
            if let pack = end.pack { missing[id] = pack }
        }
        for pack in files.flatMap(\.packs) where !named.contains(pack.id) && missing[pack.id] == nil {
            if present[pack.id] != nil { missing[pack.id] = pack }
        }
        return missing.values.sorted { $0.id < $1.id }
    }

    private func publish(_ packs: [SegmentPack], _ session: Session, _ report: inout Report) throws(StoreError) {
        guard !packs.isEmpty else { return }
        // Writers trust what an index file names: the names of the packs must be durable first.
        let directories = Set(packs.map { RepositoryPath.packDirectory($0.kind, $0.id) })
        try repository.backend.syncDirectories(directories.sorted())
        let writer = IndexWriter(
            backend: repository.backend, session: session.id, keys: repository.keys, repository: repository.id)
        report.indexFilesWritten = try writer.publish(packs).count
    }
}

/// Reads the ends of all packs on several threads.
final class PackEnds: Sendable {
    /// A pack that is there.
    struct Pack: Sendable {
        /// What an index file should say of it; nil if it cannot tell.
        let pack: SegmentPack?
    }

    private let repository: Repository
    private let progress: Progress
    private let ends = Mutex<[PackID: Pack]>([:])
    private let problems = Mutex<[(PackID, String)]>([])

    init(_ repository: Repository, progress: Progress) {
        self.repository = repository
        self.progress = progress
    }

    func read(except left: Set<PackID>, _ report: inout IndexRepair.Report) throws(StoreError) -> [PackID: Pack] {
        let packs = try PackListing(repository.backend).packs.sorted { $0.key < $1.key }
            .filter { !left.contains($0.key) }
        let reader = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        progress.update { $0.filesTotal = packs.count }
        try WorkList.run(packs.count, threads: repository.threadCount, makeWorker: {}) {
            [self] (_, number) throws(StoreError) in
            try progress.check()
            let (id, entry) = packs[number]
            do throws(StoreError) {
                let pack = try reader.segmentPack(id, kind: entry.kind)
                ends.withLock { $0[id] = Pack(pack: pack) }
            } catch {
                if error.code == .missing { return }
                guard error.isDamage else { throw error }
                ends.withLock { $0[id] = Pack(pack: nil) }
                problems.withLock { $0.append((id, error.description)) }
            }
            progress.update { $0.filesDone += 1 }
        }
        let found = problems.withLock { $0 }.sorted { $0.0 < $1.0 }
        report.packsRead = ends.withLock { $0.count }
        report.damagedPacks = found.map(\.0)
        report.notices += found.map(\.1)
        return ends.withLock { $0 }
    }
}
