import Synchronization
import Varve
import VarveApp
import VarveFormat

/// The PostgreSQL databases of a restore in place, and how they are joined with its files: both change or neither does.
final class DatabaseRestore: Sendable {
    private struct Result {
        var safety: SnapshotID?
        var notices: [String] = []
        var failure: StoreError?
        var isDone = false
    }

    private let repository: Repository
    private let snapshot: Snapshot
    private let targets: [PostgresRestore.Target]
    private let options: PostgresRestore.Options
    private let memory: PostgresMemory?
    private let context: Context
    private let running = RunningCommands()
    private let result = Mutex(Result())

    init(
        _ repository: Repository, _ snapshot: Snapshot, _ targets: [PostgresRestore.Target],
        _ options: PostgresRestore.Options, memory: PostgresMemory?, _ context: Context
    ) {
        self.repository = repository
        self.snapshot = snapshot
        self.targets = targets
        self.memory = memory
        self.context = context
        var options = options
        options.host = context.environment[.host] ?? RecordOptions.hostName()
        self.options = options
    }

    /// The databases of components of a snapshot.
    static func targets(
        _ components: [SnapshotComponent], _ snapshot: Snapshot, _ context: Context
    ) throws(StoreError) -> [PostgresRestore.Target] {
        try PostgresRestore.targets(components, of: snapshot.manifest, server: server(context))
    }

    /// Where a database is, by the names of its component and its own.
    static func server(_ context: Context) -> (String, String) throws(StoreError) -> PostgresServer {
        let configuration = context.configured.configuration
        return { name, database throws(StoreError) in
            try PostgresSource.server(name, database, in: configuration)
        }
    }

    /// Says what will happen.
    func showPlan() {
        for target in targets {
            context.output.note(
                context.output.safe(
                    target.record == nil
                        ? "  remove  \(target.text)"
                        : "  replace  \(target.text): \(HumanText.count(target.tables, "table")), "
                            + HumanText.count(target.rows, "row")))
        }
    }

    /// Ends the programs that are at work.
    func stop() { running.stop() }

    /// Restores files by `restore`, and the databases with them.
    func run(
        _ progress: Progress, _ settings: Restorer.Options, stopsLater: Bool,
        _ restore: (Restorer.Options) throws(StoreError) -> RestoreReport
    ) throws(StoreError) -> RestoreReport {
        guard let memory, !targets.isEmpty else { return try restore(settings) }
        try recover(memory, progress)
        var options = options
        options.isStoppedLater = stopsLater
        let databases = PostgresRestore(
            repository: repository, snapshot: snapshot, targets: targets, options: options, memory: memory,
            running: running)
        try databases.prepare(progress)
        var settings = settings
        settings.beforeCommit = { () throws(StoreError) in
            progress.update { $0.phase = "exchanging databases" }
            try progress.check()
            try databases.exchange()
        }
        let report: RestoreReport
        do throws(StoreError) {
            report = try restore(settings)
        } catch {
            do throws(StoreError) {
                try databases.abandon()
            } catch { context.output.error(context.output.safe(error.description), path: nil) }
            throw error
        }
        if report.isAbandoned {
            try databases.abandon()
        } else {
            let (safety, failure) = databases.finish(progress)
            result.withLock { result in
                result.safety = safety
                result.failure = failure
                result.isDone = true
            }
        }
        return report
    }

    /// Ends what a killed run left.
    private func recover(_ memory: PostgresMemory, _ progress: Progress) throws(StoreError) {
        guard let recovery = try PostgresRecovery(memory, server: Self.server(context)) else { return }
        let isOpen: Bool
        do {
            let files = try RestoreUndo(stateDirectory: context.environment.stateDirectory, near: []).subject()
            isOpen = files.map { $0.isInterrupted && !$0.isComplete } ?? false
        }
        var isExchanged = recovery.note.ended != nil
        if !isExchanged, !isOpen { isExchanged = try recovery.isExchanged() }
        if !isExchanged {
            try recovery.takeBack()
            note("the earlier restore of \(recovery.names) was interrupted: it was taken back first")
        } else {
            let failure = recovery.complete(repository, host: options.host, running, progress).failure
            if let failure { throw failure }
            note("the earlier restore of \(recovery.names) was interrupted in the end: it was completed first")
        }
    }

    private func note(_ text: String) { result.withLock { $0.notices.append(text) } }

    /// What the databases add to the status of the restore.
    var status: ExitStatus { result.withLock { $0.failure == nil ? .ok : .partial } }

    /// Says what was done; the members are for the summary in JSON.
    func show(_ verb: String) -> [String: JSONValue] {
        let result = result.withLock { $0 }
        let output = context.output
        for notice in result.notices { output.warning(output.safe(notice)) }
        if let failure = result.failure { output.error(output.safe(failure.description), path: nil) }
        guard !targets.isEmpty, result.isDone else { return [:] }
        for target in targets where !output.isJSON {
            let what = target.record == nil
                ? "removed" : "\(HumanText.count(target.tables, "table")), \(HumanText.count(target.rows, "row"))"
            output.summary(output.safe("\(verb) \(target.text): \(what)"))
        }
        if let safety = result.safety, !output.isJSON {
            output.summary("the old database is in safety snapshot \(safety.hex.prefix(12))")
        }
        return [
            "databases": .array(targets.map { target in
                .object([
                    "component": .string(target.component), "database": .string(target.database),
                    "tables": .integer(Int64(target.tables)), "rows": .integer(target.rows),
                ])
            }),
            "database_safety_snapshot_id": SnapshotJSON.text(result.safety?.hex),
        ]
    }
}
