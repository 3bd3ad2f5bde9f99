import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct DeleteCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete snapshots; undelete brings them back until gc took their space.",
        discussion: """
            Asks first. --dry-run says what only they hold and what comes free without
            them. Nothing is freed before varve gc. Pinned and held snapshots are
            refused, and safety snapshots unless --include-safety is given.

            Examples:
              varve delete 20250623_123456
              varve delete latest~3 old-name --dry-run
              varve delete 4f2a --yes
            """)

    @Argument(help: ArgumentHelp("Snapshots.", valueName: "ref")) var references: [String]
    @Flag(help: "Delete safety snapshots too.") var includeSafety = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let repository = try context.openRepository()
        let snapshots = try NamedSnapshots.find(references, in: SnapshotLookup(repository), verb: "delete")
        try SnapshotEditor.checkUnprotected(snapshots, includesSafety: includeSafety, now: .now())
        let count = HumanText.count(snapshots.count, "snapshot")
        NamedSnapshots.show(snapshots, context.output)
        if !context.settings.isDryRun {
            try Confirmation.ask("Deleting \(count)", context)
            let ids = snapshots.map(\.id)
            try SnapshotEditor(repository: repository).delete(ids, reason: "delete", includesSafety: includeSafety)
        }
        let space =
            context.settings.isDryRun
            ? try SpaceView.report(of: repository, without: snapshots.map(\.id), context) : nil
        if context.output.isJSON {
            var json = space.map(SpaceView.json) ?? [:]
            json["deleted"] = .array(snapshots.map { .string($0.id.hex) })
            json["dry_run"] = .bool(context.settings.isDryRun)
            context.output.json(json)
        } else if context.settings.isDryRun {
            if let space { SpaceView.show(space, context.output) }
            context.output.summary("would delete \(count)")
        } else {
            context.output.summary("deleted \(count): varve undelete brings back what varve gc has not reclaimed")
        }
        return .ok
    }
}

struct UndeleteCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "undelete", abstract: "Bring deleted snapshots back, if their space was not reclaimed yet.",
        discussion: """
            varve list --deleted shows what can come back. All that the snapshot needs is
            looked up before this says that it is back.

            Examples:
              varve undelete 20250623_123456
            """)

    @Argument(help: ArgumentHelp("Deleted snapshots, by id, alias or name.", valueName: "ref"))
    var references: [String]
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let repository = try context.openRepository()
        let lookup = try SnapshotLookup(repository)
        var ids: [SnapshotID] = []
        for text in references {
            let id = try lookup.findDeleted(try NamedSnapshots.reference(text, verb: "undelete"))
            if !ids.contains(id) { ids.append(id) }
        }
        if !context.settings.isDryRun { try SnapshotEditor(repository: repository).undelete(ids) }
        if context.output.isJSON {
            context.output.json([
                "undeleted": .array(ids.map { .string($0.hex) }), "dry_run": .bool(context.settings.isDryRun),
            ])
        } else {
            let text = context.settings.isDryRun ? "would bring back" : "brought back"
            context.output.summary("\(text) \(HumanText.count(ids.count, "snapshot"))")
        }
        return .ok
    }
}
