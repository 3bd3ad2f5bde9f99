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
        let run = try RetentionRun(retention, try selection.filter(context), context)
        let repository = try context.openRepository()
        let plan = try run.plan(repository, context)
        if !context.settings.isDryRun { try run.drop(plan, repository, context) }
        if context.output.isJSON {
            showJSON(plan, context)
        } else {
            if context.settings.isDryRun || context.output.verbosity > 0 {
                RetentionView(output: context.output, calendar: run.calendar).show(plan)
            }
            summarize(plan, context)
        }
        if context.settings.isDryRun {
            do throws(StoreError) {
                try run.shrinkGuard.check(plan)
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
