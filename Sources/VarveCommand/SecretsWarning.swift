import Varve
import VarveApp
import VarveFormat

/// Warns about files that usually hold secrets in a snapshot that anybody can read.
enum SecretsWarning {
    private static let shown = 5

    /// Only a warning: what cannot be read here is reported where it matters.
    static func show(_ id: SnapshotID, _ repository: Repository, _ output: Output) {
        guard let snapshot = try? repository.snapshots().snapshots.first(where: { $0.id == id }),
            let reader = try? SnapshotReader(repository: repository, snapshot: snapshot)
        else { return }
        var found: [[UInt8]] = []
        var count = 0
        _ = try? reader.list([], isRecursive: true) { (path, entry) throws(StoreError) in
            guard entry.type == .file, SecretsScan.looksSecret(name: entry.name) else { return }
            count += 1
            if found.count < shown { found.append(path) }
        }
        guard count > 0 else { return }
        for path in found {
            output.warning("a file that may hold secrets is in an unencrypted repository", path: path)
        }
        if count > found.count { output.warning("and \(count - found.count) more like it") }
    }
}
