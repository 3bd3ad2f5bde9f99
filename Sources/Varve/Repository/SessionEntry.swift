package import VarveFormat

/// A session as others see it: what can be read of its directory.
package struct SessionEntry: Sendable {
    package let id: SessionID
    /// nil if it cannot be read: the session is being opened, was killed just then, or is damaged.
    package let info: SessionInfo?
    /// The collections that it knew when it began; nil until it says.
    package let seen: Set<CollectionID>?
    /// nil if it cannot be read.
    package let beat: UInt64?

    /// What it does; nil if that cannot be read.
    package var kind: SessionKind? { info?.kind }

    /// The sessions that are there.
    package static func list(on backend: any Backend) throws(StoreError) -> [SessionEntry] {
        var entries: [SessionEntry] = []
        for entry in try backend.list("sessions") where entry.isDirectory {
            guard let id = SessionID(hex: entry.name) else { continue }
            if let session = try SessionEntry(reading: id, on: backend) { entries.append(session) }
        }
        return entries
    }

    /// Reads one; nil if it has ended meanwhile.
    private init?(reading id: SessionID, on backend: any Backend) throws(StoreError) {
        self.id = id
        let directory = Session.directory(id)
        func bytes(_ name: String, _ limit: Int) throws(StoreError) -> [UInt8]? {
            do throws(StoreError) {
                return try backend.read("\(directory)/\(name)", limit: limit)
            } catch {
                guard [.missing, .damaged].contains(error.code) else { throw error }
                return nil
            }
        }
        info = try bytes("info", FormatLimits.config).flatMap { try? SessionInfo(parsing: $0) }
        beat = try bytes("beat", FormatLimits.config).flatMap { try? SessionBeat.parse($0) }
        seen = try bytes("seen", FormatLimits.manifest).flatMap { try? SessionSeen.parse($0) }.map { names in
            Set(names.compactMap { CondemnedName($0)?.id })
        }
        if info == nil, seen == nil {
            // An absent directory lists as an empty one.
            let isThere = try backend.list("sessions").contains { $0.name == id.hex }
            if !isThere { return nil }
        }
    }
}
