import Synchronization
package import VarveFormat

/// A running writer or reader as others see it: a directory in the repository with `info`, `beat` and, of writers,
/// `seen` (FORMAT.md section 12). While it is open, a collector deletes nothing that it relies on.
package final class Session: Sendable {
    package let id: SessionID
    /// The names in condemned/ when the session was opened.
    package let seen: [String]
    /// Packs that a collection had condemned then: a writer must not deduplicate against them.
    package let condemnedPacks: Set<PackID>

    private let backend: any Backend
    private let heart: Heartbeat
    private let isOpen = Mutex(true)

    private init(
        id: SessionID, seen: [String], condemnedPacks: Set<PackID>, backend: any Backend, heart: Heartbeat
    ) {
        self.id = id
        self.seen = seen
        self.condemnedPacks = condemnedPacks
        self.backend = backend
        self.heart = heart
    }

    /// The directory that holds the session's files.
    package static func directory(_ id: SessionID) -> String { "sessions/\(id.hex)" }

    /// Opens a writer's session, in the order that FORMAT.md section 12 demands, after ending those of this host whose
    /// process is gone. Another program may judge a session dead before its `info` is written: then a new one is made.
    package static func openWriter(on backend: any Backend, program: String) throws(StoreError) -> Session {
        try expireDead(on: backend)
        for _ in 0..<4 {
            do {
                return try open(.writer, on: backend, program: program, snapshots: [])
            } catch {
                guard error.code == .missing || error.code == .sessionLost else { throw error }
            }
        }
        throw StoreError(
            .busy, "no session could be opened: another program ends every session that this one makes",
            remedy: "look for a second varve with a wrong clock or host name")
    }

    /// Opens a reader's session that names its snapshots; nil where the place cannot be written.
    package static func openReader(
        on backend: any Backend, program: String, snapshots: [SnapshotID]
    ) -> Session? {
        try? open(.reader, on: backend, program: program, snapshots: snapshots)
    }

    private static func open(
        _ kind: SessionKind, on backend: any Backend, program: String, snapshots: [SnapshotID]
    ) throws(StoreError) -> Session {
        guard let id = SessionID(bytes: try KeyWrapping.randomBytes(SessionID.byteCount)) else {
            throw StoreError(.failed, "a session needs 16 random bytes")
        }
        let directory = directory(id)
        let process = ProcessIdentity.current
        let info = SessionInfo(
            kind: kind, host: process.host, bootID: process.bootID, pidNamespace: process.pidNamespace,
            pid: process.pid, startTime: process.startTime, program: program, snapshots: snapshots)
        try backend.makeDirectory(directory)
        do throws(StoreError) {
            try backend.putIfAbsent("\(directory)/info", info.encode(), session: nil)
            try backend.replace("\(directory)/beat", SessionBeat.encode(0))
            var seen: [String] = []
            var packs: Set<PackID> = []
            if kind == .writer {
                let condemned = try CondemnedRecords(reading: backend)
                seen = condemned.records.keys.map(\.text).sorted()
                packs = condemned.packs
                try backend.putIfAbsent("\(directory)/seen", SessionSeen.encode(seen), session: nil)
            }
            let heart = try Heartbeat(every: 60) { count in
                // A missed beat is harmless: only a day without one counts.
                try? backend.replace("\(directory)/beat", SessionBeat.encode(count))
            }
            return Session(id: id, seen: seen, condemnedPacks: packs, backend: backend, heart: heart)
        } catch {
            // This process lives on, so that nobody else would take the session for dead.
            try? backend.removeTree(directory)
            throw error
        }
    }

    /// Ends the sessions of this host whose process is gone, and removes what a crash left of ended ones. A directory
    /// without `info` is a session killed (or, at worst, interrupted: it starts anew) in its first moments.
    private static func expireDead(on backend: any Backend) throws(StoreError) {
        for entry in try backend.list("sessions") where entry.isDirectory {
            if entry.name.hasSuffix("-gone") {
                try? backend.removeTree("sessions/\(entry.name)")
                continue
            }
            guard let id = SessionID(hex: entry.name) else { continue }
            let bytes: [UInt8]
            do {
                bytes = try backend.read("\(directory(id))/info", limit: FormatLimits.config)
            } catch {
                if error.code == .missing { _ = try? backend.expire(session: id) }
                continue
            }
            if let info = try? SessionInfo(parsing: bytes), ProcessIdentity.current.isGone(info) {
                _ = try? backend.expire(session: id)
            }
        }
    }

    /// Stops the beat and removes the session's directory with its temporary files. Never fails: what cannot be removed
    /// is removed by a later writer.
    package func close() {
        let wasOpen = isOpen.withLock { isOpen in
            defer { isOpen = false }
            return isOpen
        }
        guard wasOpen else { return }
        heart.stop()
        try? backend.removeTree(Self.directory(id))
    }

    deinit { close() }
}
