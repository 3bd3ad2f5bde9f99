import Synchronization
import Varve
import VarveApp
import VarveFormat

/// A verification with its findings and summary shown.
enum VerificationRun {
    static func run(
        _ repository: Repository, _ options: Verifier.Options, _ context: Context
    ) throws(StoreError) -> ExitStatus {
        let findings = FindingList(context.output)
        let report = try context.withProgress { progress throws(StoreError) in
            try Verifier(repository: repository, options: options, progress: progress).run(onFinding: findings.show)
        }
        let list = try? repository.snapshots()
        var snapshots = list?.snapshots ?? []
        var evidence = ExitStatus.ok
        if let list { DeletionEvidence.showNotes(list, context.output) }
        // Of a verification of all snapshots those that vanished are findings.
        if let ids = options.snapshots {
            snapshots = snapshots.filter { ids.contains($0.id) }
            evidence = DeletionEvidence.show(vanished: list?.vanished ?? [], context.output)
        }
        return ExitStatus.worst([findings.finish(report, snapshots: snapshots, context.output), evidence])
    }

    /// Reads a new snapshot back, for `backup --verify`; only what is wrong is shown.
    static func readBack(
        _ id: SnapshotID, _ repository: Repository, _ context: Context
    ) throws(StoreError) -> ExitStatus {
        var options = Verifier.Options()
        options.level = .data
        options.snapshots = [id]
        let findings = FindingList(context.output)
        let report = try context.withProgress { progress throws(StoreError) in
            try Verifier(repository: repository, options: options, progress: progress).run(onFinding: findings.show)
        }
        return report.result == .passed ? .ok : .damage
    }
}

/// Shows what a verification finds and remembers which snapshots it hits.
final class FindingList: Sendable {
    private let output: Output
    private let hit = Mutex<Set<SnapshotID>>([])
    /// The last line of text: every blob of a frame is found damaged alike.
    private let last = Mutex("")

    init(_ output: Output) { self.output = output }

    func show(_ finding: Finding) {
        if let snapshot = finding.snapshot { hit.withLock { _ = $0.insert(snapshot) } }
        if output.isJSON {
            var members: [String: JSONValue] = [
                "kind": .string(finding.kind.rawValue), "file": SnapshotJSON.text(finding.file),
                "pack": SnapshotJSON.text(finding.pack?.hex), "blob": SnapshotJSON.text(finding.blob?.hex),
                "snapshot_id": SnapshotJSON.text(finding.snapshot?.hex), "path": .null,
                "offset": finding.offset.map { .integer(Int64(clamping: $0)) } ?? .null,
                "length": finding.length.map { .integer(Int64(clamping: $0)) } ?? .null,
            ]
            members["message"] = .string(finding.message)
            members.merge(Output.pathMembers(finding.path)) { $1 }
            output.message("error", members)
            return
        }
        var text = output.safe(finding.message)
        if let snapshot = finding.snapshot { text += " (snapshot \(snapshot.hex.prefix(12)))" }
        // A pack's name is 64 digits long: the file says it, and where in it.
        let file = finding.file ?? finding.pack.map { "pack \($0.hex)" }
        if finding.path == nil, let offset = finding.offset { text += " (byte \(offset))" }
        let isRepeated = last.withLock { last in
            defer { last = text + (file ?? "") }
            return finding.path == nil && last == text + (file ?? "")
        }
        if !isRepeated { output.error(text, path: finding.path ?? file.map { Array($0.utf8) }) }
    }

    /// Shows the summary.
    func finish(_ report: VerifyReport, snapshots: [Snapshot], _ output: Output) -> ExitStatus {
        if output.isJSON {
            output.message(
                "summary",
                [
                    "snapshots_checked": .integer(Int64(report.snapshotsChecked)),
                    "trees_checked": .integer(Int64(report.treesChecked)),
                    "blobs_checked": .integer(Int64(report.blobsChecked)),
                    "packs_checked": .integer(Int64(report.packsChecked)),
                    "bytes_read": .integer(Int64(clamping: report.bytesRead)),
                    "damaged_packs": .integer(Int64(report.damagedPacks)),
                    "damaged_blobs": .integer(Int64(report.damagedBlobs)),
                    "damaged_snapshots": .integer(Int64(report.damagedSnapshots)),
                    "missing_packs": .integer(Int64(report.missingPacks)),
                    "duration_seconds": SnapshotJSON.seconds(report.durationSeconds),
                    "result": .string(report.result.rawValue),
                ])
        } else {
            showText(report, snapshots)
        }
        return report.result == .passed ? .ok : .damage
    }

    private func showText(_ report: VerifyReport, _ snapshots: [Snapshot]) {
        let hit = hit.withLock { $0 }
        for snapshot in snapshots {
            let isHit = hit.contains(snapshot.id)
            let result = isHit ? output.styled("FAILED", .red) : output.styled("PASSED", .green)
            let name = snapshot.manifest.name.map { "  " + output.safe($0) } ?? ""
            output.summary("\(result)  \(snapshot.id.hex.prefix(8))  \(LocalTime.text(snapshot.manifest.time))\(name)")
        }
        if report.missingPacks > 0 {
            output.note(
                "\(report.missingPacks) of \(report.packsTotal) packs are missing: if this is a copy, make it again; "
                    + "if it is the original, they were deleted or lost")
        }
        let result = output.styled(report.result.rawValue, report.result == .passed ? .green : .red)
        output.summary(
            "\(result): \(HumanText.count(report.snapshotsChecked, "snapshot")), "
                + "\(HumanText.count(report.packsChecked, "pack")), \(HumanText.count(report.blobsChecked, "blob")), "
                + "\(HumanText.size(report.bytesRead)) read in \(HumanText.duration(report.durationSeconds))")
    }
}
