import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct BackupCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Save directories, files or a stream as a snapshot.",
        discussion: """
            --full (the default) reads every byte; --quick trusts files whose size,
            times and inode are as the last backup saw them. Both give the same
            snapshot.

            Exit status 3 means that the snapshot was made, but something could not be
            read. If none of the paths exists, or all are empty, no snapshot is made
            (1).

            Without a path, the components of varve.toml are saved, all of them or those
            that --type, --only or --job choose.

            Examples:
              varve backup ~/docs /etc --exclude '*.tmp' --exclude-set caches
              varve backup --quick -x /home
              varve backup --sqlite /srv/app/app.db /srv/app/uploads
              varve backup --postgres app /srv/app/uploads
              mysqldump app | varve backup --stdin --stdin-filename app.sql
              varve backup --from-command --filename app.sql -- mysqldump app
            """, aliases: ["create"])

    @Argument(help: ArgumentHelp("What to save.", valueName: "path")) var paths: [String] = []
    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("With --from-command: what to run.", valueName: "command"))
    var command: [String] = []

    @OptionGroup(title: "What is saved") var sources: SourceOptions
    @OptionGroup(title: "Components of varve.toml") var choice: ChoiceOptions
    @OptionGroup(title: "What is left out") var exclusions: ExclusionOptions
    @OptionGroup(title: "What is recorded") var record: RecordOptions
    @OptionGroup(title: "How it is done") var method: MethodOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        var options = Archiver.Options()
        options.paths = try sources.paths(sources.fromCommand ? paths : paths + command, context)
        let input = try sources.input(command, context)
        let databases = try sources.databases(context)
        var chosen: ChoiceOptions.Choice?
        if options.paths.isEmpty, input == nil, databases.isEmpty, sources.postgres.isEmpty {
            chosen = try choice.choice(context)
            guard chosen != nil else {
                throw StoreError(
                    .usage, "nothing was named to save",
                    remedy: "give a path, --files-from or --stdin, or write a varve.toml with components")
            }
        } else if !choice.only.isEmpty {
            throw StoreError(.usage, "--only chooses components, and paths were given", remedy: "give one or the other")
        }
        try prepare(&options, chosen, context)
        let repository = try context.openRepository()
        options.ownDirectories = [Array(repository.location.utf8)]
        if let cache = context.settings.cacheDirectory { options.ownDirectories.append(try context.absolute(cache)) }
        sources.add(databases, to: &options)
        try sources.connect(
            databases + (chosen?.databases ?? []), patience: chosen?.patience, repository, context, into: &options)
        do throws(StoreError) {
            if let chosen {
                let (report, status) = try ComponentBackup(chosen, repository, context).run(options)
                return ExitStatus.worst([try finish(report, repository, context), status])
            }
            return try finish(try capture(input, &options, repository, context), repository, context)
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
        _ input: SourceOptions.Input?, _ options: inout Archiver.Options, _ repository: Repository, _ context: Context
    ) throws(StoreError) -> ArchiveReport {
        let running = RunningCommands()
        let process = try sources.start(input, into: &options)
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
        _ report: ArchiveReport, _ repository: Repository, _ context: Context
    ) throws(StoreError) -> ExitStatus {
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
        BackupSummary(report, verified).show(output)
        return ExitStatus.worst([report.manifest.errorsTotal > 0 ? .partial : .ok, verified ?? .ok, evidence])
    }
}
