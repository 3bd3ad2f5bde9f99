import Varve
import VarveApp
import VarveFormat

/// Tells what vanished from a repository under this machine's eyes (`SnapshotList.vanished`).
enum DeletionEvidence {
    /// Shows the evidence of a list.
    ///
    /// - Returns: `damage` if snapshots vanished.
    static func show(_ list: SnapshotList, _ output: Output) -> ExitStatus {
        showNotes(list, output)
        return show(vanished: list.vanished, output)
    }

    /// Shows what is no proof of a deletion: that records are gone, or that a copy is behind.
    static func showNotes(_ list: SnapshotList, _ output: Output) {
        if list.isRolledBack, list.vanished.isEmpty {
            output.warning(
                "the repository is older than this machine saw it: records were removed, or a copy took its place")
        }
        if list.behind > 0 {
            let count = HumanText.count(list.behind, "snapshot")
            output.note("this copy is \(count) behind what this machine saw elsewhere")
        }
    }

    /// Shows snapshots that vanished.
    ///
    /// - Returns: `damage` if there are any.
    static func show(vanished: [SnapshotID], _ output: Output) -> ExitStatus {
        guard !vanished.isEmpty else { return .ok }
        for id in vanished {
            output.error(
                "DELETION DETECTED: snapshot \(id.hex) was here and is gone, and was not deleted by varve", path: nil,
                members: ["kind": .string("missing_snapshot"), "snapshot_id": .string(id.hex)])
        }
        output.note(remedy)
        return .damage
    }

    /// Records that the owner knows, and reads the list again.
    static func accept(_ lookup: SnapshotLookup, _ repository: Repository) throws(StoreError) -> SnapshotLookup {
        guard !lookup.list.vanished.isEmpty || lookup.list.isRolledBack else { return lookup }
        try SnapshotEditor(repository: repository).acceptMissing(lookup.list.vanished)
        return try SnapshotLookup(repository)
    }

    private static let remedy =
        "if this is a copy, make it again; if it is the original, look who did that and put the files back from a "
        + "copy; if it is right so, varve list --accept-missing says so"
}
