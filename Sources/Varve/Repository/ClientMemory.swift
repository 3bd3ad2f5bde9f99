import Glibc
import Synchronization
package import VarveFormat

/// What this machine remembers of one repository at one place: evidence against whoever can delete its files, and the
/// collector's view of other machines' sessions. State, not cache: it cannot be had again from the repository.
///
/// Nothing here ever fails: what cannot be read was never seen, and what cannot be written is not remembered. Every
/// line of its files carries its own checksum, so that damage is forgotten and not taken for a deletion.
package final class ClientMemory: Sendable {
    private struct Seen {
        /// When each manifest was seen first, seconds since 1970.
        var times: [SnapshotID: Int64] = [:]
        var isLoaded = false
    }

    private let root: String
    private let prefix: String
    private let directory: String
    private let seen = Mutex(Seen())

    /// Makes the directory of the memory, for nobody else to read; nil if there is none or it cannot be written.
    ///
    /// - Parameters:
    ///   - directory: of all memories, made if absent.
    ///   - location: of the repository, as its backend names it.
    package init?(directory root: String?, repository: RepositoryID, location: String) {
        guard let root else { return nil }
        self.root = root
        prefix = repository.hex + "-"
        directory = root + "/" + prefix + SHA256Digest.of(Array(location.utf8)).hex.prefix(16)
        var path = directory.hasPrefix("/") ? "" : "."
        for component in directory.split(separator: "/") {
            path += "/" + component
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { return nil }
        }
        guard access(directory, R_OK | W_OK | X_OK) == 0 else { return nil }
    }

    // MARK: manifests

    /// When this machine saw the manifest first at this place; nil if it never did.
    package func firstSeen(_ id: SnapshotID) -> Timestamp? {
        withSeen { $0.times[id].map { Timestamp(seconds: $0) } }
    }

    /// Every manifest that was seen at this place.
    package var remembered: [SnapshotID] { withSeen { Array($0.times.keys) } }

    /// Remembers manifests that were not seen before.
    package func remember(_ ids: [SnapshotID], now: Timestamp = .now()) {
        withSeen { seen in
            let fresh = ids.filter { seen.times[$0] == nil }
            guard !fresh.isEmpty else { return }
            for id in fresh { seen.times[id] = now.seconds }
            let lines = fresh.map { ($0, UInt64(bitPattern: now.seconds)) }
            StateFile.append(StateFile.encode(lines), to: seenPath, lineLength: SnapshotID.byteCount + 16)
        }
    }

    /// Forgets manifests whose absence is explained.
    package func forget(_ ids: [SnapshotID]) {
        withSeen { seen in
            guard ids.contains(where: { seen.times[$0] != nil }) else { return }
            for id in ids { seen.times[id] = nil }
            let lines = seen.times.sorted { $0.key < $1.key }.map { ($0.key, UInt64(bitPattern: $0.value)) }
            StateFile.replace(seenPath, StateFile.encode(lines))
        }
    }

    /// How many manifests this machine has seen at other places of the repository, but for those that `isKnown`.
    package func countElsewhere(unless isKnown: (SnapshotID) -> Bool) -> Int {
        var found: Set<SnapshotID> = []
        for name in StateFile.names(root) where name.hasPrefix(prefix) && root + "/" + name != directory {
            for (id, _) in StateFile.decode(StateFile.read("\(root)/\(name)/seen"), SnapshotID.self)
            where !isKnown(id) {
                found.insert(id)
            }
        }
        return found.count
    }

    // MARK: sequence

    /// The highest sequence of a statement seen at this place; 0 before any.
    package var highestSequence: Int {
        StateFile.decode(StateFile.read(sequencePath), RepositoryID.self).first.map { Int(clamping: $0.1) } ?? 0
    }

    /// Sets the highest sequence, lower or not.
    package func setHighestSequence(_ sequence: Int) {
        guard sequence != highestSequence else { return }
        StateFile.replace(sequencePath, StateFile.encode([(RepositoryID(0, 0), UInt64(max(0, sequence)))]))
    }

    // MARK: sessions

    /// The beats of sessions as `rememberBeats` was told last, and since when each is as it is.
    package func beats() -> [SessionID: (beat: UInt64, since: Timestamp)] {
        let since = StateFile.decode(StateFile.read(beatsPath + "-since"), SessionID.self)
        let times = Dictionary(since) { $1 }
        var beats: [SessionID: (beat: UInt64, since: Timestamp)] = [:]
        for (id, beat) in StateFile.decode(StateFile.read(beatsPath), SessionID.self) {
            guard let time = times[id] else { continue }
            beats[id] = (beat, Timestamp(seconds: Int64(bitPattern: time)))
        }
        return beats
    }

    /// Remembers the beats of all sessions that there are; those that are gone are forgotten.
    package func rememberBeats(_ current: [SessionID: UInt64], now: Timestamp = .now()) {
        let known = beats()
        let sessions = current.sorted { $0.key < $1.key }
        let since = sessions.map { id, beat -> (SessionID, UInt64) in
            let isSame = known[id].map { $0.beat == beat } ?? false
            return (id, UInt64(bitPattern: isSame ? known[id]?.since.seconds ?? now.seconds : now.seconds))
        }
        // A crash between the two leaves beats that look newer than they are, which costs patience alone.
        StateFile.replace(beatsPath + "-since", StateFile.encode(since))
        StateFile.replace(beatsPath, StateFile.encode(sessions.map { ($0.key, $0.value) }))
    }

    private var seenPath: String { directory + "/seen" }
    private var sequencePath: String { directory + "/sequence" }
    private var beatsPath: String { directory + "/beats" }

    private func withSeen<Result>(_ body: (inout sending Seen) -> Result) -> Result where Result: Sendable {
        seen.withLock { seen in
            if !seen.isLoaded {
                seen.isLoaded = true
                for (id, time) in StateFile.decode(StateFile.read(seenPath), SnapshotID.self) {
                    // Of two lines the first is the older one.
                    if seen.times[id] == nil { seen.times[id] = Int64(bitPattern: time) }
                }
            }
            return body(&seen)
        }
    }
}

