import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct StatsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show how much the repository holds and saves.",
        discussion: """
            logical: what all snapshots would take as plain copies; unique: after
            deduplication; stored: what the repository takes; free: what gc could free
            now. With snapshots: what only they hold, and what comes free without them.
            """)

    @Argument(help: ArgumentHelp("Snapshots to weigh against all others.", valueName: "ref"))
    var references: [String] = []
    @Flag(help: "For @DATE: the closest snapshot, before or after.") var nearest = false
    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let repository = try context.openRepository()
        let chosen = try chosen(repository)
        let statistics = try Statistics(of: repository)
        var json = Self.json(statistics)
        if chosen.isEmpty {
            if !context.output.isJSON { Self.show(statistics, context.output) }
            return try addReclaimable(repository, &json, context)
        }
        let report = try context.withProgress { progress throws(StoreError) in
            try SpaceReport(of: repository, without: chosen, progress: progress)
        }
        let output = context.output
        guard !output.isJSON else {
            json.merge(SpaceView.json(report)) { first, _ in first }
            output.json(json)
            return .ok
        }
        output.line("snapshots  \(chosen.count) of \(statistics.snapshots)")
        SpaceView.show(report, output)
        return .ok
    }

    private func chosen(_ repository: Repository) throws(StoreError) -> [SnapshotID] {
        guard !references.isEmpty else { return [] }
        let lookup = try SnapshotLookup(repository)
        var ids: [SnapshotID] = []
        for text in references {
            let reference = try SnapshotReference(ArgumentBytes.bytes(text))
            guard reference.path == nil else {
                throw StoreError(.usage, "stats takes whole snapshots, not paths in them", path: text)
            }
            let id = try lookup.find(reference, nearest: nearest).id
            if !ids.contains(id) { ids.append(id) }
        }
        return ids
    }

    /// What gc could free now. In a repository with damage nobody knows, and the other figures stand all the same.
    private func addReclaimable(
        _ repository: Repository, _ json: inout [String: JSONValue], _ context: Context
    ) throws(StoreError) -> ExitStatus {
        let output = context.output
        do throws(StoreError) {
            let reclaimable = try context.withProgress { progress throws(StoreError) in
                try SpaceReport.reclaimable(in: repository, progress: progress)
            }
            json["bytes_unreferenced"] = .integer(Int64(clamping: reclaimable.unreferencedBytes))
            json["bytes_unused"] = .integer(Int64(clamping: reclaimable.unusedBytes))
            let free = reclaimable.unreferencedBytes + reclaimable.unusedBytes
            if !output.isJSON { output.line("free       \(HumanText.size(free)) with gc") }
        } catch {
            guard [.damaged, .missing, .unsupported].contains(error.code) else { throw error }
            output.warning("what gc could free is not known: \(error.message)", path: error.path)
        }
        if output.isJSON { output.json(json) }
        return .ok
    }

    private static func json(_ statistics: Statistics) -> [String: JSONValue] {
        [
            "snapshots": .integer(Int64(statistics.snapshots)), "blobs": .integer(Int64(statistics.blobs)),
            "packs": .integer(Int64(statistics.packs)),
            "bytes_logical": .integer(Int64(clamping: statistics.bytesLogical)),
            "bytes_unique": .integer(Int64(clamping: statistics.bytesUnique)),
            "bytes_stored": .integer(Int64(clamping: statistics.bytesStored)),
            "bytes_unreferenced": .null, "bytes_unused": .null, "dedup_ratio": ratio(statistics.dedupRatio),
            "compression_ratio": ratio(statistics.compressionRatio),
            "oldest": SnapshotJSON.text(statistics.oldest?.rfc3339),
            "newest": SnapshotJSON.text(statistics.newest?.rfc3339),
        ]
    }

    private static func show(_ statistics: Statistics, _ output: Output) {
        output.line("snapshots  \(statistics.snapshots)")
        if let oldest = statistics.oldest, let newest = statistics.newest {
            output.line("from       \(LocalTime.text(oldest)) to \(LocalTime.text(newest))")
        }
        output.line("logical    \(HumanText.size(statistics.bytesLogical))")
        output.line("unique     \(HumanText.size(statistics.bytesUnique))\(words(statistics.dedupRatio))")
        output.line("stored     \(HumanText.size(statistics.bytesStored))\(words(statistics.compressionRatio))")
        output.line("blobs      \(statistics.blobs) in \(HumanText.count(statistics.packs, "pack"))")
    }

    private static func ratio(_ value: Double?) -> JSONValue {
        value.map { .number(($0 * 1000).rounded() / 1000) } ?? .null
    }

    private static func words(_ ratio: Double?) -> String {
        ratio.map { " (\(HumanText.tenths($0)) to 1)" } ?? ""
    }
}
