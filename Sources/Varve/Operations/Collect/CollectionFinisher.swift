import VarveFormat

/// The second half of a collection: what final records name goes, as far as a computation made afresh agrees
/// (FORMAT.md section 12).
///
/// Everything leaves by a rename into the record's directory. Each step is durable before the next, and whoever takes
/// the records over after a crash at any point can begin again at the first one.
struct CollectionFinisher {
    let repository: Repository
    let session: Session
    let keeper: CondemnedKeeper
    let progress: Progress

    /// What a fresh look found may go.
    private struct Departure {
        /// By the record whose directory takes it.
        var packs: [(held: CondemnedKeeper.Held, packs: [PackID])] = []
        var manifests: [SnapshotID] = []
        let listing: [PackID: PackListing.Entry]

        var allPacks: Set<PackID> { Set(packs.flatMap(\.packs)) }
    }

    /// - Parameters:
    ///   - kept: what was known before; read afresh if it is old.
    ///   - marks: made anew if the snapshots that must stay are others.
    ///   - merged: index files to become one.
    func finish(
        _ finals: [CondemnedKeeper.Held], _ kept: inout KeptSnapshots, _ marks: inout Marks?, merged: Set<FileID>,
        _ report: inout CollectReport
    ) throws(StoreError) {
        guard let first = finals.first else { return }
        progress.update { $0.phase = "removing" }
        let (current, departure) = try lookPatiently(finals, &kept, &marks)
        let index = IndexReplacement(
            current.census, leaving: departure.allPacks, present: Set(departure.listing.keys), merged: merged,
            staying: Set(finals.flatMap(\.record.packs)).subtracting(departure.allPacks))
        try fenced { () throws(StoreError) in
            do throws(StoreError) {
                try replace(index, first, &report)
                try removeManifests(departure.manifests, kept, first, &report)
                try removePacks(departure, &report)
            } catch where error.code == .noSpace {
                // Nothing can be written before something is removed; entries of absent packs are void.
                try removeManifests(departure.manifests, kept, first, &report)
                try removePacks(departure, &report)
                for held in finals { try keeper.empty(held) }
                try replace(index, first, &report)
            }
        }
        for held in finals { try keeper.drop(held) }
    }

    /// Looks, and once more if something is missing and snapshots went meanwhile: a collector that was taken for dead
    /// may still be removing what it had condemned.
    private func lookPatiently(
        _ finals: [CondemnedKeeper.Held], _ kept: inout KeptSnapshots, _ marks: inout Marks?
    ) throws(StoreError) -> (Marks, Departure) {
        do throws(StoreError) {
            return try look(finals, &kept, &marks)
        } catch {
            guard error.code == .damaged, try !kept.isCurrent(repository) else { throw error }
            return try look(finals, &kept, &marks)
        }
    }

    /// Computes afresh what may go.
    private func look(
        _ finals: [CondemnedKeeper.Held], _ kept: inout KeptSnapshots, _ marks: inout Marks?
    ) throws(StoreError) -> (Marks, Departure) {
        // In this order: a pack that another collector is removing is named here, or gone from the listing below.
        let condemned = Set(try CondemnedKeeper.read(on: repository.backend).records.flatMap(\.record.packs))
        if try !kept.isCurrent(repository) {
            kept = try KeptSnapshots(repository)
            try kept.check()
        }
        let named = Set(finals.flatMap(\.record.snapshots)).intersection(kept.removable)
        let current = try refresh(&marks, kept.roots(without: named))
        return (current, try departure(finals, current, condemned, named))
    }

    private func refresh(_ marks: inout Marks?, _ roots: [BlobID]) throws(StoreError) -> Marks {
        if let known = marks, known.isFor(roots) {
            if !known.isOutdated { return known }
            if let renewed = try known.renewed(repository, progress: progress) {
                marks = renewed
                return renewed
            }
        }
        // What came meanwhile may lie in packs that came meanwhile. Two censuses would take twice the memory.
        marks = nil
        let fresh = try Marks(repository, roots: roots, progress: progress)
        marks = fresh
        return fresh
    }

    /// Decides: a pack goes only if every live blob in it also lies in a present pack that an index file names and no
    /// condemned record.
    private func departure(
        _ finals: [CondemnedKeeper.Held], _ marks: Marks, _ condemned: Set<PackID>, _ manifests: Set<SnapshotID>
    ) throws(StoreError) -> Departure {
        let listing = try PackListing(repository.backend).packs
        // A copy counts only where an index file names it: the pack of a writer at work may not be durable.
        let uncertain = marks.census.packs.filter { !$0.isNamed || listing[$0.id] == nil }.map(\.id)
        let candidates = Set(finals.flatMap(\.record.packs)).filter { listing[$0] != nil }
        // Of a pack that the census does not know nobody knows what is in it.
        let known = candidates.filter { marks.census.packNumber(of: $0) != nil }
        var removable = marks.live.removable(known, condemned: condemned.union(uncertain))
        var departure = Departure(listing: listing)
        for held in finals {
            departure.packs.append((held, held.record.packs.filter { removable.remove($0) != nil }))
        }
        departure.manifests = manifests.sorted()
        return departure
    }

    // MARK: steps

    private func replace(
        _ index: IndexReplacement, _ held: CondemnedKeeper.Held, _ report: inout CollectReport
    ) throws(StoreError) {
        if index.isEmpty { return }
        let written = try index.publish(repository, session)
        report.indexFilesWritten += written.count
        report.bytesWritten += written.reduce(0) { $0 + UInt64($1.byteCount) }
        let new = Set(written.map(\.id))
        let old = index.old.filter { !new.contains($0.id) }
        try repository.backend.move(old.map { RepositoryPath.file(.index, $0.id) }, into: held.directory)
        report.indexFilesRemoved += old.count
        report.bytesRemoved += old.reduce(0) { $0 + UInt64($1.byteCount) }
    }

    /// Those that stand for others go last: an interrupted snapshot must not come back in between.
    private func removeManifests(
        _ manifests: [SnapshotID], _ kept: KeptSnapshots, _ held: CondemnedKeeper.Held, _ report: inout CollectReport
    ) throws(StoreError) {
        let sizes = try repository.backend.list(RepositoryPath.manifests).reduce(into: [String: UInt64]()) {
            $0[$1.name] = $1.size
        }
        let isReplaced = kept.replaced(among: manifests)
        for group in [manifests.filter(isReplaced.contains), manifests.filter { !isReplaced.contains($0) }] {
            let present = group.filter { sizes[$0.hex] != nil }
            try repository.backend.move(present.map { RepositoryPath.file(.manifest, $0) }, into: held.directory)
            report.snapshotsRemoved += present.count
            report.bytesRemoved += present.reduce(0) { $0 + (sizes[$1.hex] ?? 0) }
        }
    }

    private func removePacks(_ departure: Departure, _ report: inout CollectReport) throws(StoreError) {
        for (held, packs) in departure.packs {
            let entries = packs.compactMap { id in departure.listing[id].map { (id: id, entry: $0) } }
            let paths = entries.map { RepositoryPath.pack($0.entry.kind, $0.id) }
            try repository.backend.move(paths, into: held.directory)
            report.packsRemoved += entries.count
            report.bytesRemoved += entries.reduce(0) { $0 + $1.entry.length }
        }
    }

    /// A directory that is gone was taken over: this collector slept, and another one goes on.
    private func fenced(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        do throws(StoreError) {
            try body()
        } catch where error.code == .missing {
            throw StoreError(
                .sessionLost, "another collection took this one over", path: error.path,
                remedy: "nothing is lost: run it again if it did not finish")
        }
    }
}
