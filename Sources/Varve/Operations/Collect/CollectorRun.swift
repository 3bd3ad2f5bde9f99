import VarveFormat

/// One collection: what is due of earlier ones, what snapshots no longer need, and what is worth writing anew.
struct CollectorRun {
    private let repository: Repository
    private let options: CollectOptions
    private let progress: Progress
    private let session: Session
    private let keeper: CondemnedKeeper
    private let delay: CollectionDelay
    private let finisher: CollectionFinisher
    private var report = CollectReport()

    init(repository: Repository, options: CollectOptions, progress: Progress, session: Session) {
        self.repository = repository
        self.options = options
        self.progress = progress
        self.session = session
        keeper = CondemnedKeeper(backend: repository.backend, owner: session.id)
        delay = CollectionDelay(
            repository: repository, options: options,
            watch: SessionWatch(backend: repository.backend, own: session.id))
        finisher = CollectionFinisher(
            repository: repository, session: session, keeper: keeper, progress: progress)
    }

    mutating func collect() throws(StoreError) -> CollectReport {
        // Nothing goes before it is known that what is needed is there.
        let (found, first) = try Marks.look(at: repository, progress: progress)
        var kept = found
        report.notices += try keeper.sweep()
        report.snapshotsInUse = kept.deletedInUse
        var finals = try keeper.takeOver()
        var waiting = try withdrawFuture(try CondemnedKeeper.read(on: repository.backend).records)
        let condemned = Set((finals.map(\.record) + waiting.map(\.record)).flatMap(\.packs))
        let plan = CollectionPlan(
            census: first.census, live: first.live, condemned: condemned, options: options, config: repository.config)
        var marks: Marks? = first
        report.bytesLive = plan.bytesLive
        report.bytesUnusedKept = plan.bytesUnusedKept
        try progress.check()
        if let record = try condemnUnreferenced(plan, kept, known: finals.map(\.record) + waiting.map(\.record)) {
            waiting.append(record)
        }
        finals += try finalise(waiting)
        try finish(finals, &kept, &marks, merged: Set(plan.mergeIndexes))
        if !plan.rewrite.isEmpty || !plan.redundant.isEmpty { try rewrite(plan, first, &kept) }
        return report
    }

    // MARK: condemning

    /// Takes back records that are younger than the clock: nobody can tell how long they waited.
    private func withdrawFuture(_ records: [CondemnedKeeper.Named]) throws(StoreError) -> [CondemnedKeeper.Named] {
        var waiting: [CondemnedKeeper.Named] = []
        for named in records where named.name.state == .waiting {
            if named.record.time > options.now() { try keeper.withdraw(named.name) } else { waiting.append(named) }
        }
        return waiting
    }

    /// Makes a record of the packs that nothing needs and of the snapshots that were deleted; nil if there is neither.
    private mutating func condemnUnreferenced(
        _ plan: CollectionPlan, _ kept: KeptSnapshots, known: [CondemnedRecord]
    ) throws(StoreError) -> CondemnedKeeper.Named? {
        let snapshots = kept.removable.subtracting(known.flatMap(\.snapshots))
        guard !plan.unreferenced.isEmpty || !snapshots.isEmpty || !plan.mergeIndexes.isEmpty else { return nil }
        do throws(StoreError) {
            // What stood for an interrupted snapshot may go before anybody asks what became of it.
            if !kept.untold.isEmpty {
                var writer = StatementWriter(repository, session: session, behind: kept.place)
                try writer.write(.tombstone(reason: "replaced"), subjects: kept.untold.sorted(), time: options.now())
            }
            return try keeper.publish(
                CondemnedRecord(
                    time: options.now(), reason: .unreferenced, packs: plan.unreferenced,
                    snapshots: snapshots.sorted()))
        } catch where error.code == .noSpace && !known.isEmpty {
            // What is condemned already can go without.
            report.ranOutOfSpace = true
            return nil
        }
    }

    private mutating func rewrite(
        _ plan: CollectionPlan, _ marks: Marks, _ kept: inout KeptSnapshots
    ) throws(StoreError) {
        do throws(StoreError) {
            try progress.check()
            if !plan.rewrite.isEmpty {
                progress.update { $0.phase = "writing" }
                let outcome = try PackMover(
                    repository: repository, session: session, live: marks.live, plan: plan, options: options,
                    progress: progress
                ).run()
                report.packsRewritten = plan.rewrite.count
                report.packsWritten += outcome.packs.count
                report.bytesWritten += outcome.byteCount
            }
            let record = try keeper.publish(
                CondemnedRecord(time: options.now(), reason: .rewritten, packs: plan.rewrite + plan.redundant))
            let finals = try finalise([record])
            guard !finals.isEmpty else { return }
            // The marks do not know the new packs yet.
            var renewed: Marks? = marks.outdated()
            try finish(finals, &kept, &renewed, merged: [])
        } catch where error.code == .noSpace {
            report.ranOutOfSpace = true
            report.bytesUnusedKept = plan.bytesUnused
        }
    }

    // MARK: the point of no return

    /// Makes those records final for which nothing has to be waited.
    private mutating func finalise(
        _ waiting: [CondemnedKeeper.Named]
    ) throws(StoreError) -> [CondemnedKeeper.Held] {
        var finals: [CondemnedKeeper.Held] = []
        for named in waiting {
            try progress.check()
            if let delay = try delay.delay(of: named.record, named.name.id) {
                note(delay)
            } else if let held = try keeper.finalise(named) {
                finals.append(held)
            }
        }
        return finals
    }

    /// Finishes records unless a writer turns up that does not know of them: a listing made while a record was renamed
    /// may have shown it neither name.
    private mutating func finish(
        _ finals: [CondemnedKeeper.Held], _ kept: inout KeptSnapshots, _ marks: inout Marks?, merged: Set<FileID>
    ) throws(StoreError) {
        var ready: [CondemnedKeeper.Held] = []
        for held in finals {
            if let delay = try delay.sessionDelay(of: held.record, held.id) { note(delay) } else { ready.append(held) }
        }
        try finisher.finish(ready, &kept, &marks, merged: merged, &report)
    }

    private mutating func note(_ delay: CollectReport.Waiting) {
        if delay.packs > 0 || delay.snapshots > 0 { report.waitingFor.append(delay) }
    }
}
