package import VarveFormat

/// Ends sessions that nobody runs any more (FORMAT.md section 12). A wrong judgement costs a writer a restart.
package enum SessionExpiry {
    /// How long a session of another host must have kept the same beat, in seconds.
    package static let silence: Double = 86_400

    /// Ends the sessions of this host whose process is gone, and removes what a crash left of ended ones. A directory
    /// without `info` is a session killed (or, at worst, interrupted: it starts anew) in its first moments.
    package static func endDead(on backend: any Backend) throws(StoreError) {
        for entry in try backend.list("sessions") where entry.isDirectory {
            if entry.name.hasSuffix("-gone") {
                try? backend.removeTree("sessions/\(entry.name)")
                continue
            }
            guard let id = SessionID(hex: entry.name) else { continue }
            let bytes: [UInt8]
            do {
                bytes = try backend.read("\(Session.directory(id))/info", limit: FormatLimits.config)
            } catch {
                if error.code == .missing { _ = try? backend.expire(session: id) }
                continue
            }
            if let info = try? SessionInfo(parsing: bytes), ProcessIdentity.current.isGone(info) {
                _ = try? backend.expire(session: id)
            }
        }
    }

    /// Ends the sessions whose beat is the same as a day ago, by the memory and the clock of this machine.
    ///
    /// - Returns: those ended.
    package static func endSilent(
        on backend: any Backend, memory: ClientMemory?, now: Timestamp
    ) throws(StoreError) -> [SessionEntry] {
        guard let memory else { return [] }
        var known = memory.beats()
        if known.contains(where: { $1.since > now }) {
            // The clock went back: how long a beat has been the same cannot be told.
            known = [:]
            memory.rememberBeats([:])
        }
        var beats: [SessionID: UInt64] = [:]
        var ended: [SessionEntry] = []
        for session in try SessionEntry.list(on: backend) {
            // One whose beat cannot be read is as silent as one that does not beat.
            let beat = session.beat ?? 0
            if let before = known[session.id], before.beat == beat, now.seconds(since: before.since) >= silence,
                try backend.expire(session: session.id)
            {
                ended.append(session)
            } else {
                beats[session.id] = beat
            }
        }
        memory.rememberBeats(beats, now: now)
        return ended
    }
}
