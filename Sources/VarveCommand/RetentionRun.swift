import Varve
import VarveApp
import VarveFormat

/// Rules for keeping snapshots, applied to a repository.
struct RetentionRun {
    let rules: RetentionRuleSet
    let shrinkGuard: ShrinkGuard
    let filter: SnapshotFilter
    let calendar: RetentionCalendar

    /// - Throws: `usage`, naming the option or the key.
    init(_ options: RetentionOptions, _ filter: SnapshotFilter, _ context: Context) throws(StoreError) {
        rules = try options.rules(context)
        shrinkGuard = try options.shrinkGuard(context)
        self.filter = filter
        calendar = RetentionRules.localCalendar()
    }

    /// What is to happen to each snapshot.
    ///
    /// - Throws: `damaged` if something vanished, unless nothing is to be dropped.
    func plan(_ repository: Repository, _ context: Context) throws(StoreError) -> RetentionPlan {
        let lookup = try SnapshotLookup(repository)
        try checkWhole(lookup.list, context)
        return try rules.plan(
            lookup.matching(filter).map(RetentionCandidate.init), now: .now(), calendar: calendar)
    }

    /// Drops what the plan drops. Pins and holds are looked at again when this is written: nothing goes if somebody set
    /// one meanwhile.
    ///
    /// - Throws: `refused` if that were too many.
    func drop(_ plan: RetentionPlan, _ repository: Repository, _ context: Context) throws(StoreError) {
        try shrinkGuard.check(plan)
        guard !plan.dropped.isEmpty else { return }
        try context.patiently { () throws(StoreError) in
            try SnapshotEditor(repository: repository).delete(plan.dropped, reason: "forget", includesSafety: false)
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
}
