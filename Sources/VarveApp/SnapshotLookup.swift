package import Varve
package import VarveFormat

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

    /// The id of the deleted snapshot that a reference names by id, alias or name. Of one whose manifest is gone only
    /// the full id is known.
    ///
    /// - Throws: `notFound`, `ambiguous`; `usage` for a reference by time.
    package func findDeleted(_ reference: SnapshotReference) throws(StoreError) -> SnapshotID {
        guard case .word(let word) = reference.form else {
            throw StoreError(
                .usage, "\"\(reference.text)\" names no deleted snapshot", remedy: "name it by id, alias or name")
        }
        if let id = SnapshotID(hex: word.lowercased()), list.tombstoned.contains(id) { return id }
        do throws(StoreError) {
            return try SnapshotResolver(list.deleted.map(SnapshotCandidate.init)).resolve(reference)
        } catch {
            guard error.code == .notFound else { throw error }
            let isThere = (try? find(reference)) != nil
            throw StoreError(
                .notFound,
                isThere ? "\"\(reference.text)\" is not deleted" : "there is no deleted snapshot \"\(reference.text)\"",
                remedy: "varve list --deleted shows them all")
        }
    }

    /// The snapshots that fit a filter, newest first.
    package func matching(_ filter: SnapshotFilter, deleted: Bool = false) -> [Snapshot] {
        let all = deleted ? list.deleted : list.snapshots
        return filter.isEmpty ? all : all.filter { filter.matches(SnapshotCandidate($0)) }
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
        job = snapshot.manifest.job
        tags = snapshot.tags
        paths = snapshot.manifest.paths
        isOrdinary = snapshot.manifest.state != .interrupted && snapshot.manifest.origin != .safety
        isValid = snapshot.verification?.result == "ok"
    }
}
