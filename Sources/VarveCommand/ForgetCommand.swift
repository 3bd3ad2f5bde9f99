import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct ForgetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "forget", abstract: "Drop snapshots that no keep rule keeps.",
        discussion: """
            With keep rules, what none of them keeps goes. With limits (--max-...), only
            what a limit hits goes, and of that only what no keep rule keeps. Rules count
            apart for each host, job and set of paths. Safety snapshots, pinned and held
            ones stay and are not counted; interrupted ones are not counted.

            Without rules, those of varve.toml and its jobs hold.

            Nothing is asked: look first with --dry-run, which shows the reason for each
            snapshot. What went can be taken back with varve undelete until varve gc
            frees its space.

            Examples:
              varve forget --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run
              varve forget --max-age 30d --keep-last 5
              varve forget --host web1 --keep-hourly 48h --keep-daily 90d --gc
            """, aliases: ["cleanup"])

    @OptionGroup(title: "Rules") var retention: RetentionOptions
    @Flag(help: "Free the space of what was dropped, as varve gc does.") var gc = false
    @OptionGroup(title: "Filters") var selection: SelectionOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let rules = try retention.rules(context)
        let shrinkGuard = try retention.shrinkGuard(context)
        let filter = try selection.filter(context)
        let calendar = RetentionRules.localCalendar()
        let repository = try context.openRepository()
        let lookup = try SnapshotLookup(repository)
        try checkWhole(lookup.list, context)
        let plan = try rules.plan(
            lookup.matching(filter).map(RetentionCandidate.init), now: .now(), calendar: calendar)
        if !context.settings.isDryRun {
            try shrinkGuard.check(plan)
            try drop(plan.dropped, repository, context)
        }
        if context.output.isJSON {
            showJSON(plan, context)
        } else {
            if context.settings.isDryRun || context.output.verbosity > 0 {
                RetentionView(output: context.output, calendar: calendar).show(plan)
            }
            summarize(plan, context)
        }
        if context.settings.isDryRun {
            do throws(StoreError) {
                try shrinkGuard.check(plan)
            } catch {
                context.output.warning("without --dry-run this is refused: \(error.message)")
            }
        }
        if plan.bytesOverLimit > 0 {
            let excess = HumanText.size(plan.bytesOverLimit)
            context.output.warning("--max-size is exceeded by \(excess) still: what is left is protected")
        }
        // What a collection would do then cannot be told before.
        guard gc, !context.settings.isDryRun else { return .ok }
        return try CollectionRun.run(repository, try CollectionArguments.configured(context), context)
    }

    /// Pins and holds are looked at again when this is written: nothing goes if somebody set one meanwhile.
    private func drop(_ ids: [SnapshotID], _ repository: Repository, _ context: Context) throws(StoreError) {
        guard !ids.isEmpty else { return }
        try context.patiently { () throws(StoreError) in
            try SnapshotEditor(repository: repository).delete(ids, reason: "forget", includesSafety: false)
        }
    }

    /// A record that is gone or cannot be read may be a pin or a hold, and snapshots that somebody else took away are
    /// no time to drop others: then nothing goes.
    private func checkWhole(_ list: SnapshotList, _ context: Context) throws(StoreError) {
        _ = DeletionEvidence.show(list, context.output)
        if list.isRolledBack || !list.vanished.isEmpty, !context.settings.isDryRun {
            throw StoreError(
                .damaged, "something vanished from the repository, and pins or holds may have gone with it",
                remedy: "nothing was dropped; varve list --accept-missing says that it is right so")
        }
        for file in list.unreadable {
            let path = Array("\(file.directory)/\(file.id.hex)".utf8)
            if file.directory == "records", !context.settings.isDryRun {
                throw StoreError(
                    .damaged, "a record cannot be read, and it may pin or hold a snapshot: \(file.error.message)",
                    path: path, remedy: "run varve verify; nothing was dropped")
            }
            context.output.warning(file.error.message, path: path)
        }
    }

    private func summarize(_ plan: RetentionPlan, _ context: Context) {
        let dropped = HumanText.count(plan.dropped.count, "snapshot")
        let verb = context.settings.isDryRun ? "would be dropped" : "dropped"
        context.output.summary("\(dropped) \(verb), \(plan.kept) kept")
        if !context.settings.isDryRun, !gc, !plan.dropped.isEmpty {
            context.output.note("varve gc frees their space; until then varve undelete takes them back")
        }
    }

    private func showJSON(_ plan: RetentionPlan, _ context: Context) {
        let members: [String: JSONValue] = [
            "kept": .integer(Int64(plan.kept)), "dropped": .integer(Int64(plan.dropped.count)),
            "dry_run": .bool(context.settings.isDryRun),
        ]
        context.output.json(members, streaming: "snapshots", plan.groups.lazy.flatMap(\.decisions)) { decision in
            .object([
                "id": .string(decision.id.hex), "keep": .bool(decision.keeps),
                "reasons": .array(decision.reasons.map { .string($0) }),
                "time": .string(decision.claimedTime.rfc3339), "effective_time": .string(decision.time.rfc3339),
            ])
        }
    }
}
