import Varve
import VarveApp
import VarveFormat

/// A collection with its outcome shown.
enum CollectionRun {
    static func run(
        _ repository: Repository, _ options: CollectOptions, _ context: Context
    ) throws(StoreError) -> ExitStatus {
        let report = try collect(repository, options, context)
        let output = context.output
        if output.isJSON { output.message("summary", json(report, output)) } else { show(report, output) }
        return report.ranOutOfSpace ? .noSpace : .ok
    }

    /// Collects and shows what is worth a warning, but not the summary.
    static func collect(
        _ repository: Repository, _ options: CollectOptions, _ context: Context
    ) throws(StoreError) -> CollectReport {
        let output = context.output
        let report: CollectReport
        do throws(StoreError) {
            report = try context.withProgress { progress throws(StoreError) in
                try context.patiently { () throws(StoreError) in
                    try Collector(repository: repository, options: options, progress: progress).run()
                }
            }
        } catch {
            if error.code == .damaged, let list = try? repository.snapshots() {
                _ = DeletionEvidence.show(list, output)
            }
            throw error
        }
        for notice in report.notices { output.warning(output.safe(notice)) }
        for session in report.sessionsEnded {
            output.warning("ended \(words(session, output)), which nobody runs any more")
        }
        if report.ranOutOfSpace {
            output.warning("there is not enough space to write packs anew: only what needs no writing was freed")
        }
        return report
    }

    // MARK: text

    private static func show(_ report: CollectReport, _ output: Output) {
        let would = report.isDryRun
        if report.packsRemoved + report.snapshotsRemoved + report.indexFilesRemoved == 0 {
            output.summary(would ? "would free nothing now" : "nothing could be freed now")
        } else {
            var parts: [String] = []
            if report.packsRemoved > 0 { parts.append(HumanText.count(report.packsRemoved, "pack")) }
            if report.snapshotsRemoved > 0 {
                parts.append(HumanText.count(report.snapshotsRemoved, "deleted snapshot"))
            }
            if report.indexFilesRemoved > 0 { parts.append(HumanText.count(report.indexFilesRemoved, "index file")) }
            output.summary(
                "\(would ? "would remove" : "removed") \(parts.joined(separator: ", ")): "
                    + "\(HumanText.size(report.bytesRemoved))")
        }
        if report.packsRewritten > 0 {
            let written = would ? "" : " as \(report.packsWritten) (\(HumanText.size(report.bytesWritten)))"
            output.summary(
                "\(would ? "would write" : "wrote") \(HumanText.count(report.packsRewritten, "pack")) anew\(written)")
        }
        for waiting in report.waitingFor { output.summary(words(waiting, output)) }
        if !report.snapshotsInUse.isEmpty {
            output.summary(
                "\(HumanText.count(report.snapshotsInUse.count, "deleted snapshot")) stay while they are being read")
        }
        let all = report.bytesLive + report.bytesUnusedKept
        output.summary(
            "\(HumanText.size(report.bytesLive)) needed, \(HumanText.size(report.bytesUnusedKept)) "
                + "(\(HumanText.percent(Double(report.bytesUnusedKept), of: Double(all)))) unused in packs that stay, "
                + "before compression")
        if !would {
            output.summary(
                "\(HumanText.size(report.bytesFreed)) freed in \(HumanText.duration(report.durationSeconds))")
        }
    }

    /// What stays, why, and how long.
    private static func words(_ waiting: CollectReport.Waiting, _ output: Output) -> String {
        var subject = "\(HumanText.count(waiting.packs, "pack")) (\(HumanText.size(waiting.bytes)))"
        if waiting.packs == 0 { subject = HumanText.count(waiting.snapshots, "deleted snapshot") }
        let verb = waiting.packs + (waiting.packs == 0 ? waiting.snapshots : 0) == 1 ? "stays" : "stay"
        let until = waiting.until.map { " until \(LocalTime.text($0))" } ?? ""
        switch waiting.kind {
        case .grace where waiting.reason == .rewritten:
            return "\(subject) \(verb)\(until) so that copies made meanwhile stay whole; "
                + "gc --rewrite-grace 0 frees them now"
        case .grace: return "\(subject) \(verb)\(until), the grace that was asked for; until then undelete works"
        case .listing: return "\(subject) \(verb)\(until) at least, because listings of this place may be old"
        case .session:
            let sessions = waiting.sessions.map { words($0, output) }
            return "\(subject) \(verb): \(sessions.joined(separator: ", ")) began before; run gc again when it is over"
        }
    }

    private static func words(_ session: CollectReport.Occupant, _ output: Output) -> String {
        let kind =
            switch session.kind {
            case .writer: "the backup"
            case .reader: "the reader"
            case .collector: "the collection"
            case nil: "the session"
            }
        guard let host = session.host, let pid = session.pid else { return "\(kind) \(session.id.hex)" }
        let since = session.since.map { ", running since \(LocalTime.text($0))" } ?? ""
        return "\(kind) on host \(output.safe(host)) (process \(pid)\(since))"
    }

    // MARK: JSON

    private static func json(_ report: CollectReport, _ output: Output) -> [String: JSONValue] {
        [
            "packs_removed": .integer(Int64(report.packsRemoved)),
            "packs_rewritten": .integer(Int64(report.packsRewritten)),
            "packs_written": .integer(Int64(report.packsWritten)),
            "snapshots_removed": .integer(Int64(report.snapshotsRemoved)),
            "snapshots_in_use": .array(report.snapshotsInUse.map { .string($0.hex) }),
            "index_files_removed": .integer(Int64(report.indexFilesRemoved)),
            "index_files_written": .integer(Int64(report.indexFilesWritten)),
            "bytes_freed": .integer(Int64(clamping: report.bytesFreed)),
            "bytes_removed": .integer(Int64(clamping: report.bytesRemoved)),
            "bytes_written": .integer(Int64(clamping: report.bytesWritten)),
            "bytes_live": .integer(Int64(clamping: report.bytesLive)),
            "bytes_unused_kept": .integer(Int64(clamping: report.bytesUnusedKept)),
            "waiting_for": .array(report.waitingFor.map { json($0, output) }),
            "dry_run": .bool(report.isDryRun),
            "duration_seconds": SnapshotJSON.seconds(report.durationSeconds),
        ]
    }

    private static func json(_ waiting: CollectReport.Waiting, _ output: Output) -> JSONValue {
        .object([
            "kind": .string(waiting.kind.rawValue), "reason": .string(waiting.reason.rawValue),
            "packs": .integer(Int64(waiting.packs)), "bytes": .integer(Int64(clamping: waiting.bytes)),
            "snapshots": .integer(Int64(waiting.snapshots)), "until": SnapshotJSON.text(waiting.until?.rfc3339),
            "text": .string(words(waiting, output)),
            "sessions": .array(
                waiting.sessions.map { session in
                    .object([
                        "session_id": .string(session.id.hex), "kind": SnapshotJSON.text(session.kind?.rawValue),
                        "host": SnapshotJSON.text(session.host),
                        "pid": session.pid.map { .integer(Int64($0)) } ?? .null,
                        "since": SnapshotJSON.text(session.since?.rfc3339),
                    ])
                }),
        ])
    }
}
