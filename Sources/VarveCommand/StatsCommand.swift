import ArgumentParser
import Varve
import VarveApp
import VarveFormat

struct StatsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Show how much the repository holds and saves.",
        discussion: """
            logical: what all snapshots would take as plain copies; unique: after
            deduplication; stored: what the repository takes.
            """)

    @OptionGroup(title: "Global options") var global: GlobalOptions

    func execute(_ context: Context) throws(StoreError) -> ExitStatus {
        let statistics = try Statistics(of: try context.openRepository())
        let output = context.output
        if output.isJSON {
            output.json([
                "snapshots": .integer(Int64(statistics.snapshots)), "blobs": .integer(Int64(statistics.blobs)),
                "packs": .integer(Int64(statistics.packs)),
                "bytes_logical": .integer(Int64(clamping: statistics.bytesLogical)),
                "bytes_unique": .integer(Int64(clamping: statistics.bytesUnique)),
                "bytes_stored": .integer(Int64(clamping: statistics.bytesStored)),
                "dedup_ratio": Self.ratio(statistics.dedupRatio),
                "compression_ratio": Self.ratio(statistics.compressionRatio),
                "oldest": SnapshotJSON.text(statistics.oldest?.rfc3339),
                "newest": SnapshotJSON.text(statistics.newest?.rfc3339),
            ])
            return .ok
        }
        output.line("snapshots  \(statistics.snapshots)")
        if let oldest = statistics.oldest, let newest = statistics.newest {
            output.line("from       \(LocalTime.text(oldest)) to \(LocalTime.text(newest))")
        }
        output.line("logical    \(HumanText.size(statistics.bytesLogical))")
        output.line("unique     \(HumanText.size(statistics.bytesUnique))\(Self.words(statistics.dedupRatio))")
        output.line("stored     \(HumanText.size(statistics.bytesStored))\(Self.words(statistics.compressionRatio))")
        output.line("blobs      \(statistics.blobs) in \(HumanText.count(statistics.packs, "pack"))")
        return .ok
    }

    private static func ratio(_ value: Double?) -> JSONValue {
        value.map { .number(($0 * 1000).rounded() / 1000) } ?? .null
    }

    private static func words(_ ratio: Double?) -> String {
        ratio.map { " (\(HumanText.tenths($0)) to 1)" } ?? ""
    }
}
