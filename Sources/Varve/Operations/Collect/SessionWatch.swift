import VarveFormat

/// Which sessions a condemned record must wait for.
struct SessionWatch: Sendable {
    let backend: any Backend
    /// The collector's own session.
    let own: SessionID

    /// The sessions that may rely on what a record names: those that did not see it when they began. Readers rely on
    /// the snapshots that they name and on nothing else; other collectors judge by the records that are there. A
    /// session that is just being opened gets a moment to say what it saw.
    func uninformed(of record: CollectionID) throws(StoreError) -> [SessionEntry] {
        var attempt = 0
        while true {
            let blocking = try SessionEntry.list(on: backend).filter { session in
                session.id != own && session.kind != .reader && session.kind != .collector
                    && session.seen?.contains(record) != true
            }
            let isOpening = blocking.contains { $0.seen == nil }
            guard isOpening, attempt < 20 else { return blocking }
            attempt += 1
            backend.pause(milliseconds: 50)
        }
    }
}
