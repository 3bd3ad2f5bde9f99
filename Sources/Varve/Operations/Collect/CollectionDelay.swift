import VarveFormat

/// How long condemned records wait, and for whom.
struct CollectionDelay {
    /// Where listings may be old, a record waits so many seconds for a later run.
    static let listingDelay = 600

    let repository: Repository
    let options: CollectOptions
    let watch: SessionWatch

    /// What a waiting record still has to wait for; nil if it may be made final.
    func delay(of record: CondemnedRecord, _ id: CollectionID) throws(StoreError) -> CollectReport.Waiting? {
        if let (time, kind) = time(of: record), time > options.now() {
            return try waiting(for: kind, record, until: time, sessions: [])
        }
        return try sessionDelay(of: record, id)
    }

    /// The sessions that a record has to wait for, waiting or final; nil if there are none.
    func sessionDelay(of record: CondemnedRecord, _ id: CollectionID) throws(StoreError) -> CollectReport.Waiting? {
        let sessions = try watch.uninformed(of: id)
        return sessions.isEmpty ? nil : try waiting(for: .session, record, until: nil, sessions: sessions)
    }

    /// Until when a record has to wait whatever sessions there are; nil if it need not.
    private func time(of record: CondemnedRecord) -> (time: Timestamp, kind: CollectReport.Waiting.Kind)? {
        // Rewritten packs hold blobs of deleted snapshots too, which undelete may need.
        let grace = record.reason == .rewritten ? max(options.rewriteGrace, options.grace) : options.grace
        let listing = repository.backend.hasCoherentListings ? 0 : Self.listingDelay
        guard max(grace, listing) > 0 else { return nil }
        let (seconds, isLate) = record.time.seconds.addingReportingOverflow(Int64(max(grace, listing)))
        let time = Timestamp(seconds: isLate ? .max : seconds, nanoseconds: record.time.nanoseconds)
        return (time, grace >= listing ? .grace : .listing)
    }

    private func waiting(
        for kind: CollectReport.Waiting.Kind, _ record: CondemnedRecord, until: Timestamp?, sessions: [SessionEntry]
    ) throws(StoreError) -> CollectReport.Waiting {
        let listing = try PackListing(repository.backend).packs
        let packs = record.packs.compactMap { listing[$0] }
        return CollectReport.Waiting(
            kind: kind, reason: record.reason, packs: packs.count, bytes: packs.reduce(0) { $0 + $1.length },
            snapshots: record.snapshots.count, until: until, sessions: sessions.map { CollectReport.Occupant($0) })
    }
}
