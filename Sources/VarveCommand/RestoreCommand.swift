import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct RestoreCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Bring a snapshot back, or a path in it.",
        discussion: """
            restore REF -t DIR makes the recorded paths anew below DIR; restore REF:PATH
            -t DIR puts what PATH holds straight into DIR. Without --target the recorded
            paths themselves are restored, after showing what will change and asking.

            Every file is written beside its place, read back and renamed. In place a
            safety snapshot of what will be overwritten or removed comes first, and all
            changes are made together: whatever ends the restore early, varve undo or the
            same command again leaves the old state or the new one. varve undo takes back
            a finished restore too.

            SQLite databases whose rows the snapshot recorded (backup --sqlite) are
            checked against that: in place before anything is changed, elsewhere when
            they are written. Exit status 4 says that one is not what it was.

            Examples:
              varve restore latest -t /tmp/restored
              varve restore @2025-06-23:home/me/docs -t ~/docs-of-june
              varve restore latest:etc/nginx --dry-run
              varve restore latest --only database
            """)

    @Argument(help: ArgumentHelp("The snapshot, and a path in it.", valueName: "ref[:path]")) var reference: String
    @Option(
        name: [.customShort("t"), .long, .customLong("restore-path")],
        help: ArgumentHelp("Where to.", valueName: "dir"))
    var target: String?
    @Option(name: .shortAndLong, help: ArgumentHelp("Only what a pattern matches.", valueName: "pattern"))
    var include: [String] = []
    @Option(name: .shortAndLong, help: ArgumentHelp("All but what a pattern matches.", valueName: "pattern"))
    var exclude: [String] = []
    @Option(help: ArgumentHelp("Only this component, or those of this type; may be repeated.", valueName: "component"))
    var only: [String] = []
    @Option(help: ArgumentHelp("Only the components of a type: data, database or config.", valueName: "type"))
    var type: String?
    @Option(help: ArgumentHelp("always, if-changed (default), if-newer or never.", valueName: "when"))
    var overwrite: Overwrite = .ifChanged
    @Flag(help: "Remove what the snapshot does not have; asks first.") var delete = false
    @Option(help: ArgumentHelp("Cut so many directories off the front of paths.", valueName: "n"))
    var stripComponents = 0
    @Flag(help: "Leave owners and groups alone.") var noOwner = false
    @Flag(help: "Take recorded numbers of owners, not their names.") var numericIds = false
    @Flag(help: "Write holes as zeros.") var noSparse = false
    @Flag(help: "Do not read back what was written, and check no databases.") var noVerify = false
    @Flag(help: "In place: make no safety snapshot of what is overwritten.") var noSafety = false
    @Flag(help: "From a damaged or unfinished snapshot too; in place, what can be restored if not all can.")
    var allowPartial = false
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    enum Overwrite: String, ExpressibleByArgument, CaseIterable {
        case always
        case ifChanged = "if-changed"
        case ifNewer = "if-newer"
        case never

        var engineValue: Restorer.Overwrite {
            switch self {
            case .always: .always
            case .ifChanged: .ifChanged
            case .ifNewer: .ifNewer
            case .never: .never
            }
        }
    }

    static var jsonForm: Output.Form { .jsonLines }

    /// The restore of a whole snapshot in place, as if it had been typed.
    static func whole(_ id: SnapshotID) throws(StoreError) -> RestoreCommand {
        do {
            return try RestoreCommand.parse([id.hex])
        } catch {
            throw StoreError(.usage, RestoreCommand.message(for: error))
        }
    }

    /// How many changes are shown before the question.
    private static let shownChanges = 20

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let reference = try SnapshotReference(ArgumentBytes.bytes(reference))
        var options = try options(reference, context)
        let repository = try context.openRepository()
        let lookup = try SnapshotLookup(repository)
        let snapshot = try lookup.find(reference, nearest: nearest)
        let evidence = DeletionEvidence.show(lookup.list, context.output)
        try checkState(snapshot, context.output)
        let chosen = try choose(snapshot, &options, context.output)
        if !noVerify { options.checker = SQLiteChecker(snapshot.manifest.databases, .described) }
        let settings = options
        let hooks = RestoreHooks(snapshot.id, snapshot, isInPlace: target == nil, context)
        var exchange = PostgresRestore.Options()
        exchange.savesOld = !noSafety
        let targets = try DatabaseRestore.targets(chosen, snapshot, context)
        let isReal = !targets.isEmpty && !context.settings.isDryRun
        let databases = DatabaseRestore(
            repository, snapshot, targets, exchange,
            memory: isReal ? try PostgresMemory(context.environment.stateDirectory) : nil, context)
        let asks = (target == nil || delete) && !context.settings.isDryRun
        if asks || context.settings.isDryRun {
            let plan = try context.withProgress { progress throws(StoreError) in
                try Restorer(repository: repository, snapshot: snapshot, options: settings, progress: progress).plan()
            }
            if context.output.isJSON {
                if context.settings.isDryRun { planSummary(plan, snapshot, options, context.output) }
            } else {
                showPlan(plan, context.output)
                databases.showPlan()
            }
            if context.settings.isDryRun { return ExitStatus.worst([plan.failing > 0 ? .partial : .ok, evidence]) }
        }
        if asks {
            let place = options.target.map(context.output.show) ?? "the recorded paths"
            try Confirmation.ask("Restoring over \(place)", context)
        }
        let report = try context.withProgress(onStop: { databases.stop() }) { progress throws(StoreError) in
            try databases.run(progress, settings, stopsLater: hooks.stops) { settings throws(StoreError) in
                try hooks.around(progress) { () throws(StoreError) in
                    try Restorer(repository: repository, snapshot: snapshot, options: settings, progress: progress)
                        .run()
                }
            }
        }
        var summary = RestoreSummary(report: report, snapshot: snapshot.id, target: options.target, verb: "restored")
        summary.more = databases.show("restored")
        return ExitStatus.worst([summary.show(context.output), evidence, hooks.status, databases.status])
    }

    /// Narrows the restore to components, where that was asked for. What commands wrote has no place in a machine.
    ///
    /// - Returns: components of which more than files is restored.
    private func choose(
        _ snapshot: Snapshot, _ options: inout Restorer.Options, _ output: Output
    ) throws(StoreError) -> [SnapshotComponent] {
        let all = SnapshotComponent.all(snapshot.manifest)
        var chosen = all
        if !only.isEmpty || type != nil {
            guard options.subpath == nil, include.isEmpty else {
                let other = options.subpath == nil ? "--include" : "a path in the snapshot"
                throw StoreError(.usage, "--only and --type cannot be combined with \(other)", remedy: "give one")
            }
            chosen = try SnapshotComponent.chosen(only, type: type, from: all)
            options.includesOnly = true
            options.rules = try SnapshotComponent.rules(chosen, of: all) + options.rules
        }
        let isWhole = target == nil && options.subpath == nil
        let streams = chosen.filter { $0.kind == ComponentKind.command.rawValue }
        let databases = chosen.filter { $0.kind == ComponentKind.postgres.rawValue }
        guard isWhole, !streams.isEmpty || !databases.isEmpty else { return [] }
        options.rules.append(
            try PathRule(ExactPattern.text(CapturePlan.streamRoot), origin: .option("restore in place")))
        if !streams.isEmpty {
            let names = streams.map(\.name).joined(separator: ", ")
            output.warning(
                output.safe(
                    "the output of commands (\(names)) has no place to be restored to: use --target or varve cat"))
        }
        return include.isEmpty ? databases : []
    }

    private func options(_ reference: SnapshotReference, _ context: Context) throws(StoreError) -> Restorer.Options {
        var options = Restorer.Options()
        if let target { options.target = try context.absolute(target) }
        options.subpath = reference.path.flatMap { $0.isEmpty ? nil : $0 }
        options.includesOnly = !include.isEmpty
        for pattern in include {
            options.rules.append(
                try PathRule(ArgumentBytes.bytes(pattern), origin: .option("--include"), action: .forceInclude))
        }
        for pattern in exclude {
            options.rules.append(try PathRule(ArgumentBytes.bytes(pattern), origin: .option("--exclude")))
        }
        options.overwrite = overwrite.engineValue
        options.deletes = delete
        guard stripComponents >= 0 else { throw StoreError(.usage, "--strip-components cannot be negative") }
        guard stripComponents == 0 || target != nil else {
            throw StoreError(.usage, "--strip-components needs --target")
        }
        options.stripComponents = stripComponents
        options.restoresOwner = !noOwner
        options.numericIDs = numericIds
        options.restoresHoles = !noSparse
        options.verifies = !noVerify
        options.makesSafetySnapshot = !noSafety
        options.allowsPartial = allowPartial
        options.host = context.environment[.host] ?? RecordOptions.hostName()
        options.isDryRun = context.settings.isDryRun
        options.threads = context.settings.threads
        return options
    }

    private func checkState(_ snapshot: Snapshot, _ output: Output) throws(StoreError) {
        let problem: String? =
            switch (snapshot.manifest.state, snapshot.status) {
            case (.interrupted, _): "the snapshot is a checkpoint of an unfinished backup"
            case (_, "damaged"), (_, "incomplete"): "the last verification found the snapshot \(snapshot.status)"
            default: nil
            }
        if let problem {
            guard target != nil && !delete || allowPartial else {
                throw StoreError(
                    .refused, problem,
                    remedy: "restore it elsewhere with --target and without --delete, or give --allow-partial")
            }
            output.warning(problem)
        } else if snapshot.manifest.state == .partial {
            let problem =
                HumanText.count(snapshot.manifest.errorsTotal, "source")
                + " could not be read when the snapshot was made"
            guard !delete || allowPartial else {
                throw StoreError(
                    .refused, "\(problem): --delete might remove what it should have",
                    remedy: "restore without --delete, or give --allow-partial")
            }
            output.warning(problem)
        }
    }

    private func showPlan(_ plan: RestorePlanSummary, _ output: Output) {
        for change in plan.changes.prefix(Self.shownChanges) {
            output.note("  \(change.action.rawValue)  \(output.show(change.path))")
        }
        let total = plan.created + plan.replaced + plan.deleted + plan.failing
        if total > Self.shownChanges { output.note("  ... and \(total - Self.shownChanges) more") }
        output.note(
            "would make \(plan.created), replace \(plan.replaced), remove \(plan.deleted), compare \(plan.compared), "
                + "leave \(plan.unchanged); \(HumanText.size(plan.bytes)) to write")
    }

    /// The summary of a dry run: what would have been done.
    private func planSummary(
        _ plan: RestorePlanSummary, _ snapshot: Snapshot, _ options: Restorer.Options, _ output: Output
    ) {
        var members = RestoreSummary.members(snapshot.id, options.target, isDryRun: true)
        members["files_restored"] = .integer(Int64(plan.created + plan.replaced))
        members["files_unchanged"] = .integer(Int64(plan.unchanged + plan.compared))
        members["bytes_written"] = .integer(Int64(clamping: plan.bytes))
        members["files_verified"] = .integer(0)
        members["deleted"] = .integer(Int64(plan.deleted))
        members["errors"] = .integer(Int64(plan.failing))
        members["duration_seconds"] = .number(0)
        members["changes"] = .array(
            plan.changes.map { change in
                JSONValue.object(
                    Output.pathMembers(change.path).merging(["action": .string(change.action.rawValue)]) { $1 })
            })
        output.message("summary", members)
    }
}
