import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct StatusCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Tell whether backups are there, young enough and proven.",
        discussion: """
            Looks at every source (job, host and paths) on its own. With --max-age its
            newest snapshot must not be older, with --min-count it must have so many.
            Exit status 5 means that a demand is not met, 4 that something is damaged or
            was deleted by others.

            --nagios prints one line and ends with 0, 1, 2 or 3, as monitoring systems
            like it.

            Examples:
              varve status
              varve status --max-age 26h --min-count 7
              varve status --max-age 26h --host web1 --nagios
            """)

    @Option(help: ArgumentHelp("How old the newest snapshot may be, as 26h.", valueName: "duration"))
    var maxAge: String?
    @Option(help: ArgumentHelp("How many snapshots there have to be.", valueName: "n")) var minCount: Int?
    @Flag(help: "One line and the exit status of a monitoring plug-in.") var nagios = false
    @OptionGroup(title: "Filters") var selection: SelectionOptions
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        guard nagios else { return show(try judged(context), context.output) }
        let state: MonitoringState
        do throws(StoreError) {
            state = MonitoringState(try judged(context), maxAge: try age(), minCount: minCount)
        } catch {
            state = MonitoringState(error)
        }
        context.output.line(context.output.safe(state.text))
        return state.status
    }

    private func judged(_ context: Context) throws(StoreError) -> RepositoryStatus {
        var demands = RepositoryStatus.Demands()
        demands.maxAge = try age()
        if let minCount {
            guard minCount >= 0 else { throw StoreError(.usage, "--min-count cannot be negative") }
            demands.minCount = minCount
        }
        let filter = try selection.filter(context)
        let list = try context.openRepository().snapshots()
        return RepositoryStatus(list, filter, demands, now: .now())
    }

    private func age() throws(StoreError) -> Int64? {
        guard let maxAge else { return nil }
        return try OptionValue.named("--max-age") { () throws(StoreError) in try DurationText.parse(maxAge) }
    }

    private func show(_ status: RepositoryStatus, _ output: Output) -> ExitStatus {
        if output.isJSON {
            output.json(Self.json(status))
        } else {
            if !status.sources.isEmpty { output.table(Self.table(status, output)) }
            for problem in status.problems {
                let text = output.safe(problem.message)
                if problem.isCritical { output.error(text, path: nil) } else { output.warning(text) }
            }
            if status.problems.isEmpty { output.summary(output.styled("OK", .green)) }
        }
        return ExitStatus.worst(
            status.problems.filter(\.isCritical).map { problem in
                switch problem.kind {
                case .damaged, .vanished, .unreadable, .unproven: .damage
                default: .refused
                }
            })
    }

    private static func table(_ status: RepositoryStatus, _ output: Output) -> Table {
        var table = Table([
            .init(title: "HOST"), .init(title: "JOB"), .init(title: "SNAPSHOTS", alignment: .right),
            .init(title: "NEWEST"), .init(title: "AGE", alignment: .right), .init(title: "STATE"),
            .init(title: "STATUS"), .init(title: "VERIFIED"), .init(title: "PROVEN"), .init(title: "PATHS"),
        ])
        for source in status.sources {
            let manifest = source.newest.manifest
            table.add([
                output.safe(source.host), output.safe(source.job ?? "-"), String(source.count),
                LocalTime.text(manifest.time), HumanText.duration(max(0, source.age)), manifest.state.rawValue,
                source.newest.status, source.lastVerified.map { LocalTime.text($0) } ?? "never",
                source.lastDrilled.map { LocalTime.text($0) } ?? "never",
                SourcePaths.summary(source.paths, output.show),
            ])
        }
        return table
    }

    private static func json(_ status: RepositoryStatus) -> [String: JSONValue] {
        let sources = status.sources.map { source in
            let newest = source.newest
            var members: [String: JSONValue] = [
                "host": .string(source.host), "job": SnapshotJSON.text(source.job),
                "snapshots": .integer(Int64(source.count)), "age_seconds": SnapshotJSON.seconds(source.age),
                "last_verified": SnapshotJSON.text(source.lastVerified?.rfc3339),
                "last_drilled": SnapshotJSON.text(source.lastDrilled?.rfc3339), "newest": SnapshotJSON.listed(newest),
            ]
            members.merge(SnapshotJSON.paths(source.paths)) { first, _ in first }
            return JSONValue.object(members)
        }
        let problems = status.problems.map { problem in
            JSONValue.object([
                "kind": .string(problem.kind.rawValue), "message": .string(problem.message),
                "severity": .string(problem.isCritical ? "critical" : "warning"),
            ])
        }
        let word = status.isCritical ? "critical" : status.problems.isEmpty ? "ok" : "warning"
        return [
            "status": .string(word), "sources": .array(sources), "problems": .array(problems),
            "snapshots": .integer(Int64(status.snapshots)),
        ]
    }
}

/// One line and a status as plug-ins of monitoring systems give them: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
private struct MonitoringState {
    let text: String
    let status: ExitStatus

    init(_ judged: RepositoryStatus, maxAge: Int64?, minCount: Int?) {
        let word = judged.isCritical ? "CRITICAL" : judged.problems.isEmpty ? "OK" : "WARNING"
        status = judged.isCritical ? .monitoringCritical : judged.problems.isEmpty ? .ok : .monitoringWarning
        // The critical ones first: long lines are cut.
        let problems = judged.problems.filter(\.isCritical) + judged.problems.filter { !$0.isCritical }
        let age = judged.sources.map(\.age).max()
        let facts =
            age.map {
                "\(HumanText.count(judged.snapshots, "snapshot")) of "
                    + "\(HumanText.count(judged.sources.count, "source")), the newest of each at most "
                    + "\(HumanText.duration(max(0, $0))) old"
            } ?? "no snapshots"
        let said = problems.isEmpty ? facts : problems.map(\.message).joined(separator: "; ")
        let fewest = judged.sources.map(\.count).min() ?? 0
        let seconds = age.map { "age=\(Int(max(0, min($0, 1e15))))s;;\(maxAge.map(String.init) ?? "") " } ?? ""
        // The bar parts the words from the figures.
        let words = said.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "/")
        text = "VARVE \(word) - \(words) | \(seconds)count=\(fewest);;\(minCount.map { "\($0):" } ?? "")"
    }

    init(_ error: StoreError) {
        text = "VARVE UNKNOWN - \(error.message)"
        status = .monitoringUnknown
    }
}
