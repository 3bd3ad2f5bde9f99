public import VarveFormat

/// Changes what counts and what is said of snapshots: deletes them, takes that back, tags, pins and holds them. A
/// manifest never changes: each change is a record, written in a writer's session (FORMAT.md sections 10 and 12).
public struct SnapshotEditor: Sendable {
    private let repository: Repository

    /// Prepares changes to the snapshots of a repository.
    public init(repository: Repository) { self.repository = repository }

    /// Deletes snapshots: they no longer count, and a collector may take their space.
    ///
    /// - Parameters:
    ///   - reason: `delete`, `forget`, `replaced` or another word.
    ///   - includesSafety: whether safety snapshots may be among them.
    /// - Throws: `refused`, with nothing deleted, if one of them is pinned, held, or a safety snapshot; `notFound`.
    public func delete(_ ids: [SnapshotID], reason: String, includesSafety: Bool) throws(StoreError) {
        try edit { (list, writer) throws(StoreError) in
            let snapshots = try Self.find(ids, in: list)
            try Self.checkUnprotected(snapshots, includesSafety: includesSafety, now: .now())
            let subjects = snapshots.filter { $0.deletion == nil }.map(\.id)
            if !subjects.isEmpty { try writer.write(.tombstone(reason: reason), subjects: subjects) }
        }
    }

    /// Refuses what `delete` refuses.
    ///
    /// - Throws: `refused`.
    public static func checkUnprotected(
        _ snapshots: [Snapshot], includesSafety: Bool, now: Timestamp
    ) throws(StoreError) {
        for snapshot in snapshots where snapshot.deletion == nil {
            let name = snapshot.id.hex.prefix(12)
            if snapshot.isPinned {
                throw StoreError(.refused, "snapshot \(name) is pinned", remedy: "unpin it first")
            }
            if snapshot.isHeld(at: now), let until = snapshot.holdUntil {
                throw StoreError(
                    .refused, "snapshot \(name) is held until \(until.rfc3339)", remedy: "release the hold first")
            }
            if snapshot.manifest.origin == .safety, !includesSafety {
                throw StoreError(
                    .refused, "snapshot \(name) is a safety snapshot, made before something was overwritten",
                    remedy: "include safety snapshots explicitly if it shall go")
            }
        }
    }

    /// Changes tags.
    ///
    /// - Throws: `notFound`; `usage` for a tag that is empty or holds a comma or control characters.
    public func tag(_ ids: [SnapshotID], _ change: TagChange) throws(StoreError) {
        let added: [String]
        switch change {
        case .set(let tags): added = tags
        case .change(let add, _): added = add
        }
        for tag in added where !Self.isTag(tag) {
            throw StoreError(.usage, "\"\(tag)\" cannot be a tag: it is empty, or holds a comma or control characters")
        }
        try say(.tag(change), about: ids)
    }

    /// Whether a text can be a tag.
    public static func isTag(_ text: String) -> Bool {
        !text.isEmpty && !text.unicodeScalars.contains { $0 == "," || $0.value < 0x20 || $0.value == 0x7F }
    }

    /// Pins snapshots, so that no policy drops them and nobody deletes them, or takes that back.
    ///
    /// - Throws: `notFound`.
    public func pin(_ ids: [SnapshotID], _ isPinned: Bool) throws(StoreError) { try say(.pin(isPinned), about: ids) }

    /// Keeps snapshots from being deleted before a moment; nil takes that back.
    ///
    /// - Throws: `notFound`.
    public func hold(_ ids: [SnapshotID], until: Timestamp?) throws(StoreError) {
        try say(.hold(until: until), about: ids)
    }

    /// Records how a test restore ended.
    ///
    /// - Parameter time: when it began.
    /// - Throws: `notFound`; what keeps the repository from being written.
    public func record(_ result: DrillResult, about id: SnapshotID, time: Timestamp) throws(StoreError) {
        try edit { (list, writer) throws(StoreError) in
            try writer.write(.drilled(result), subjects: try Self.find([id], in: list).map(\.id), time: time)
        }
    }

    /// Accepts that snapshots vanished without having been deleted, and that later statements went with them.
    public func acceptMissing(_ ids: [SnapshotID]) throws(StoreError) {
        try edit { (list, writer) throws(StoreError) in
            if !ids.isEmpty { try writer.write(.accepted, subjects: ids) }
            repository.memory?.forget(ids)
            repository.memory?.setHighestSequence(list.nextSequence - 1)
        }
    }

    private func say(_ statement: Statement, about ids: [SnapshotID]) throws(StoreError) {
        try edit { (list, writer) throws(StoreError) in
            let subjects = try Self.find(ids, in: list).map(\.id)
            if !subjects.isEmpty { try writer.write(statement, subjects: subjects) }
        }
    }

    // MARK: undelete

