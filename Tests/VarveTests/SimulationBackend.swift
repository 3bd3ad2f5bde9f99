import Synchronization
import Varve
import VarveFormat

/// What a simulated program does.
enum SimulatedRole: Sendable {
    case writer, reader, editor, collector, mirror, judge
}

/// A rule of FORMAT.md section 12 that the storage makes a program break, so that the simulation is seen to notice.
enum SimulatedFault: String, CaseIterable, Sendable {
    /// Writers do not learn which packs are condemned, though they say so.
    case writersUseCondemnedPacks
    /// Collectors take every writer for informed.
    case collectorsDoNotWait
    /// A commit succeeds after the session has ended.
    case commitsAreNotFenced
    /// Collectors do not see what readers use.
    case readersDoNotCount
    /// Collectors do not see manifests and records that came after their first look.
    case collectorsDoNotLookAgain
    /// Undelete neither withdraws records nor looks for final ones when it is done.
    case undeleteDoesNotWithdraw
    /// Writers take old listings of packs and index files for new ones.
    case writersTrustOldListings
}

/// A repository in memory as one simulated program sees it: the scheduler decides before each operation who goes next,
/// a dead program's operations all fail, and a listing of condemned/ made while a record is renamed may miss it.
final class SimulationBackend: Backend {
    let base: MemoryBackend
    let role: SimulatedRole
    let fault: SimulatedFault?
    let actor: Int
    let scheduler: SimulationScheduler
    /// The repository when the program began; of a collector, when its session did.
    private let before: Mutex<MemoryBackend>
    /// Whether the index is read as it was then, as from a stale cache.
    let hasStaleIndex: Bool
    let ledger: SimulationLedger?
    /// Listings of condemned/ since the last session.
    private let seenCount = Mutex(0)
    /// The program's last session, and whether somebody else had ended it when the program did.
    private let session = Mutex((path: "", isLost: false))

    var hasLostSession: Bool { session.withLock { $0.isLost } }

    init(
        _ base: MemoryBackend, _ role: SimulatedRole, _ fault: SimulatedFault?, _ actor: Int,
        _ scheduler: SimulationScheduler, hasStaleIndex: Bool = false, ledger: SimulationLedger? = nil
    ) {
        self.ledger = ledger
        self.hasStaleIndex = hasStaleIndex
        self.base = base
        self.role = role
        self.fault = fault
        self.actor = actor
        self.scheduler = scheduler
        before = Mutex(MemoryBackend(copying: base))
    }

    private var old: MemoryBackend { before.withLock { $0 } }

    var location: String { base.location }
    var hasCoherentListings: Bool { base.hasCoherentListings }
    func freeSpace() -> UInt64? { nil }

    func pause(milliseconds: Int) {
        for _ in 0..<4 { try? step() }
    }

    /// Others may go first.
    func step(_ what: String = "waits", _ path: String = "") throws(StoreError) {
        guard scheduler.step(actor) else { throw StoreError(.failed, "this program has died") }
        ledger?.tell("\(actor) \(role) \(what) \(path)")
    }

    private func isBroken(_ role: SimulatedRole, _ fault: SimulatedFault) -> Bool {
        self.role == role && self.fault == fault
    }

    // MARK: directories

    func createLayout(directories: [String]) throws(StoreError) { try base.createLayout(directories: directories) }

    func list(_ directory: String) throws(StoreError) -> [BackendEntry] {
        try step("list", directory)
        if directory == RepositoryPath.condemned {
            // After what its session sees.
            let isSeen = seenCount.withLock { count in
                count += 1
                return count > 1
            }
            return isSeen && isBroken(.editor, .undeleteDoesNotWithdraw) ? [] : try listCondemned()
        }
        let isOld = directory == RepositoryPath.index || directory.hasPrefix("packs/")
        if isBroken(.writer, .writersTrustOldListings), isOld { return try old.list(directory) }
        if hasStaleIndex, directory == RepositoryPath.index { return try old.list(directory) }
        let isLate = directory == RepositoryPath.manifests || directory == RepositoryPath.records
        if isBroken(.collector, .collectorsDoNotLookAgain), isLate { return try old.list(directory) }
        return try base.list(directory)
    }

    /// Others act while the directory is listed: what is renamed meanwhile may be seen under either name, both or none.
    private func listCondemned() throws(StoreError) -> [BackendEntry] {
        let before = try base.list(RepositoryPath.condemned)
        if scheduler.below(4) != 0 { return before }
        try step()
        let after = try base.list(RepositoryPath.condemned)
        let all = Set(before).union(after).sorted { $0.name < $1.name }
        return all.filter { before.contains($0) && after.contains($0) || scheduler.below(2) == 0 }
    }

