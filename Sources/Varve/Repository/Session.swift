import Glibc
import Synchronization
package import VarveFormat

/// A running writer, reader or collector as others see it: a directory in the repository with `info`, `beat` and, of
/// writers, `seen` (FORMAT.md section 12). While it is open, a collector deletes nothing that it relies on.
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
    /// process is gone.
    package static func openWriter(on backend: any Backend, program: String) throws(StoreError) -> Session {
        try SessionExpiry.endDead(on: backend)
        return try openUndisturbed(.writer, on: backend, program: program)
    }

    /// Opens a collector's session: there is only one at a time.
    ///
    /// - Throws: `busy` while another collector runs.
    package static func openCollector(on backend: any Backend, program: String) throws(StoreError) -> Session {
        try SessionExpiry.endDead(on: backend)
        var others: [SessionEntry] = []
        for _ in 0..<4 {
            let session = try openUndisturbed(.collector, on: backend, program: program)
            do throws(StoreError) {
                others = try SessionEntry.list(on: backend).filter { $0.kind == .collector && $0.id != session.id }
            } catch {
                session.close()
                throw error
            }
            if others.isEmpty { return session }
            session.close()
            // Two that begin together see each other, and both step back.
            backend.pause(milliseconds: Int.random(in: 20...120))
        }
        let other = others.first?.info.map { " on host \($0.host), process \($0.pid)" } ?? ""
        throw StoreError(
            .busy, "another collection is running\(other)",
            remedy: "wait for it with --wait; one that died on another host is ended by two runs a day apart")
    }

    /// Opens a session; another program may judge it dead before its `info` is written: then a new one is made.
    private static func openUndisturbed(
        _ kind: SessionKind, on backend: any Backend, program: String
    ) throws(StoreError) -> Session {
        for _ in 0..<4 {
            do {
                return try open(kind, on: backend, program: program, snapshots: [])
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
