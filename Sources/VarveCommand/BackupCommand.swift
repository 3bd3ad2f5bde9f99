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

            --cleanup drops old snapshots of this host afterwards, by the rules given
            here or in varve.toml, and frees their space, as varve forget --gc does. If
            anything was not as it should be, nothing is dropped.

            Examples:
              varve backup ~/docs /etc --exclude '*.tmp' --exclude-set caches
              varve backup --quick -x /home
              varve backup --sqlite /srv/app/app.db /srv/app/uploads
              varve backup --verify --cleanup --keep-daily 7 --keep-weekly 4 /srv
              varve backup --postgres app /srv/app/uploads
              mysqldump app | varve backup --stdin --stdin-filename app.sql
              varve backup --from-command --filename app.sql -- mysqldump app
            """, aliases: ["create"])

    @OptionGroup var arguments: BackupArguments
    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("With --from-command: what to run.", valueName: "command"))
    var command: [String] = []
    @OptionGroup(title: "A stream instead of files") var stream: StreamOptions
    @Flag(help: "Drop old snapshots afterwards and free their space.") var cleanup = false
    @OptionGroup(title: "Rules for --cleanup") var retention: RetentionOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let input = try stream.input(command)
        var arguments = arguments
        if !stream.fromCommand { arguments.paths += command }
        let finally = try cleaning(context)
        let outcome = try arguments.save(input: input, context)
        let cleaned = try finally?.run(after: outcome, context)
        BackupSummary(outcome.report, outcome.verified, cleaned).show(context.output)
        return ExitStatus.worst([outcome.status, cleaned?.status ?? .ok])
    }

    /// What is to be done afterwards; nil if nothing is.
    ///
    /// - Throws: `usage` before anything is saved if there are no rules, or rules and no cleanup.
    private func cleaning(_ context: Context) throws(StoreError) -> BackupCleanup? {
        guard cleanup || context.configured.flag("backup.cleanup") else {
            guard !retention.isGiven else {
                throw StoreError(
                    .usage, "rules for keeping snapshots were given without --cleanup",
                    remedy: "add --cleanup, or give them to varve forget")
            }
            return nil
        }
        return try BackupCleanup(retention, host: arguments.record.hostName(context), context)
    }
}