/// Small files of lines of one length: an id, 8 bytes, and the first 8 bytes of the SHA-256 of both.
private enum StateFile {
    private static let limit = 256 << 20

    static func encode<ID: FixedIdentifier>(_ lines: [(ID, UInt64)]) -> [UInt8] {
        var writer = ByteWriter()
        for (id, value) in lines {
            var line = ByteWriter()
            line.id(id)
            line.u64(value)
            writer.raw(line.bytes)
            writer.raw(Array(SHA256Digest.of(line.bytes).bytes.prefix(8)))
        }
        return writer.bytes
    }

    /// The lines that are whole; a torn one at the end and damaged ones are left out.
    static func decode<ID: FixedIdentifier>(_ bytes: [UInt8], _ type: ID.Type) -> [(ID, UInt64)] {
        let length = ID.byteCount + 16
        var lines: [(ID, UInt64)] = []
        lines.reserveCapacity(bytes.count / length)
        for start in stride(from: 0, through: bytes.count - length, by: length) {
            let line = Array(bytes[start..<start + length - 8])
            var reader = ByteReader(line)
            guard SHA256Digest.of(line).bytes.prefix(8).elementsEqual(bytes[start + length - 8..<start + length]),
                let id = try? reader.id(ID.self), let value = try? reader.u64()
            else { continue }
            lines.append((id, value))
        }
        return lines
    }

    /// Empty if it is absent or cannot be read.
    static func read(_ path: String) -> [UInt8] {
        guard let file = try? FileHandle(Array(path.utf8), flags: O_RDONLY | O_NOFOLLOW),
            let size = try? file.status().size, size <= UInt64(limit)
        else { return [] }
        return [UInt8](unsafeUninitializedCapacity: Int(size)) { memory, count in
            let buffer = UnsafeMutableRawBufferPointer(memory)
            while count < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                guard let step = try? file.read(into: rest, at: UInt64(count)), step > 0 else { break }
                count += step
            }
        }
    }

    /// One write, so that two programs that append at once leave whole lines.
    static func append(_ bytes: [UInt8], to path: String, lineLength: Int) {
        guard let file = try? FileHandle(Array(path.utf8), flags: O_WRONLY | O_CREAT | O_APPEND, mode: 0o600),
            let size = try? file.status().size
        else { return }
        // A line that a full disk or a crash tore would hide those behind it.
        let torn = size % UInt64(lineLength)
        if torn > 0 { try? file.truncate(to: size - torn) }
        _ = bytes.withUnsafeBytes { try? file.write($0) }
    }

    static func replace(_ path: String, _ bytes: [UInt8]) {
        let temporary = path + ".tmp" + String(getpid())
        guard
            let file = try? FileHandle(
                Array(temporary.utf8), flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        else { return }
        let count = bytes.withUnsafeBytes { try? file.write($0) }
        guard count == bytes.count, (try? file.syncData()) != nil, rename(temporary, path) == 0 else {
            unlink(temporary)
            return
        }
    }

    static func names(_ directory: String) -> [String] {
        var names: [String] = []
        guard let handle = try? FileHandle(Array(directory.utf8), flags: O_RDONLY | O_DIRECTORY) else { return [] }
        try? handle.forEachName { name, _, _ in names.append(String(cString: name)) }
        return names
    }
}
