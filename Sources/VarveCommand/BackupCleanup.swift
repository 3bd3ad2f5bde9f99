import Varve
import VarveApp
import VarveFormat

/// What a backup with --cleanup does in the end: drops old snapshots of its host by rules, and frees their space.
struct BackupCleanup {
    /// What came of it.
    struct Outcome {
        /// Why nothing was dropped; nil if the rules were applied.
        var skipped: String?
        var dropped: [SnapshotID] = []
        var kept = 0
        var collected: CollectReport?
        var status = ExitStatus.ok

        var json: JSONValue {
            .object([
                "skipped": SnapshotJSON.text(skipped), "kept": .integer(Int64(kept)),
                "dropped": .integer(Int64(dropped.count)), "snapshots": .array(dropped.map { .string($0.hex) }),
                "packs_removed": .integer(Int64(collected?.packsRemoved ?? 0)),
                "bytes_freed": .integer(Int64(clamping: collected?.bytesFreed ?? 0)),
                "exit_status": .integer(Int64(status.code)),
            ])
        }

        /// For people.
        var text: String {
            if let skipped { return "cleanup: nothing was dropped, because \(skipped)" }
            let waiting = collected?.waitingFor.isEmpty == false ? ", more later" : ""
            return "cleanup: \(HumanText.count(dropped.count, "snapshot")) dropped, \(kept) kept, "
                + "\(HumanText.size(collected?.bytesFreed ?? 0)) freed\(waiting)"
        }
    }

    private let retention: RetentionRun
    private let collecting: CollectOptions

    /// - Throws: `usage` for rules and settings that make no sense, or if there are none.
    init(_ retention: RetentionOptions, host: String, _ context: Context) throws(StoreError) {
        var filter = SnapshotFilter()
        filter.hosts = [host]
        let run = try RetentionRun(retention, filter, context)
        self.retention = run
        guard !run.rules.isEmpty else {
            throw StoreError(
                .usage, "there are no rules by which a cleanup could keep snapshots",
                remedy: "give --keep-daily 7 or the like, or write [retention] into varve.toml")
        }
        do throws(StoreError) {
            _ = try run.rules.plan([], now: .now(), calendar: run.calendar)
        } catch {
            throw StoreError(error.code, "--cleanup: \(error.message)", remedy: error.remedy)
        }
        collecting = try CollectionArguments.configured(context)
    }

    /// Cleans up after a backup that was as it should be; what goes wrong is shown and part of the outcome.
    ///
    /// - Throws: `interrupted`.
    func run(
        after backup: BackupArguments.Outcome, _ context: Context
    ) throws(StoreError) -> Outcome {
        let repository = backup.repository
        var outcome = Outcome()
        if let reason = Self.obstacle(backup, context) {
            outcome.skipped = reason
            return outcome
        }
        var isApplied = false
        do throws(StoreError) {
            let plan = try retention.plan(repository, context)
            try retention.drop(plan, repository, context)
            outcome.dropped = plan.dropped
            outcome.kept = plan.kept
            isApplied = true
            let report = try CollectionRun.collect(repository, collecting, context)
            outcome.collected = report
            outcome.status = report.ranOutOfSpace ? .noSpace : .ok
        } catch {
            guard error.code != .interrupted else { throw error }
            context.output.error(
                context.output.safe(error.message + (error.remedy.map { "; " + $0 } ?? "")), path: error.path,
                members: ["operation": .string("cleanup")])
            outcome.status = ExitStatus(error.code)
            if !isApplied { outcome.skipped = error.message }
        }
        return outcome
    }

    /// Why nothing may be dropped now.
    private static func obstacle(_ backup: BackupArguments.Outcome, _ context: Context) -> String? {
        if context.settings.isDryRun { return "this is a dry run; varve forget -n shows what would go" }
        if backup.report.manifest.state != .complete { return "the snapshot is not complete" }
        if let verified = backup.verified, verified != .ok { return "the snapshot could not be read back" }
        return backup.status == .ok ? nil : "the backup ended with exit status \(backup.status.code)"
    }
}
