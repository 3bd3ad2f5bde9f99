import Varve
import VarveFormat

/// What goes with some snapshots, as `stats REF` and `delete --dry-run` show it.
enum SpaceView {
    static func json(_ report: SpaceReport) -> [String: JSONValue] {
        [
            "bytes_unique_to_these": .integer(Int64(clamping: report.uniqueBytes)),
            "bytes_shared": .integer(Int64(clamping: report.sharedBytes)),
            "bytes_freed_if_removed": .integer(Int64(clamping: report.freedBytes)),
            "bytes_freed_at_once": .integer(Int64(clamping: report.freedAtOnceBytes)),
        ]
    }

    static func show(_ report: SpaceReport, _ output: Output) {
        let later = report.freedBytes - min(report.freedBytes, report.freedAtOnceBytes)
        output.line("unique     \(HumanText.size(report.uniqueBytes)) are in no other snapshot")
        output.line("shared     \(HumanText.size(report.sharedBytes)) are in others too")
        output.line("free       about \(HumanText.size(report.freedBytes)) of the repository without them")
        if later > 0 { output.line("           \(HumanText.size(later)) of that when gc rewrites the packs") }
    }

    /// The report; nil, with a warning, where damage keeps it from being known.
    static func report(
        of repository: Repository, without ids: [SnapshotID], _ context: Context
    ) throws(StoreError) -> SpaceReport? {
        do throws(StoreError) {
            return try context.withProgress { progress throws(StoreError) in
                try SpaceReport(of: repository, without: ids, progress: progress)
            }
        } catch {
            guard [.damaged, .missing, .unsupported].contains(error.code) else { throw error }
            context.output.warning("what would come free is not known: \(error.message)", path: error.path)
            return nil
        }
    }
}
