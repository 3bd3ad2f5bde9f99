import ArgumentParser
import Varve

/// `varve` and all its commands.
struct RootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "varve",
        abstract: "Deduplicating, encrypted snapshots of directories that are proven to restore.",
        discussion: """
            Start with:
              varve init -r /backup/repo            make an encrypted repository
              varve backup -r /backup/repo ~/docs   save a directory
              varve list -r /backup/repo            what is there
              varve verify -r /backup/repo          prove it
              varve restore -r /backup/repo latest --target /tmp/restored

            VARVE_REPOSITORY, VARVE_PASSWORD_FILE and VARVE_KEY_FILE stand for the
            options. A snapshot is named by id, alias (20250623_123456), name, the first
            4 or more digits of its id, latest, latest~2, latest-valid or
            @2025-06-23T14:30. A path in it follows a colon: latest:home/me/docs.

            Exit status: 0 ok, 1 failed, 2 usage, 3 incomplete (something was
            unreadable), 4 damage found, 5 refused, 10 no repository, 11 busy, 12 wrong
            password or key, 13 no such snapshot or path, 14 no space, 130 and 143
            interrupted.
            """,
        version: "varve \(ProgramVersion.text)",
        groupedSubcommands: [
            CommandGroup(
                name: "Saving and restoring",
                subcommands: [
                    InitCommand.self, BackupCommand.self, RestoreCommand.self, UndoCommand.self, GuardCommand.self,
                ]),
            CommandGroup(
                name: "Looking",
                subcommands: [
                    ListCommand.self, ShowCommand.self, LsCommand.self, CatCommand.self, DiffCommand.self,
                    StatsCommand.self,
                ]),
            CommandGroup(
                name: "Keeping and deleting",
                subcommands: [
                    ForgetCommand.self, GcCommand.self, DeleteCommand.self, UndeleteCommand.self, PinCommand.self,
                    UnpinCommand.self, HoldCommand.self, TagCommand.self,
                ]),
            CommandGroup(
                name: "Care",
                subcommands: [
                    VerifyCommand.self, DrillCommand.self, StatusCommand.self, RepairCommand.self, KeyCommand.self,
                    ConfigCommand.self, DoctorCommand.self,
                ]),
            CommandGroup(
                name: "Other",
                subcommands: [
                    ExplainCommand.self, EstimateCommand.self, CompletionCommand.self, VersionCommand.self,
                ]),
        ])
}

/// What this program calls itself.
enum ProgramVersion {
    static let text = "0.1.0"
    /// For manifests and sessions.
    static let program = "varve " + text
}
