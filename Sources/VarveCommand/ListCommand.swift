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

            DELETION DETECTED, and exit status 4, say that snapshots which this machine has
            seen here are gone and nobody deleted them.

            Examples:
              varve list
              varve list --host web1 --since 30d
              varve list --deleted
              varve list --json
            """, aliases: ["snapshots"])

    @OptionGroup(title: "Filters") var selection: SelectionOptions
    @Flag(help: "List deleted snapshots, which undelete can bring back.") var deleted = false
    @Flag(help: "Accept for good that snapshots vanished without having been deleted.") var acceptMissing = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let filter = try selection.filter(context)
        let repository = try context.openRepository()
        var lookup = try SnapshotLookup(repository)
        if acceptMissing, !context.settings.isDryRun { lookup = try DeletionEvidence.accept(lookup, repository) }
        let snapshots = lookup.matching(filter, deleted: deleted)
        for unreadable in lookup.list.unreadable {
            let path = Array("\(unreadable.directory)/\(unreadable.id.hex)".utf8)
            context.output.error(unreadable.error.message, path: path)
        }
        let evidence = DeletionEvidence.show(lookup.list, context.output)
        if context.output.isJSON {
            let members: [String: JSONValue] = [
                "unreadable": .array(lookup.list.unreadable.map(Self.unreadable)),
                "vanished": .array(lookup.list.vanished.map { .string($0.hex) }),
            ]
            context.output.json(members, streaming: "snapshots", snapshots, SnapshotJSON.listed)
        } else if snapshots.isEmpty {
            let kind = deleted ? "deleted snapshots" : "snapshots"
            context.output.note(filter.isEmpty ? "there are no \(kind)" : "no snapshot fits")
        } else {
            context.output.table(Self.table(snapshots, context.output))
        }
        return ExitStatus.worst(lookup.list.unreadable.map { ExitStatus($0.error.code) } + [evidence])
    }

    private static func unreadable(_ file: SnapshotList.Unreadable) -> JSONValue {
        .object([
            "id": .string(file.id.hex), "directory": .string(file.directory), "error": .string(file.error.message),
        ])
    }

    /// Columns that hardly any snapshot fills are there only if one of these does.
    private static func table(_ snapshots: [Snapshot], _ output: Output) -> Table {
        let now = Timestamp.now()
        let showsDeletion = snapshots.contains { $0.deletion != nil }
        let showsProtection = snapshots.contains { $0.isPinned || $0.isHeld(at: now) }
        let showsDrills = snapshots.contains { $0.drill != nil }
        let showsTags = snapshots.contains { !$0.tags.isEmpty }
        var columns: [Table.Column] = [
            .init(title: "ID"), .init(title: "TIME"), .init(title: "KIND"), .init(title: "STATE"),
            .init(title: "STATUS"), .init(title: "FILES", alignment: .right), .init(title: "SIZE", alignment: .right),
            .init(title: "STORED", alignment: .right), .init(title: "HOST"), .init(title: "NAME"),
        ]
        let showsTypes = snapshots.contains { $0.manifest.type.map { $0 != "full" } ?? false }
        if showsTypes { columns.append(.init(title: "TYPE")) }
        let showsJobs = snapshots.contains { $0.manifest.job != nil }
        if showsJobs { columns.append(.init(title: "JOB")) }
        if showsDeletion { columns += [.init(title: "DELETED"), .init(title: "REASON")] }
        if showsProtection { columns.append(.init(title: "KEPT")) }
        if showsDrills { columns.append(.init(title: "PROVEN")) }
        let showsValidation = snapshots.contains { !$0.manifest.validation.isEmpty }
        if showsValidation { columns.append(.init(title: "VALIDATION")) }
        if showsTags { columns.append(.init(title: "TAGS")) }
        var table = Table(columns + [.init(title: "PATHS")])
        for snapshot in snapshots {
            let manifest = snapshot.manifest
            var cells = [
                String(snapshot.id.hex.prefix(8)), LocalTime.text(manifest.time), manifest.kind.rawValue,
                manifest.state.rawValue, snapshot.status, String(manifest.counts.files),
                HumanText.size(manifest.bytes.total), HumanText.size(manifest.bytes.stored),
                output.safe(manifest.host), output.safe(manifest.name ?? "-"),
            ]
            if showsTypes { cells.append(output.safe(manifest.type ?? "-")) }
            if showsJobs { cells.append(output.safe(manifest.job ?? "-")) }
            if showsDeletion {
                let deletion = snapshot.deletion
                cells += [deletion.map { LocalTime.text($0.time) } ?? "-", output.safe(deletion?.reason ?? "-")]
            }
            if showsProtection { cells.append(protection(snapshot, now)) }
            if showsDrills { cells.append(drill(snapshot)) }
            if showsValidation { cells.append(output.safe(validation(manifest.validation))) }
            if showsTags {
                cells.append(snapshot.tags.isEmpty ? "-" : output.safe(snapshot.tags.joined(separator: ",")))
            }
            table.add(cells + [SourcePaths.summary(manifest.paths, output.show)])
        }
        return table
    }

    /// When the snapshot was last restored for a test, and how much of it.
    private static func drill(_ snapshot: Snapshot) -> String {
        guard let drill = snapshot.drill else { return "-" }
        let date = String(LocalTime.text(drill.time).prefix(10))
        if drill.result.outcome == .failed { return "FAILED " + date }
        return date + (drill.result.part.map { " (\($0))" } ?? "")
    }

    /// The worst that the checks of the application said.
    private static func validation(_ results: [JSONValue]) -> String {
        let words = results.map { $0["status"]?.stringValue ?? "?" }
        return words.first { !ValidationCheck.isGood($0) } ?? words.first ?? "-"
    }

    private static func protection(_ snapshot: Snapshot, _ now: Timestamp) -> String {
        var words = snapshot.isPinned ? ["pinned"] : []
        if snapshot.isHeld(at: now), let until = snapshot.holdUntil {
            words.append("until " + LocalTime.text(until).prefix(10))
        }
        return words.isEmpty ? "-" : words.joined(separator: ", ")
    }
}
