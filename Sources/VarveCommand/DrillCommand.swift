import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct DrillCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "drill", abstract: "Prove a snapshot by restoring it into a sandbox.",
        discussion: """
            Restores the newest snapshot, or REF, into a directory that is thrown away,
            reads everything there again and compares it with what was stored. SQLite
            databases must be whole and have the rows that the snapshot recorded. --check
            runs a command of yours in the restored tree, whose path is also in
            VARVE_DRILL_DIRECTORY. The result is kept in the repository: varve list and
            varve status show when a snapshot was last proven.

            --sample 2/7 restores the second seventh of the files: seven drills, one a
            day, prove everything. --sample 10% takes a tenth by chance.

            Exit status 4 means that something could not be brought back as it was, or
            that the check failed.

            Examples:
              varve drill
              varve drill latest --check 'sqlite3 srv/app/app.db "PRAGMA integrity_check"'
              varve drill --sample 10% --sandbox /var/tmp
            """)

    @Argument(help: ArgumentHelp("The snapshot (default: latest).", valueName: "ref")) var reference = "latest"
    @Option(help: ArgumentHelp("Restore a part of the files: 2/7, or 10%.", valueName: "part")) var sample: String?
    @Option(help: ArgumentHelp("A command for the shell that has to exit with 0.", valueName: "command"))
    var check: String?
    @Option(help: ArgumentHelp("Where the sandbox is made (default: TMPDIR or /var/tmp).", valueName: "dir"))
    var sandbox: String?
    @Flag(help: "Leave the restored tree there.") var keep = false
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    static var jsonForm: Output.Form { .jsonLines }

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let reference = try SnapshotReference(ArgumentBytes.bytes(reference))
        guard reference.path == nil else {
            throw StoreError(.usage, "drill takes a whole snapshot, not a path in it", path: self.reference)
        }
        let place = sandbox ?? context.environment[.temporaryDirectory] ?? "/var/tmp"
        var options = Drill.Options(place: try context.absolute(place))
        options.part = try sample.map(Self.part)
        options.check = check
        options.keepsSandbox = keep
        options.threads = context.settings.threads
        options.recordsResult = !context.settings.isDryRun
        let repository = try context.openRepository()
        let lookup = try SnapshotLookup(repository)
        let snapshot = try lookup.find(reference, nearest: nearest)
        let evidence = DeletionEvidence.show(lookup.list, context.output)
        let report = try context.withProgress { progress throws(StoreError) in
            try Drill(repository: repository, snapshot: snapshot, options: options, progress: progress).run()
        }
        show(report, context.output)
        if context.output.isJSON {
            summarize(report, snapshot, options, context.output)
        } else {
            conclude(report, snapshot, options, context.output)
        }
        return ExitStatus.worst([report.isProven ? .ok : .damage, evidence])
    }

    /// What is wrong.
    private func show(_ report: Drill.Report, _ output: Output) {
        for error in report.restore.errors {
            output.error(
                output.safe(error.message), path: error.path, members: ["operation": .string(error.operation)])
        }
        for change in report.differences {
            let what =
                switch change.kind {
                case .removed: "it was not brought back"
                case .added: "it is there and not in the snapshot"
                case .type: "it came back as something else"
                case .modified: "it came back with another \(change.aspects.names.joined(separator: ", "))"
                }
            output.error(what, path: change.path, members: ["operation": .string("compare")])
        }
        let more = report.differencesTotal - report.differences.count
        if more > 0 { output.warning("\(HumanText.count(more, "more difference")) not shown") }
        for failure in report.failures { output.error(output.safe(failure.message), path: failure.path) }
        if let error = report.checkError {
            for line in String(decoding: report.checkOutput, as: UTF8.self).split(separator: "\n").suffix(20) {
                output.note("  " + output.safe(String(line)))
            }
            output.error(
                "the check failed: \(output.safe(error.message))", path: nil, members: ["operation": .string("check")])
        }
        if let error = report.recordError {
            output.warning("the result could not be recorded: \(output.safe(error.message))")
        }
    }

    private func conclude(
        _ report: Drill.Report, _ snapshot: Snapshot, _ options: Drill.Options, _ output: Output
    ) {
        let result = report.isProven ? output.styled("PROVEN", .green) : output.styled("FAILED", .red)
        let part = options.part.map { " (part \($0.number) of \($0.count))" } ?? ""
        let check = report.check.map { $0 == .ok ? ", check passed" : ", check failed" } ?? ""
        let databases =
            report.databases == .ok ? ", \(HumanText.count(report.restore.databasesChecked, "database")) whole" : ""
        let attributes =
            report.attributesTotal > 0 ? ", \(report.attributesTotal) with other owners, modes or times" : ""
        output.summary(
            "\(result)  \(snapshot.id.hex.prefix(8))  \(LocalTime.text(snapshot.manifest.time)): "
                + "\(HumanText.count(report.restore.filesRestored, "file"))\(part), "
                + "\(HumanText.size(report.restore.bytesWritten)) restored and compared in "
                + "\(HumanText.duration(report.duration))\(databases)\(check)\(attributes)")
        if let tree = report.sandbox { output.note("the restored tree is in \(output.show(tree))") }
    }

    private func summarize(
        _ report: Drill.Report, _ snapshot: Snapshot, _ options: Drill.Options, _ output: Output
    ) {
        output.message(
            "summary",
            [
                "snapshot_id": .string(snapshot.id.hex), "result": .string(report.isProven ? "ok" : "failed"),
                "files_restored": .integer(Int64(report.restore.filesRestored)),
                "bytes_restored": .integer(Int64(clamping: report.restore.bytesWritten)),
                "part": SnapshotJSON.text(options.part.map { "\($0.number)/\($0.count)" }),
                "errors": .integer(Int64(report.restore.errorsTotal)),
                "differences": .integer(Int64(report.differencesTotal)),
                "attribute_differences": .integer(Int64(report.attributesTotal)),
                "databases": SnapshotJSON.text(report.databases?.rawValue),
                "databases_checked": .integer(Int64(report.restore.databasesChecked)),
                "databases_failed": .integer(Int64(report.restore.databasesFailed)),
                "check": SnapshotJSON.text(report.check?.rawValue),
                "check_output": report.check.map { _ in
                    JSONValue.string(String(decoding: report.checkOutput, as: UTF8.self))
                } ?? .null,
                "sandbox": SnapshotJSON.text(report.sandbox.map { String(decoding: $0, as: UTF8.self) }),
                "recorded": .bool(options.recordsResult && report.recordError == nil),
                "duration_seconds": SnapshotJSON.seconds(report.duration),
            ])
    }

    private static func part(_ text: String) throws(StoreError) -> RestorePart {
        let words = text.split(separator: "/", omittingEmptySubsequences: false)
        if words.count == 2, let number = Int(words[0]), let count = Int(words[1]),
            let part = RestorePart(number: number, count: count)
        {
            return part
        }
        if text.hasSuffix("%"), let percent = Double(text.dropLast()), percent > 0, percent <= 100 {
            let count = max(1, Int((100 / max(percent, 0.001)).rounded()))
            if let part = RestorePart(number: Int.random(in: 1...count), count: count) { return part }
        }
        throw StoreError(.usage, "--sample: \"\(text)\" is not a part", remedy: "write 2/7 for a seventh, or 10%")
    }
}
