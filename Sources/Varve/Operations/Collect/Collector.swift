import VarveFormat

/// Frees the space of snapshots that were deleted, beside everything else that goes on (FORMAT.md section 12).
///
/// Nothing that a standing snapshot needs is ever removed, whatever runs at the same time and wherever this is killed:
/// the next collection goes on where this one was.
public struct Collector: Sendable {
    private let repository: Repository
    private let options: CollectOptions
    private let progress: Progress

    /// Prepares a collection.
    public init(repository: Repository, options: CollectOptions, progress: Progress) {
        self.repository = repository
        self.options = options
        self.progress = progress
    }

    /// Collects.
    ///
    /// - Throws: `damaged` if it cannot be known what snapshots need: then nothing was deleted; `busy` while another
    ///   collection runs; `sessionLost` if another one took this one for dead; `interrupted`; `noSpace` if there is not
    ///   even enough for a record of what is to go; what the storage throws.
    public func run() throws(StoreError) -> CollectReport {
        let start = Timestamp.now()
        var report: CollectReport
        if options.isDryRun {
            report = try CollectionForecast(repository: repository, options: options, progress: progress).report()
        } else {
            let ended = try SessionExpiry.endSilent(
                on: repository.backend, memory: repository.memory, now: options.now())
            let session = try Session.openCollector(on: repository.backend, program: repository.options.program)
            defer { session.close() }
            var run = CollectorRun(repository: repository, options: options, progress: progress, session: session)
            do throws(StoreError) {
                report = try run.collect()
            } catch where error.code == .damaged {
                try Self.checkIsThere(session, repository.backend)
                throw error
            }
            report.sessionsEnded = ended.map { CollectReport.Occupant($0) }
        }
        report.durationSeconds = Timestamp.now().seconds(since: start)
        return report
    }

    /// Whoever was judged dead while it slept goes by listings that others have made old since.
    private static func checkIsThere(_ session: Session, _ backend: any Backend) throws(StoreError) {
        guard try !backend.list("sessions").contains(where: { $0.name == session.id.hex }) else { return }
        throw StoreError(
            .sessionLost, "another program took this collection for dead and ended it",
            remedy: "nothing is lost: run it again")
    }
}
