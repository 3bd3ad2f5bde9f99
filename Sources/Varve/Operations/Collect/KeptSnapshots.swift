import VarveFormat

/// Which snapshots a collection must leave whole, found by listings made now.
///
/// Of the list of snapshots only what a collection asks for is kept: manifests take more memory than all marks.
struct KeptSnapshots: Sendable {
    private struct Root: Sendable {
        let id: SnapshotID
        let tree: BlobID
    }

    /// Snapshots that readers at work have named.
    let inUse: Set<SnapshotID>
    /// Where a record that is written now stands in the graph of statements.
    let place: StatementPlace
    /// Of all manifests that can be read, those of live snapshots first, the newest first.
    private let roots: [Root]
    /// What the few snapshots that stand for others stand for.
    private let replaces: [SnapshotID: [SnapshotID]]
    private let deleted: Set<SnapshotID>
    private let superseded: Set<SnapshotID>
    private let tombstoned: Set<SnapshotID>
    private let unreadable: [SnapshotList.Unreadable]
    private let vanished: [SnapshotID]
    private let isRolledBack: Bool
    /// Of the names in `manifests/` and `records/`.
    private let digest: FileID

    init(_ repository: Repository) throws(StoreError) {
        // Names first: what comes or goes while the files are read makes this state an old one, not an unknown one.
        digest = try Self.digest(repository.backend)
        inUse = try Self.inUse(repository.backend)
        let list = try repository.snapshots()
        place = StatementPlace(after: list)
        let every = list.every
        roots = every.map { Root(id: $0.id, tree: $0.manifest.treeRoot) }
        replaces = every.reduce(into: [:]) { replaces, snapshot in
            let ids = snapshot.manifest.replaces
            if !ids.isEmpty { replaces[snapshot.id] = ids }
        }
        deleted = Set(list.deleted.map(\.id))
        superseded = list.replaced
        tombstoned = list.tombstoned
        unreadable = list.unreadable
        vanished = list.vanished
        isRolledBack = list.isRolledBack
    }

    /// Whether nothing has come or gone since.
    func isCurrent(_ repository: Repository) throws(StoreError) -> Bool {
        guard try Self.digest(repository.backend) == digest else { return false }
        return try Self.inUse(repository.backend) == inUse
    }

    /// Refuses where nobody can know what is needed.
    ///
    /// - Throws: `damaged`.
    func check() throws(StoreError) {
        if let file = unreadable.first(where: { !isDeleted($0) }) {
            throw StoreError(
                .damaged, "nothing was deleted: \(file.error.message)", path: "\(file.directory)/\(file.id.hex)",
                remedy: file.error.code == .unsupported
                    ? "collect with the newer program that wrote it" : "see varve verify for what is damaged")
        }
        if let id = vanished.first {
            let others = vanished.count > 1 ? " and \(vanished.count - 1) more" : ""
            throw StoreError(
                .damaged, "nothing was deleted: snapshots are gone that nobody deleted: \(id.hex)\(others)",
                remedy: "bring them back from a copy, or accept their loss with varve list --accept-missing")
        }
        if isRolledBack {
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
    var untold: Set<SnapshotID> { superseded.subtracting(tombstoned).subtracting(inUse) }

    /// The root trees of all snapshots but some, those of the newest first.
    func roots(without removed: Set<SnapshotID>) -> [BlobID] {
        var trees: [BlobID] = []
        var known: Set<BlobID> = []
        for root in roots where !removed.contains(root.id) {
            if known.insert(root.tree).inserted { trees.append(root.tree) }
        }
        return trees
    }

    /// The snapshots among some that a later one among them stands for.
    func replaced(among ids: [SnapshotID]) -> Set<SnapshotID> {
        Set(ids.flatMap { replaces[$0] ?? [] })
    }

    private var gone: Set<SnapshotID> {
        // A deleted snapshot whose manifest cannot be read goes as well as any.
        deleted.union(superseded).union(unreadable.filter(isDeleted).map(\.id))
    }

    private func isDeleted(_ file: SnapshotList.Unreadable) -> Bool {
        file.directory == RepositoryPath.manifests && tombstoned.contains(file.id)
    }

    private static func digest(_ backend: any Backend) throws(StoreError) -> FileID {
        var digest = SHA256Digest.Incremental()
        for directory in [RepositoryPath.manifests, RepositoryPath.records] {
            for entry in try backend.list(directory) { digest.update(Array("\(directory)/\(entry.name)\n".utf8)) }
        }
        return digest.finish()
    }

    private static func inUse(_ backend: any Backend) throws(StoreError) -> Set<SnapshotID> {
        Set(try SessionEntry.list(on: backend).flatMap { $0.kind == .reader ? $0.info?.snapshots ?? [] : [] })
    }
}
