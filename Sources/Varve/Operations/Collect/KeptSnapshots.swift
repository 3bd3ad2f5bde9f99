import VarveFormat

/// Which snapshots a collection must leave whole, found by listings made now.
struct KeptSnapshots: Sendable {
    let list: SnapshotList
    /// Snapshots that readers at work have named.
    let inUse: Set<SnapshotID>
    /// The names in `manifests/` and `records/`.
    private let names: [Set<String>]

    init(_ repository: Repository) throws(StoreError) {
        // Names first: what comes or goes while the files are read makes this state an old one, not an unknown one.
        names = try Self.names(repository.backend)
        inUse = try Self.inUse(repository.backend)
        list = try repository.snapshots()
    }

    /// Whether nothing has come or gone since.
    func isCurrent(_ repository: Repository) throws(StoreError) -> Bool {
        let now = try Self.names(repository.backend)
        guard now == names else { return false }
        return try Self.inUse(repository.backend) == inUse
    }

    /// Refuses where nobody can know what is needed.
    ///
    /// - Throws: `damaged`.
    func check() throws(StoreError) {
        if let file = list.unreadable.first(where: { !isDeleted($0) }) {
            throw StoreError(
                .damaged, "nothing was deleted: \(file.error.message)", path: "\(file.directory)/\(file.id.hex)",
                remedy: file.error.code == .unsupported
                    ? "collect with the newer program that wrote it" : "see varve verify for what is damaged")
        }
        if let id = list.vanished.first {
            let others = list.vanished.count > 1 ? " and \(list.vanished.count - 1) more" : ""
            throw StoreError(
                .damaged, "nothing was deleted: snapshots are gone that nobody deleted: \(id.hex)\(others)",
                remedy: "bring them back from a copy, or accept their loss with varve list --accept-missing")
        }
        if list.isRolledBack {
            throw StoreError(
                .damaged, "nothing was deleted: this machine has seen later statements here than there are now",
                remedy: "see varve verify; an older copy may have been put in the repository's place")
        }
    }

    /// Snapshots that do not count any more, and that no reader uses: their manifests may go.
    var removable: Set<SnapshotID> { gone.subtracting(inUse) }

    /// Deleted snapshots that readers still use.
    var deletedInUse: [SnapshotID] { gone.intersection(inUse).sorted() }

    /// Interrupted snapshots that a later one stands for, and that have no tombstone yet.
    var untold: Set<SnapshotID> { list.replaced.subtracting(list.tombstoned).subtracting(inUse) }

    /// The root trees of all snapshots but some, those of the newest first.
    func roots(without removed: Set<SnapshotID>) -> [BlobID] {
        var roots: [BlobID] = []
        var known: Set<BlobID> = []
        for snapshot in list.every where !removed.contains(snapshot.id) {
            if known.insert(snapshot.manifest.treeRoot).inserted { roots.append(snapshot.manifest.treeRoot) }
        }
        return roots
    }

    /// The snapshots among some that a later one among them stands for.
    func replaced(among ids: [SnapshotID]) -> Set<SnapshotID> {
        let wanted = Set(ids)
        return Set(list.every.filter { wanted.contains($0.id) }.flatMap(\.manifest.replaces))
    }

    private var gone: Set<SnapshotID> {
        // A deleted snapshot whose manifest cannot be read goes as well as any.
        Set(list.deleted.map(\.id)).union(list.replaced).union(list.unreadable.filter(isDeleted).map(\.id))
    }

    private func isDeleted(_ file: SnapshotList.Unreadable) -> Bool {
        file.directory == RepositoryPath.manifests && list.tombstoned.contains(file.id)
    }

    private static func names(_ backend: any Backend) throws(StoreError) -> [Set<String>] {
        var names: [Set<String>] = []
        for directory in [RepositoryPath.manifests, RepositoryPath.records] {
            names.append(Set(try backend.list(directory).map(\.name)))
        }
        return names
    }

    private static func inUse(_ backend: any Backend) throws(StoreError) -> Set<SnapshotID> {
        Set(try SessionEntry.list(on: backend).flatMap { $0.kind == .reader ? $0.info?.snapshots ?? [] : [] })
    }
}
