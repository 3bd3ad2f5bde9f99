import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct ShowCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything recorded about a snapshot.",
        discussion: """
            Examples:
              varve show latest
              varve show @2025-06-23 --json
            """)

    @Argument(help: ArgumentHelp("The snapshot.", valueName: "ref")) var reference: String
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let reference = try SnapshotReference(ArgumentBytes.bytes(reference))
        let lookup = try SnapshotLookup(try context.openRepository())
        let snapshot = try lookup.find(reference, nearest: nearest)
        if context.output.isJSON {
            context.output.json(SnapshotJSON.shown(snapshot))
        } else {
            for (title, value) in Self.lines(snapshot, context.output) where !value.isEmpty {
                let padding = String(repeating: " ", count: max(0, 13 - title.count))
                context.output.line(context.output.styled(title, .bold) + padding + value)
            }
        }
        return .ok
    }

    private static func component(_ value: JSONValue) -> String {
        let number = { (key: String) in Int(clamping: value[key]?.integerValue ?? 0) }
        let errors = number("errors") > 0 ? ", " + HumanText.count(number("errors"), "error") : ""
        return "\(value["name"]?.stringValue ?? "?"): \(value["kind"]?.stringValue ?? "?"), "
            + "\(value["type"]?.stringValue ?? "?"), \(HumanText.count(number("files"), "file")), "
            + "\(HumanText.size(number("bytes_total"))), \(number("excluded")) excluded\(errors)"
    }

    private static func validation(_ value: JSONValue) -> String {
        let summary = value["summary"]?.stringValue.map { ": " + $0 } ?? ""
        return "\(value["validator"]?.stringValue ?? "?"): \(value["status"]?.stringValue ?? "?")\(summary)"
    }

    private static func lines(_ snapshot: Snapshot, _ output: Output) -> [(String, String)] {
        let manifest = snapshot.manifest
        let counts = manifest.counts
        let verified = snapshot.verification.map {
            "\($0.result), \($0.level), \(LocalTime.text($0.time))"
        }
        var lines = [
            ("snapshot", snapshot.id.hex), ("alias", manifest.alias ?? ""), ("name", output.safe(manifest.name ?? "")),
            ("description", output.safe(manifest.description ?? "")), ("time", LocalTime.text(manifest.time)),
            ("host", output.safe(manifest.host)), ("user", output.safe(manifest.user ?? "")),
            ("kind", manifest.kind.rawValue), ("type", output.safe(manifest.type ?? "")),
            ("state", manifest.state.rawValue), ("origin", manifest.origin.rawValue),
            ("verified", verified ?? "never"), ("tags", output.safe(snapshot.tags.joined(separator: " "))),
            ("pinned", snapshot.isPinned ? "yes" : ""),
            ("held until", snapshot.isHeld(at: .now()) ? snapshot.holdUntil.map(LocalTime.text) ?? "" : ""),
            ("app version", output.safe(manifest.appVersion ?? "")), ("program", output.safe(manifest.program)),
        ]
        lines += manifest.paths.map { ("path", output.show($0)) }
        lines += [
            (
                "holds",
                [
                    HumanText.count(counts.files, "file"), HumanText.count(counts.dirs, "directory", "directories"),
                    HumanText.count(counts.symlinks, "link"), HumanText.count(counts.specials, "special file"),
                    HumanText.size(manifest.bytes.total),
                ].joined(separator: ", ")
            ),
            ("files", "\(counts.filesNew) new, \(counts.filesChanged) changed, \(counts.filesUnmodified) unmodified"),
            ("left out", "\(counts.excluded) excluded, \(counts.skipped) skipped"),
            ("read", HumanText.size(manifest.bytes.read)),
            ("added", "\(HumanText.size(manifest.bytes.added)), stored in \(HumanText.size(manifest.bytes.stored))"),
            ("duration", manifest.durationSeconds.map(HumanText.duration) ?? ""),
            ("parent", manifest.parent?.hex ?? ""), ("tree", manifest.treeRoot.hex),
            ("errors", manifest.errorsTotal > 0 ? String(manifest.errorsTotal) : ""),
        ]
        for database in manifest.databases { lines += DatabaseText.lines(database, output) }
        lines += manifest.components.map { ("component", output.safe(component($0))) }
        lines += manifest.validation.map { ("validation", output.safe(validation($0))) }
        lines += manifest.errors.prefix(20).map {
            ("  \($0.operation)", "\(output.show($0.path)): \(output.safe($0.message))")
        }
        return lines
    }
}
