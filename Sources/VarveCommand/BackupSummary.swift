import Varve
import VarveFormat

/// What a backup did, for people and for programs.
struct BackupSummary {
    private let report: ArchiveReport
    /// What reading the snapshot back gave; nil if that was not asked for.
    private let verified: ExitStatus?
    /// What a cleanup did; nil if none was asked for.
    private let cleanup: BackupCleanup.Outcome?

    init(_ report: ArchiveReport, _ verified: ExitStatus?, _ cleanup: BackupCleanup.Outcome? = nil) {
        self.report = report
        self.verified = verified
        self.cleanup = cleanup
    }

    func show(_ output: Output) {
        if output.isJSON { output.message("summary", members) } else { showText(output) }
    }

    private var members: [String: JSONValue] {
        let manifest = report.manifest
        let counts = manifest.counts
        let numbers: [String: Int] = [
            "files_new": counts.filesNew, "files_changed": counts.filesChanged,
            "files_unmodified": counts.filesUnmodified, "dirs": counts.dirs, "files_total": counts.files,
            "bytes_read": manifest.bytes.read, "bytes_total": manifest.bytes.total,
            "bytes_added": manifest.bytes.added, "bytes_stored": manifest.bytes.stored, "blobs_new": counts.blobsNew,
            "blobs_total": counts.blobsTotal, "packs_added": counts.packsAdded, "errors": manifest.errorsTotal,
            "excluded": counts.excluded, "skipped": counts.skipped,
        ]
        var members = numbers.mapValues { JSONValue.integer(Int64($0)) }
        members["snapshot_id"] = SnapshotJSON.text(report.snapshotID?.hex)
        members["alias"] = report.snapshotID == nil ? .null : SnapshotJSON.text(manifest.alias)
        members["kind"] = .string(manifest.kind.rawValue)
        members["state"] = .string(manifest.state.rawValue)
        members["unchanged"] = .bool(report.isUnchanged)
        members["duration_seconds"] = SnapshotJSON.seconds(manifest.durationSeconds ?? 0)
        members["tree_root"] = report.snapshotID == nil ? .null : .string(manifest.treeRoot.hex)
        members["verified"] = verified.map { .bool($0 == .ok) } ?? .null
        members["cleanup"] = cleanup?.json ?? .null
        members["hint"] = SnapshotJSON.text(hint)
        return members
    }

    private func showText(_ output: Output) {
        let manifest = report.manifest
        let counts = manifest.counts
        let files =
            "\(HumanText.count(counts.files, "file")) (\(counts.filesNew) new, \(counts.filesChanged) changed), "
            + "\(HumanText.size(manifest.bytes.total)) in all"
        if let id = report.snapshotID {
            let state = manifest.state == .complete ? "saved" : "saved, but \(manifest.state.rawValue)"
            output.summary("snapshot \(id.hex.prefix(16)) \(state): \(files)")
            output.summary(
                "read \(HumanText.size(manifest.bytes.read)), added \(HumanText.size(manifest.bytes.added)), stored "
                    + "\(HumanText.size(manifest.bytes.stored)) in "
                    + HumanText.duration(manifest.durationSeconds ?? 0))
        } else if report.isUnchanged {
            output.summary("nothing changed, no snapshot was made: \(files)")
        } else {
            output.summary("would save \(files), \(counts.excluded) excluded, \(counts.skipped) skipped")
        }
        if let verified { output.summary(verified == .ok ? "read back: PASSED" : "read back: FAILED") }
        if let cleanup { output.summary(output.safe(cleanup.text)) }
        if let hint { output.note("hint: " + hint) }
    }

    /// What a quick backup would have read, if a full one found that next to nothing had changed.
    private var hint: String? {
        let read = UInt64(max(0, report.manifest.bytes.read))
        guard report.manifest.kind == .full, report.snapshotID != nil, report.bytesUnmodified > 0,
            read >= max(report.bytesUnmodified, report.bytesUnchanged), (read - report.bytesUnmodified) * 100 < read
        else { return nil }
        return "under 1 % had changed: --quick would have read \(HumanText.size(read - report.bytesUnchanged)) of "
            + HumanText.size(read)
    }
}
