import Varve
import VarveApp
import VarveFormat

/// Whole snapshots that the arguments of a command name.
enum NamedSnapshots {
    /// Each snapshot once, in the order of the references.
    ///
    /// - Throws: as `SnapshotLookup.find`; `usage` for a path in a snapshot.
    static func find(
        _ references: [String], in lookup: SnapshotLookup, nearest: Bool = false, verb: String
    ) throws(StoreError) -> [Snapshot] {
        var snapshots: [Snapshot] = []
        for text in references {
            let snapshot = try lookup.find(try reference(text, verb: verb), nearest: nearest)
            if !snapshots.contains(where: { $0.id == snapshot.id }) { snapshots.append(snapshot) }
        }
        return snapshots
    }

    /// Parses a reference to a whole snapshot.
    static func reference(_ text: String, verb: String) throws(StoreError) -> SnapshotReference {
        let reference = try SnapshotReference(ArgumentBytes.bytes(text))
        guard reference.path == nil else {
            throw StoreError(.usage, "\(verb) takes whole snapshots, not paths in them", path: text)
        }
        return reference
    }

    /// Names them before a question is asked.
    static func show(_ snapshots: [Snapshot], _ output: Output) {
        for snapshot in snapshots {
            let manifest = snapshot.manifest
            let name = manifest.name.map { "  " + output.safe($0) } ?? ""
            let paths = SourcePaths.summary(manifest.paths, output.show)
            let host = output.safe(manifest.host)
            output.note("  \(snapshot.id.hex.prefix(12))  \(LocalTime.text(manifest.time))  \(host)\(name)  \(paths)")
        }
    }
}
