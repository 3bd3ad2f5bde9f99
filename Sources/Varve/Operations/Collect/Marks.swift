import VarveFormat

/// A count of all blobs with those marked that snapshots need.
struct Marks: Sendable {
    let census: BlobCensus
    let live: LiveBlobs
    /// Whether packs came since the places were listed.
    private(set) var isOutdated = false

    /// What is needed now, and where it is. If something is missing, and snapshots came or went meanwhile, all is
    /// listed once more.
    ///
    /// - Throws: `damaged` where nobody can know what is needed.
    static func look(
        at repository: Repository, progress: Progress
    ) throws(StoreError) -> (kept: KeptSnapshots, marks: Marks) {
        let first = try KeptSnapshots(repository)
        try first.check()
        do throws(StoreError) {
            return (first, try Marks(repository, roots: first.roots(without: first.removable), progress: progress))
        } catch {
            guard error.code == .damaged, try !first.isCurrent(repository) else { throw error }
            let kept = try KeptSnapshots(repository)
            try kept.check()
            return (kept, try Marks(repository, roots: kept.roots(without: kept.removable), progress: progress))
        }
    }

    init(_ repository: Repository, roots: [BlobID], progress: Progress) throws(StoreError) {
        progress.update { $0.phase = "reading" }
        census = try BlobCensus(reading: repository, progress: progress)
        if let problem = census.problems.first {
            throw Self.refusal(
                problem, remedy: "see varve verify for what is damaged; varve repair index makes index files anew")
        }
        do throws(StoreError) {
            live = try LiveBlobs.marking(roots, in: census, repository: repository, progress: progress)
        } catch where error.code == .missing || error.isDamage {
            throw Self.refusal(error, remedy: "see varve verify for what is damaged or missing")
        }
    }

    private init(_ live: LiveBlobs) {
        census = live.census
        self.live = live
    }

    /// The same, to be renewed before it is used.
    func outdated() -> Marks {
        var marks = self
        marks.isOutdated = true
        return marks
    }

    /// The same marks with all places listed anew; nil if a live blob has no present place, or that cannot be known.
    func renewed(_ repository: Repository, progress: Progress) throws(StoreError) -> Marks? {
        let census = try BlobCensus(reading: repository, progress: progress)
        return census.problems.isEmpty ? try live.placed(in: census).map { Marks($0) } : nil
    }

    /// Whether the marks are those of these roots.
    func isFor(_ roots: [BlobID]) -> Bool { Set(live.roots) == Set(roots) }

    /// Whatever keeps a collection from knowing what is needed counts as damage here.
    private static func refusal(_ error: StoreError, remedy: String) -> StoreError {
        StoreError(
            .damaged, "nothing was deleted: \(error.message)", path: error.path, remedy: error.remedy ?? remedy,
            errno: error.errno)
    }
}
