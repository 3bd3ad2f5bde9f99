import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct UndoCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "undo", abstract: "Take back the last restore in place.",
        discussion: """
            A restore that was interrupted is taken back with what it left beside the
            restored directories: that needs no repository. Else the last finished
            restore in place is undone: names that were new are removed, and what was
            overwritten or removed comes back from the safety snapshot. Undo makes a
            safety snapshot too, and runs the hooks of restores. Given again, it undoes
            the restore before; after an interrupted undo, it begins that anew.
            PostgreSQL databases that were restored with files are undone with them.

            What is on its way or finished is remembered in the state directory. If that
            is lost, name the directory that was restored, and an interrupted restore is
            found beside or in it.

            Examples:
              varve undo
              varve undo --dry-run
              varve undo /srv/app
            """)

    @Argument(help: ArgumentHelp("Where to look for an interrupted restore.", valueName: "dir")) var directory: String?
    @Flag(help: "Make no safety snapshot of what the undo overwrites.") var noSafety = false
    @Flag(help: "Undo the rest if something cannot be brought back.") var allowPartial = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let near = try directory.map { directory throws(StoreError) in [try context.absolute(directory)] } ?? []
        let undo = try RestoreUndo(stateDirectory: context.environment.stateDirectory, near: near)
        let memory = try PostgresMemory.open(context.environment.stateDirectory)
        let files = try undo.subject()
        if let memory, let recovery = try PostgresRecovery(memory, server: DatabaseRestore.server(context)),
            let status = try takeBack(recovery, files, context) {
            return status
        }
        guard let subject = files, subject.isInterrupted else {
            let databases = try DatabaseUndo(memory, files)
            if let databases, !databases.includesFiles { return try databases.run(noSafety: noSafety, context) }
            guard let files else { throw Self.nothing }
            return try takeBackFinished(files, undo, memory, context)
        }
        if !subject.isComplete, subject.isUndo { return try beginAnew(subject, undo, memory, context) }
        if !subject.isComplete || context.settings.isDryRun { return try takeBack(subject, undo, context) }
        if try undo.end(subject) {
            context.output.summary("the undo was complete but for clearing up")
            return .ok
        }
        // The restore had done everything but to clear up.
        guard let finished = try undo.finished(of: subject) else { throw Self.nothing }
        return try takeBackFinished(finished, undo, memory, context)
    }

    private static var nothing: StoreError {
        StoreError(
            .notFound, "there is no restore in place to undo",
            remedy: "varve list shows safety snapshots: restore one of them to bring back what it holds")
    }

    /// Ends an interrupted restore of databases; nil if there is more to do.
    private func takeBack(
        _ recovery: PostgresRecovery, _ files: RestoreUndo.Subject?, _ context: Context
    ) throws(StoreError) -> ExitStatus? {
        let output = context.output
        let isOpen = files.map { $0.isInterrupted && !$0.isComplete } ?? false
        let verb = recovery.note.isUndo ? "undo" : "restore"
        let name = output.safe("the interrupted \(verb) of \(recovery.names) of \(recovery.note.began.rfc3339)")
        if context.settings.isDryRun {
            output.note("would end \(name)")
            return .ok
        }
        if recovery.note.ended != nil {
            // Everything had been done but to clear up.
            try recovery.clear()
            return recovery.note.isUndo ? .ok : nil
        }
        if recovery.note.isUndo, !isOpen, try recovery.isExchanged() {
            let repository = try context.openRepository()
            let host = context.environment[.host] ?? RecordOptions.hostName()
            let failure = try context.withProgress { progress throws(StoreError) in
                recovery.complete(repository, host: host, RunningCommands(), progress).failure
            }
            if let failure { throw failure }
            output.summary("completed \(name)")
            return .ok
        }
        try Confirmation.ask("Taking back \(name)", context)
        try recovery.takeBack()
        output.summary("took back \(name): every database is as it was before")
        // Left are files that were restored with the databases, or the undo that was asked for.
        let hasFiles = files.map { $0.isInterrupted || $0.time >= recovery.note.began } ?? false
        return hasFiles || recovery.note.isUndo ? nil : .ok
    }

    private func takeBack(
        _ subject: RestoreUndo.Subject, _ undo: RestoreUndo, _ context: Context
    ) throws(StoreError) -> ExitStatus {
        let output = context.output
        let name = Self.name(of: subject)
        if context.settings.isDryRun {
            output.note(subject.isComplete ? "\(name) was complete" : "would take back \(name)")
            if output.isJSON { summary(subject, context) }
            return .ok
        }
        try Confirmation.ask("Taking back \(name)", context)
        _ = try undo.end(subject)
        if output.isJSON {
            summary(subject, context)
        } else {
            output.summary("took back \(name): everything is as it was before")
        }
        return .ok
    }

    /// Takes an interrupted undo back, and undoes what it was to undo.
    private func beginAnew(
        _ interrupted: RestoreUndo.Subject, _ undo: RestoreUndo, _ memory: PostgresMemory?, _ context: Context
    ) throws(StoreError) -> ExitStatus {
        let finished = try undo.finished(of: interrupted)
        let name = Self.name(of: interrupted)
        if context.settings.isDryRun {
            context.output.note("would take back \(name) first")
        } else {
            try Confirmation.ask("Taking back \(name)", context)
            _ = try undo.end(interrupted)
            context.output.note("took back \(name) first")
        }
        guard let finished else {
            throw StoreError(
                .notFound, "what \(name) was to undo is not remembered here", remedy: Self.nothing.remedy)
        }
        return try takeBackFinished(finished, undo, memory, context)
    }

    private static func name(of subject: RestoreUndo.Subject) -> String {
        let what = subject.isUndo ? "undo" : "restore of snapshot \(subject.snapshot.hex.prefix(12))"
        return "the interrupted \(what) of \(subject.time.rfc3339)"
    }

    private func takeBackFinished(
        _ subject: RestoreUndo.Subject, _ undo: RestoreUndo, _ memory: PostgresMemory?, _ context: Context
    ) throws(StoreError) -> ExitStatus {
        let output = context.output
        let what = "the restore of snapshot \(subject.snapshot.hex.prefix(12)) of \(subject.time.rfc3339)"
        output.note(
            "\(context.settings.isDryRun ? "would undo" : "undoing") \(what): \(subject.created) new names "
                + "are removed, \(subject.replaced) replaced or removed ones come back")
        if context.settings.isDryRun {
            if output.isJSON { summary(subject, context) }
            return .ok
        }
        try Confirmation.ask("Undoing it", context)
        let repository = try context.openRepository()
        var options = Restorer.Options()
        options.makesSafetySnapshot = !noSafety
        options.allowsPartial = allowPartial
        options.host = context.environment[.host] ?? RecordOptions.hostName()
        options.threads = context.settings.threads
        let settings = options
        let snapshot = try repository.snapshots().snapshots.first { $0.id == subject.snapshot }
        let hooks = RestoreHooks(subject.snapshot, snapshot, isInPlace: true, context)
        let databases = try DatabaseUndo(memory, subject).flatMap { $0.includesFiles ? $0 : nil }
        let joined = try databases?.restore(repository, noSafety: noSafety, context)
        let report = try context.withProgress(onStop: { joined?.stop() }) { progress throws(StoreError) in
            let takeBack = { (options: Restorer.Options) throws(StoreError) -> RestoreReport in
                try hooks.around(progress) { () throws(StoreError) in
                    try undo.undo(subject, repository: repository, options: options, progress: progress)
                }
            }
            guard let joined else { return try takeBack(settings) }
            return try joined.run(progress, settings, stopsLater: hooks.stops, takeBack)
        }
        var summary = RestoreSummary(report: report, snapshot: subject.snapshot, target: nil, verb: "undone")
        if let joined { summary.more = joined.show("undone") }
        if report.errorsTotal == 0 { try databases?.forget() }
        return ExitStatus.worst([summary.show(output), hooks.status])
    }

    private func summary(_ subject: RestoreUndo.Subject, _ context: Context) {
        var members = RestoreSummary.members(subject.snapshot, nil, isDryRun: context.settings.isDryRun)
        for key in ["files_restored", "files_unchanged", "bytes_written", "files_verified", "deleted", "errors"] {
            members[key] = .integer(0)
        }
        members["interrupted"] = .bool(subject.isInterrupted)
        members["names_created"] = .integer(Int64(subject.created))
        members["names_replaced"] = .integer(Int64(subject.replaced))
        members["duration_seconds"] = .number(0)
        context.output.message("summary", members)
    }
}
