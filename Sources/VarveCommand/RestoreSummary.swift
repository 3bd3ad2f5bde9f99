import Varve
import VarveFormat

/// What restore and undo say in the end.
struct RestoreSummary {
    let report: RestoreReport
    let snapshot: SnapshotID
    let target: [UInt8]?
    /// `restored` or `undone`.
    let verb: String
    /// What else the summary in JSON has.
    var more: [String: JSONValue] = [:]

    /// The keys that a summary has, done or foreseen.
    static func members(_ snapshot: SnapshotID, _ target: [UInt8]?, isDryRun: Bool) -> [String: JSONValue] {
        [
            "snapshot_id": .string(snapshot.hex), "safety_snapshot_id": .null, "dry_run": .bool(isDryRun),
            "target": SnapshotJSON.text(target.map { String(decoding: $0, as: UTF8.self) }),
        ]
    }

    /// Prints it and returns the status that it stands for.
    func show(_ output: Output) -> ExitStatus {
        for notice in report.notices { output.warning(output.safe(notice)) }
        for error in report.errors {
            var members: [String: JSONValue] = [
                "operation": .string(error.operation), "damage": .bool(error.isDamage),
            ]
            if error.operation == "check" { members["remedy"] = .string(remedy) }
            output.error(output.safe(error.message), path: error.path, members: members)
        }
        if report.errorsTotal > report.errors.count {
            output.warning("\(HumanText.count(report.errorsTotal - report.errors.count, "more error")) not shown")
        }
        if report.databasesFailed > 0, !output.isJSON { output.note(remedy) }
        if report.isAbandoned {
            output.warning("nothing was changed; --allow-partial restores what can be restored")
        }
        if output.isJSON { showJSON(output) } else { output.summary(text) }
        return Self.status(report)
    }

    /// The status that a restore stands for.
    static func status(_ report: RestoreReport) -> ExitStatus {
        if report.damagedTotal > 0 { return .damage }
        if report.isAbandoned { return .failed }
        return report.errorsTotal > 0 ? .partial : .ok
    }

    private func showJSON(_ output: Output) {
        let done = report.isAbandoned ? 0 : 1
        var members = Self.members(snapshot, target, isDryRun: false)
        members["safety_snapshot_id"] = SnapshotJSON.text(report.safetySnapshotID?.hex)
        members["files_restored"] = .integer(Int64(report.filesRestored * done))
        members["files_unchanged"] = .integer(Int64(report.filesUnchanged))
        members["bytes_written"] = .integer(Int64(clamping: report.bytesWritten))
        members["files_verified"] = .integer(Int64(report.filesVerified))
        members["databases_checked"] = .integer(Int64(report.databasesChecked))
        members["databases_failed"] = .integer(Int64(report.databasesFailed))
        members["deleted"] = .integer(Int64(report.deleted * done))
        members["errors"] = .integer(Int64(report.errorsTotal))
        members["duration_seconds"] = SnapshotJSON.seconds(report.duration)
        output.message("summary", members.merging(more) { $1 })
    }

    /// What to do about a database that is not what it was.
    private var remedy: String {
        target == nil && report.isAbandoned
            ? "restore the database from another snapshot, or take it as it is with --allow-partial"
            : "restore the database from another snapshot, or look at it with sqlite3 before you use it"
    }

    private var text: String {
        if report.isAbandoned { return "nothing was \(verb)" }
        let removed = report.deleted > 0 ? ", \(report.deleted) removed" : ""
        let safety = report.safetySnapshotID.map {
            "\nwhat was overwritten is in safety snapshot \($0.hex.prefix(12))"
                + (verb == "restored" ? "; varve undo brings it back" : "")
        }
        let databases =
            report.databasesChecked > 0 ? ", \(HumanText.count(report.databasesChecked, "database")) checked" : ""
        return "\(verb) \(HumanText.count(report.filesRestored, "file")), \(HumanText.size(report.bytesWritten)), in "
            + "\(HumanText.duration(report.duration)): \(report.filesVerified) read back, "
            + "\(report.filesUnchanged) unchanged\(removed)\(databases)\(safety ?? "")"
    }
}