    /// Brings deleted snapshots back, with all that they need.
    ///
    /// - Throws: `failed` if it is too late, because a collector is taking their space or took it; then they stay
    ///   deleted. `notFound` for a snapshot that never was.
    public func undelete(_ ids: [SnapshotID]) throws(StoreError) {
        try withSession { (session) throws(StoreError) in
            try withdrawCollections()
            let list = try repository.snapshots()
            let known = Dictionary(list.every.map { ($0.id, $0) }) { first, _ in first }
            let leaving = Set(try CondemnedRecords(reading: repository.backend).final.flatMap(\.snapshots))
            var snapshots: [Snapshot] = []
            for id in ids {
                guard let snapshot = known[id] else {
                    throw list.tombstoned.contains(id) ? Self.tooLate(id) : Self.unknown(id)
                }
                guard snapshot.deletion != nil else { continue }
                guard !list.finishedCheckpoints.contains(id) else { throw Self.finished(id) }
                guard !leaving.contains(id) else { throw Self.tooLate(id) }
                snapshots.append(snapshot)
            }
            guard !snapshots.isEmpty else { return }
            var writer = StatementWriter(repository, session: session, list: list)
            try writer.write(.undelete, subjects: snapshots.map(\.id))
            // Only now: a collector that goes past its point of no return from here on reads the record first.
            do throws(StoreError) {
                try check(snapshots)
            } catch {
                for snapshot in snapshots {
                    let reason = snapshot.deletion?.reason ?? "delete"
                    try writer.write(.tombstone(reason: reason), subjects: [snapshot.id])
                }
                throw error
            }
        }
    }

    /// Takes back every collection that is not past its point of no return. Of this and the renaming by which the
    /// collector passes it exactly one succeeds.
    private func withdrawCollections() throws(StoreError) {
        let backend = repository.backend
        for entry in try backend.list(RepositoryPath.condemned) {
            guard let name = CondemnedName(entry.name), name.state == .waiting else { continue }
            let path = RepositoryPath.condemned(name)
            do throws(StoreError) {
                try backend.rename(path, to: RepositoryPath.condemned(CondemnedName(name.id, .withdrawn)))
            } catch where error.code == .missing {
                // Perhaps past its point of no return; and its collector does not wait for this session, which knows
                // the record: one that begins now learns what it names.
                throw StoreError(.sessionLost, "a collection went on meanwhile", path: path)
            } catch where error.code == .exists {
                // Withdrawn by somebody whom a crash kept from taking the old name away.
                try backend.remove(path)
            }
        }
    }

    /// Checks that whatever the snapshots need lies in packs that are there. A final record that does not name a
    /// snapshot takes no pack that it needs: for that collector it is a manifest that stays.
    private func check(_ snapshots: [Snapshot]) throws(StoreError) {
        // In this order: a collection that is done by now took its packs away before the listing.
        let leaving = try CondemnedRecords(reading: repository.backend)
        let gone = Set(leaving.final.flatMap(\.snapshots))
        let listing = try PackListing(repository.backend)
        let index = try repository.openIndex { listing.contains($0) }
        let loader = repository.loader(index)
        let present = Set(try repository.backend.list(RepositoryPath.manifests).map(\.name))
        for snapshot in snapshots {
            guard !gone.contains(snapshot.id), present.contains(snapshot.id.hex) else {
                throw Self.tooLate(snapshot.id)
            }
            do throws(StoreError) {
                try TreeCompleteness.check(snapshot.manifest.treeRoot, loader, index)
            } catch {
                guard error.code == .missing || error.code == .damaged else { throw error }
                throw Self.tooLate(snapshot.id, error)
            }
        }
    }

    private static func finished(_ id: SnapshotID) -> StoreError {
        StoreError(
            .failed, "\(id.hex) was a checkpoint of a backup that was finished later",
            remedy: "see varve list for the snapshot that stands for it")
    }

    private static func tooLate(_ id: SnapshotID, _ cause: StoreError? = nil) -> StoreError {
        let why = cause.map { ": \($0.message)" } ?? ""
        return StoreError(.failed, "too late, the space of snapshot \(id.hex.prefix(12)) is being reclaimed\(why)")
    }

    private static func unknown(_ id: SnapshotID) -> StoreError {
        StoreError(.notFound, "there is no snapshot \(id.hex)", remedy: "see the list of snapshots")
    }

    // MARK: sessions

    private static func find(_ ids: [SnapshotID], in list: SnapshotList) throws(StoreError) -> [Snapshot] {
        let known = Dictionary(list.every.map { ($0.id, $0) }) { first, _ in first }
        var found: [Snapshot] = []
        var seen: Set<SnapshotID> = []
        for id in ids where seen.insert(id).inserted {
            guard let snapshot = known[id] else { throw unknown(id) }
            found.append(snapshot)
        }
        return found
    }

    private func edit(
        _ body: (SnapshotList, inout StatementWriter) throws(StoreError) -> Void
    ) throws(StoreError) {
        try withSession { (session) throws(StoreError) in
            let list = try repository.snapshots()
            var writer = StatementWriter(repository, session: session, list: list)
            try body(list, &writer)
        }
    }

    /// Sessions that are opened for one change at most.
    private static let attemptLimit = 8

    /// Runs `body` in a writer's session, and again in another one if somebody judged the first one dead, or if a
    /// collection made it useless.
    private func withSession(_ body: (Session) throws(StoreError) -> Void) throws(StoreError) {
        var attempts = 0
        while true {
            let session = try Session.openWriter(on: repository.backend, program: repository.options.program)
            defer { session.close() }
            do throws(StoreError) {
                return try body(session)
            } catch {
                attempts += 1
                guard error.code == .sessionLost, attempts < Self.attemptLimit else { throw error }
            }
        }
    }
}
