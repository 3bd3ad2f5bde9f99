package import Varve
import VarveFormat

/// The snapshots of a repository, found by reference.
package struct SnapshotLookup: Sendable {
    package let list: SnapshotList

    package init(_ repository: Repository) throws(StoreError) { list = try repository.snapshots() }

    /// The snapshot that a reference names.
    ///
    /// - Throws: `notFound`, `ambiguous`; `damaged` if it names a manifest that cannot be read.
    package func find(
        _ reference: SnapshotReference, filter: SnapshotFilter = SnapshotFilter(), nearest: Bool = false
    ) throws(StoreError) -> Snapshot {
        let resolver = SnapshotResolver(list.snapshots.map(SnapshotCandidate.init), filter: filter)
        do throws(StoreError) {
            let id = try resolver.resolve(reference, nearest: nearest)
            if let snapshot = list.snapshots.first(where: { $0.id == id }) { return snapshot }
        } catch {
            guard error.code == .notFound, let damage = unreadable(reference) else { throw error }
            throw damage
        }
        throw StoreError(.notFound, "there is no snapshot \"\(reference.text)\"")
    }

    /// The snapshots that fit a filter, newest first.
    package func matching(_ filter: SnapshotFilter) -> [Snapshot] {
        filter.isEmpty ? list.snapshots : list.snapshots.filter { filter.matches(SnapshotCandidate($0)) }
    }

    /// Manifests that cannot be read.
    package var unreadableManifests: [SnapshotList.Unreadable] {
        list.unreadable.filter { $0.directory == "manifests" }
    }

    private func unreadable(_ reference: SnapshotReference) -> StoreError? {
        guard case .word(let word) = reference.form, SnapshotReference.isPrefix(word) else { return nil }
        return unreadableManifests.first { $0.id.hex.hasPrefix(word.lowercased()) }?.error
    }
}

extension SnapshotCandidate {
    /// What references and filters look at in a snapshot.
    package init(_ snapshot: Snapshot) {
        self.init(id: snapshot.id, time: snapshot.manifest.time)
        alias = snapshot.manifest.alias
        name = snapshot.manifest.name
        host = snapshot.manifest.host
        type = snapshot.manifest.type
        tags = snapshot.manifest.tags
        paths = snapshot.manifest.paths
        isOrdinary = snapshot.manifest.state != .interrupted && snapshot.manifest.origin != .safety
        isValid = snapshot.verification?.result == "ok"
    }
}
