import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct ListCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the snapshots, newest first.",
        discussion: """
            The status is that of the newest verification: ok, damaged, incomplete or
            unverified.

            Examples:
              varve list
              varve list --host web1 --since 30d
              varve list --json
            """, aliases: ["snapshots"])

    @OptionGroup(title: "Filters") var selection: SelectionOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let filter = try selection.filter(context)
        let lookup = try SnapshotLookup(try context.openRepository())
        let snapshots = lookup.matching(filter)
        for unreadable in lookup.list.unreadable {
            let path = Array("\(unreadable.directory)/\(unreadable.id.hex)".utf8)
            context.output.error(unreadable.error.message, path: path)
        }
        if context.output.isJSON {
            context.output.json([
                "snapshots": .array(snapshots.map(SnapshotJSON.listed)),
                "unreadable": .array(lookup.list.unreadable.map(Self.unreadable)),
            ])
        } else if snapshots.isEmpty {
            context.output.note(filter.isEmpty ? "there are no snapshots" : "no snapshot fits")
        } else {
            context.output.table(Self.table(snapshots, context.output))
        }
        return ExitStatus.worst(lookup.list.unreadable.map { ExitStatus($0.error.code) })
    }

    private static func unreadable(_ file: SnapshotList.Unreadable) -> JSONValue {
        .object([
            "id": .string(file.id.hex), "directory": .string(file.directory), "error": .string(file.error.message),
        ])
    }

    private static func table(_ snapshots: [Snapshot], _ output: Output) -> Table {
        var table = Table([
            .init(title: "ID"), .init(title: "TIME"), .init(title: "KIND"), .init(title: "STATE"),
            .init(title: "STATUS"), .init(title: "FILES", alignment: .right), .init(title: "SIZE", alignment: .right),
            .init(title: "STORED", alignment: .right), .init(title: "HOST"), .init(title: "NAME"),
            .init(title: "PATHS"),
        ])
        for snapshot in snapshots {
            let manifest = snapshot.manifest
            table.add([
                String(snapshot.id.hex.prefix(8)), LocalTime.text(manifest.time), manifest.kind.rawValue,
                manifest.state.rawValue, snapshot.status, String(manifest.counts.files),
                HumanText.size(manifest.bytes.total), HumanText.size(manifest.bytes.stored),
                output.safe(manifest.host), output.safe(manifest.name ?? "-"),
                manifest.paths.map(output.show).joined(separator: " "),
            ])
        }
        return table
    }
}