    func makeDirectory(_ path: String) throws(StoreError) {
        try step("makeDirectory", path)
        seenCount.withLock { $0 = 0 }
        if LayerPath.parent(path) == "sessions" { session.withLock { $0 = (path, false) } }
        if isBroken(.collector, .collectorsDoNotLookAgain), LayerPath.parent(path) == "sessions" {
            before.withLock { $0 = MemoryBackend(copying: base) }
        }
        try base.makeDirectory(path)
    }

    func rename(_ path: String, to newPath: String) throws(StoreError) {
        try step("rename", path + " -> " + newPath)
        if isBroken(.editor, .undeleteDoesNotWithdraw), path.hasPrefix(RepositoryPath.condemned + "/") { return }
        try base.rename(path, to: newPath)
    }

    func remove(_ path: String) throws(StoreError) {
        try step("remove", path)
        try base.remove(path)
    }

    func removeTree(_ path: String) throws(StoreError) {
        try step("removeTree", path)
        let isThere = try base.list("sessions").contains { "sessions/" + $0.name == path }
        session.withLock { if $0.path == path { $0.isLost = !isThere } }
        try base.removeTree(path)
    }

    func syncDirectories(_ directories: [String]) throws(StoreError) { try base.syncDirectories(directories) }

    // MARK: files

    func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8] {
        try step("read", path)
        let isOld = hasStaleIndex || isBroken(.writer, .writersTrustOldListings)
        if isOld, path.hasPrefix(RepositoryPath.index + "/") { return try old.read(path, limit: limit) }
        if isBroken(.collector, .collectorsDoNotWait), path.hasSuffix("/seen") {
            return SessionSeen.encode(try base.list(RepositoryPath.condemned).map(\.name))
        }
        let bytes = try base.read(path, limit: limit)
        if isBroken(.collector, .readersDoNotCount), path.hasSuffix("/info"),
            var info = try? SessionInfo(parsing: bytes), info.kind == .reader
        {
            info.snapshots = []
            return info.encode()
        }
        if isBroken(.writer, .writersUseCondemnedPacks), path.hasPrefix(RepositoryPath.condemned + "/"),
            var record = try? CondemnedRecord(parsing: bytes)
        {
            record.packs = []
            return record.encode()
        }
        return bytes
    }

    func open(_ path: String) throws(StoreError) -> any BackendFile {
        try step("open", path)
        return try base.open(path)
    }

    func putIfAbsent(_ path: String, _ bytes: [UInt8], session: SessionID?) throws(StoreError) {
        try step("put", path)
        try base.putIfAbsent(path, bytes, session: session)
    }

    func replace(_ path: String, _ bytes: [UInt8]) throws(StoreError) {
        try step("replace", path)
        try base.replace(path, bytes)
    }

    // MARK: sessions

    func beginUpload(session: SessionID) throws(StoreError) -> any Upload {
        try step("upload", session.hex)
        return SimulationUpload(self, try base.beginUpload(session: session))
    }

    func commit(session: SessionID, _ bytes: [UInt8], as path: String) throws(StoreError) {
        try step("commit", path)
        if isBroken(.writer, .commitsAreNotFenced) { return try base.putIfAbsent(path, bytes, session: nil) }
        try base.commit(session: session, bytes, as: path)
    }

    func expire(session: SessionID) throws(StoreError) -> Bool {
        try step("expire", session.hex)
        return try base.expire(session: session)
    }
}

/// A file that a simulated program writes.
private final class SimulationUpload: Upload {
    private let backend: SimulationBackend
    private let upload: any Upload

    init(_ backend: SimulationBackend, _ upload: any Upload) {
        self.backend = backend
        self.upload = upload
    }

    var byteCount: UInt64 { upload.byteCount }
    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) { try upload.append(bytes) }
    func startWriteback() {}
    func sync(expected: FileID) throws(StoreError) { try upload.sync(expected: expected) }
    func abandon() { upload.abandon() }

    /// Pack directories are made as they are needed: 512 of them would be listed by everybody.
    func publish(as path: String) throws(StoreError) {
        try backend.step("publish", path)
        if path.hasPrefix("packs/") { try? backend.base.makeDirectory(LayerPath.parent(path)) }
        try upload.publish(as: path)
    }
}
