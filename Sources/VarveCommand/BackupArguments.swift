import ArgumentParser
import Varve
import VarveApp
import VarveFormat

/// What to save and how: shared by the commands that make a snapshot.
struct BackupArguments: ParsableArguments {
    @Argument(help: ArgumentHelp("What to save.", valueName: "path")) var paths: [String] = []

    @OptionGroup(title: "What is saved") var sources: SourceOptions
    @OptionGroup(title: "Components of varve.toml") var choice: ChoiceOptions
    @OptionGroup(title: "What is left out") var exclusions: ExclusionOptions
    @OptionGroup(title: "What is recorded") var record: RecordOptions
    @OptionGroup(title: "How it is done") var method: MethodOptions

    /// A snapshot that was made, or would be.
    struct Outcome {
        let report: ArchiveReport
        let repository: Repository
        /// What reading it back gave; nil if that was not asked for.
        let verified: ExitStatus?
        /// Of everything: the capture, the hooks, reading back, deletions that were noticed.
        let status: ExitStatus
    }

    /// Makes the snapshot and shows what went wrong, but not the summary.
    ///
    /// - Parameters:
    ///   - input: a stream to save.
    ///   - change: sets what the command itself decides.
    func save(
        input: StreamOptions.Input?, _ context: Context, _ change: (inout Archiver.Options) -> Void = { _ in }
    ) throws(StoreError) -> Outcome {
        var options = Archiver.Options()
        var readsInput = false
        if case .standardInput? = input { readsInput = true }
        options.paths = try sources.paths(paths, usesInput: readsInput, context)
        let databases = try sources.databases(context)
        var chosen: ChoiceOptions.Choice?
        if options.paths.isEmpty, input == nil, databases.isEmpty, sources.postgres.isEmpty {
            chosen = try choice.choice(context)
            guard chosen != nil else {
                throw StoreError(
                    .usage, "nothing was named to save",
                    remedy: "give a path or --files-from, or write a varve.toml with components")
            }
        } else if !choice.only.isEmpty {
            throw StoreError(.usage, "--only chooses components, and paths were given", remedy: "give one or the other")
        }
        try prepare(&options, chosen, context)
        change(&options)
        let repository = try context.openRepository()
        options.ownDirectories = [Array(repository.location.utf8)]
        if let cache = context.settings.cacheDirectory { options.ownDirectories.append(try context.absolute(cache)) }
        sources.add(databases, to: &options)
        try sources.connect(
            databases + (chosen?.databases ?? []), patience: chosen?.patience, repository, context, into: &options)
        do throws(StoreError) {
            if let chosen {
                let (report, status) = try ComponentBackup(chosen, repository, context).run(options)
                return try finish(report, status, repository, context)
            }
            return try finish(try capture(input, &options, repository, context), .ok, repository, context)
        } catch {
            throw Self.explained(error)
        }
    }

    /// What to do about a backup that had to stop.
    private static func explained(_ error: StoreError) -> StoreError {
        switch error.code {
        case .interrupted:
            StoreError(
                .interrupted, error.message,
                remedy: "what was saved so far is kept: the next backup goes on from there")
        // Files of the repository have no absolute path.
        case .noSpace where error.path?.first != UInt8(ascii: "/"):
            StoreError(
                .noSpace, error.message, path: error.path,
                remedy: "free some space or inodes, then run it again; varve gc frees what deleted and unfinished "
                    + "backups take", errno: error.errno)
        default: error
        }
    }

    /// Everything about the capture but its sources.
    private func prepare(
        _ options: inout Archiver.Options, _ chosen: ChoiceOptions.Choice?, _ context: Context
    ) throws(StoreError) {
        options.kind = try sources.kind(context.environment, job: chosen?.job)
        options.exclusions = try exclusions.exclusions()
        options.staysOnFileSystem = exclusions.oneFileSystem
        if chosen == nil {
            let general = try context.configured.exclusions()
            options.exclusions = exclusions.added(to: general, options.exclusions)
            options.staysOnFileSystem = exclusions.oneFileSystem || context.configured.flag("backup.one_file_system")
        }
        options.isDryRun = context.settings.isDryRun
        options.countsFirst = context.showsProgress
        try record.apply(to: &options, context)
        try method.apply(to: &options, context)
        options.job = try choice.recordedJob()
        options.tags = record.sorted(options.tags + context.configured.list("backup.tags"))
        let type = if let chosen { chosen.type } else { try choice.recordedType() }
        if let type { options.type = type }
        guard let job = chosen?.job else { return }
        options.tags = record.sorted(options.tags + (job.lists["tags"] ?? []))
        if options.description == nil { options.description = job.values["description"] }
    }

    private func capture(
        _ input: StreamOptions.Input?, _ options: inout Archiver.Options, _ repository: Repository, _ context: Context
    ) throws(StoreError) -> ArchiveReport {
        let running = RunningCommands()
        let process = try input?.start(into: &options)
        try sources.addPostgres(to: &options, running)
        let settings = options
        let stop: @Sendable () -> Void = {
            process?.terminate()
            running.stop()
        }
        do throws(StoreError) {
            return try context.withProgress(onStop: stop) { progress throws(StoreError) in
                try Archiver(repository: repository, options: settings, progress: progress).run()
            }
        } catch {
            stop()
            throw error
        }
    }

    private func finish(
        _ report: ArchiveReport, _ status: ExitStatus, _ repository: Repository, _ context: Context
    ) throws(StoreError) -> Outcome {
        let output = context.output
        for notice in report.notices { output.warning(output.safe(notice)) }
        for error in report.errors {
            output.error(
                output.safe(error.message), path: error.path, members: ["operation": .string(error.operation)])
        }
        let more = report.manifest.errorsTotal - report.errors.count
        if more > 0 { output.warning("\(HumanText.count(more, "more error")) not shown") }
        if record.pin, let id = report.snapshotID { try SnapshotEditor(repository: repository).pin([id], true) }
        var verified: ExitStatus?
        if let id = report.snapshotID, !repository.isEncrypted { SecretsWarning.show(id, repository, output) }
        let verifies = method.verify || context.configured.flag("backup.verify")
        if verifies, let id = report.snapshotID {
            verified = try VerificationRun.readBack(id, repository, context)
        }
        let evidence = DeletionEvidence.show(vanished: report.vanished, output)
        let captured: ExitStatus = report.manifest.errorsTotal > 0 ? .partial : .ok
        return Outcome(
            report: report, repository: repository, verified: verified,
            status: ExitStatus.worst([captured, verified ?? .ok, evidence, status]))
    }
}
