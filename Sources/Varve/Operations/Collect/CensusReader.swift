import Synchronization
import VarveFormat

/// Reads what a census counts: index files first, so that a listing made afterwards has every pack that they name and
/// that is there; then the ends of packs that none of them names.
struct CensusReader: ~Copyable {
    private let repository: Repository
    private let progress: Progress
    var builder: CensusBuilder
    private(set) var indexFiles: [BlobCensus.IndexFile] = []
    private(set) var listing: [PackID: PackListing.Entry] = [:]
    private(set) var problems: [StoreError] = []

    init(_ repository: Repository, _ spill: SpillPlace, progress: Progress) {
        builder = CensusBuilder(spill)
        self.repository = repository
        self.progress = progress
    }

    mutating func read() throws(StoreError) {
        for entry in try repository.backend.list(RepositoryPath.index) {
            try progress.check()
            guard let id = FileID(hex: entry.name), !entry.isDirectory else { continue }
            do throws(StoreError) {
                try readIndex(id, byteCount: Int(entry.size))
            } catch {
                // Removed since: what it named stands in another one, or is read out of the packs below.
                if error.code == .missing { continue }
                guard error.isDamage else { throw error }
                problems.append(error)
            }
        }
        listing = try PackListing(repository.backend).packs
        try readEnds()
    }

    private mutating func readIndex(_ id: FileID, byteCount: Int) throws(StoreError) {
        let segment = try repository.sealed.read(.index, id, from: repository.backend)
        let path = RepositoryPath.file(.index, id)
        try segment.withBytes { bytes throws(StoreError) in
            let view: SegmentView
            do throws(FormatError) {
                view = try SegmentView(validating: bytes, repository: repository.id)
            } catch { throw StoreError(error, path: path) }
            do throws(StoreError) {
                let packs = try builder.add(view)
                indexFiles.append(BlobCensus.IndexFile(id: id, byteCount: byteCount, packs: packs))
            } catch {
                throw error.isDamage ? StoreError(error.code, error.message, path: path) : error
            }
        }
    }

    private mutating func readEnds() throws(StoreError) {
        let unnamed = listing.filter { builder.packNumbers[$0.key] == nil }.sorted { $0.key < $1.key }
        let reader = PackReader(backend: repository.backend, keys: repository.keys, repository: repository.id)
        let found = Mutex<(packs: [SegmentPack], problems: [StoreError])>(([], []))
        let progress = progress
        try WorkList.run(unnamed.count, threads: repository.threadCount, makeWorker: {}) {
            (_, number) throws(StoreError) in
            try progress.check()
            do throws(StoreError) {
                let pack = try reader.segmentPack(unnamed[number].key, kind: unnamed[number].value.kind)
                found.withLock { $0.packs.append(pack) }
            } catch {
                guard error.isDamage || error.code == .missing else { throw error }
                // One that is gone since is no problem: nobody can rely on it.
                if error.code != .missing { found.withLock { $0.problems.append(error) } }
            }
        }
        let (packs, damaged) = found.withLock { $0 }
        for pack in packs.sorted(by: { $0.id < $1.id }) { try builder.add(pack) }
        problems += damaged.sorted { $0.description < $1.description }
    }
}
