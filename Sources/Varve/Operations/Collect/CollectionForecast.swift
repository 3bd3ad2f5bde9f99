import VarveFormat

/// What a collection would do now, found without changing anything.
struct CollectionForecast {
    let repository: Repository
    let options: CollectOptions
    let progress: Progress

    func report() throws(StoreError) -> CollectReport {
        let (kept, marks) = try Marks.look(at: repository, progress: progress)
        let (records, damaged) = try CondemnedKeeper.read(on: repository.backend)
        let plan = CollectionPlan(
            census: marks.census, live: marks.live, condemned: Set(records.flatMap(\.record.packs)), options: options,
            config: repository.config)
        var report = CollectReport()
        report.isDryRun = true
        report.bytesLive = plan.bytesLive
        report.bytesUnusedKept = plan.bytesUnusedKept
        report.packsRewritten = plan.rewrite.count
        report.snapshotsInUse = kept.deletedInUse
        report.notices = damaged.map { "condemned/\($0.text) cannot be read; what it named is judged anew" }
        var all = records
        let snapshots = kept.removable.subtracting(records.flatMap(\.record.snapshots)).sorted()
        all.append(try condemned(.unreferenced, plan.unreferenced, snapshots))
        all.append(try condemned(.rewritten, plan.rewrite + plan.redundant, []))
        let watch = SessionWatch(backend: repository.backend, own: SessionID(0, 0))
        let delay = CollectionDelay(repository: repository, options: options, watch: watch)
        let listing = try PackListing(repository.backend).packs
        for named in all where !named.record.packs.isEmpty || !named.record.snapshots.isEmpty {
            let isFinal = named.name.state == .final
            if !isFinal, let waiting = try delay.delay(of: named.record, named.name.id) {
                report.waitingFor.append(waiting)
                continue
            }
            let packs = named.record.packs.compactMap { listing[$0] }
            report.packsRemoved += packs.count
            report.bytesRemoved += packs.reduce(0) { $0 + $1.length }
            report.snapshotsRemoved += named.record.snapshots.count
        }
        return report
    }

    /// A record that a collection would make.
    private func condemned(
        _ reason: CondemnedReason, _ packs: [PackID], _ snapshots: [SnapshotID]
    ) throws(StoreError) -> CondemnedKeeper.Named {
        guard let id = CollectionID(bytes: try KeyWrapping.randomBytes(CollectionID.byteCount)) else {
            throw StoreError(.failed, "a condemned record needs 16 random bytes")
        }
        let record = CondemnedRecord(time: options.now(), reason: reason, packs: packs, snapshots: snapshots)
        return CondemnedKeeper.Named(name: CondemnedName(id, .waiting), record: record)
    }
}
