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

            Examples:
              varve backup ~/docs /etc --exclude '*.tmp' --exclude-set caches
              varve backup --quick -x /home
              varve backup --sqlite /srv/app/app.db /srv/app/uploads
              pg_dump app | varve backup --stdin --stdin-filename app.sql
              varve backup --from-command --filename app.sql -- pg_dump app
            """, aliases: ["create"])

    @Argument(help: ArgumentHelp("What to save.", valueName: "path")) var paths: [String] = []
    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("With --from-command: what to run.", valueName: "command"))
    var command: [String] = []

    @OptionGroup(title: "What is saved") var sources: SourceOptions
    @OptionGroup(title: "What is left out") var exclusions: ExclusionOptions
    @OptionGroup(title: "What is recorded") var record: RecordOptions
    @OptionGroup(title: "How it is done") var method: MethodOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        var options = Archiver.Options()
        options.kind = try sources.kind(context.environment)
        options.exclusions = try exclusions.exclusions()
        options.staysOnFileSystem = exclusions.oneFileSystem
        options.isDryRun = context.settings.isDryRun
        options.countsFirst = context.showsProgress
        try record.apply(to: &options, context)
        try method.apply(to: &options, context.environment)
        let isCommand = sources.fromCommand
        options.paths = try sources.paths(isCommand ? paths : paths + command, context)
        let input = try sources.input(command, context)
        let databases = try sources.databases(context)
        guard !options.paths.isEmpty || input != nil || !databases.isEmpty else {
            throw StoreError(.usage, "nothing was named to save", remedy: "give a path, --files-from or --stdin")
        }
        let repository = try context.openRepository()
        options.ownDirectories = [Array(repository.location.utf8)]
        if let cache = context.settings.cacheDirectory { options.ownDirectories.append(try context.absolute(cache)) }
        let process = try sources.start(input, into: &options)
        try sources.prepare(databases, repository, context, into: &options)
        let settings = options
        let report: ArchiveReport
        do throws(StoreError) {
            report = try context.withProgress(onStop: { process?.terminate() }) { progress throws(StoreError) in
                try Archiver(repository: repository, options: settings, progress: progress).run()
            }
        } catch {
            process?.terminate()
            guard error.code == .interrupted else { throw error }
            throw StoreError(
                .interrupted, error.message,
                remedy: "what was saved so far is kept: the next backup goes on from there")
        }
        return try finish(report, repository, context)
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
        if method.verify, let id = report.snapshotID {
            verified = try VerificationRun.readBack(id, repository, context)
        }
        let evidence = DeletionEvidence.show(vanished: report.vanished, output)
        BackupSummary(report, method.verify ? verified : nil).show(output)
        return ExitStatus.worst([report.manifest.errorsTotal > 0 ? .partial : .ok, verified ?? .ok, evidence])
    }
}
