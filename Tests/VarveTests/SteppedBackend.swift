import Varve
import VarveFormat

/// A backend that calls back before each operation that changes something, one file at a time; what the call throws,
/// the operation throws.
final class SteppedBackend: Backend {
    /// What is about to happen: a verb and the path that it is about, where a rename has the new one.
    struct Step: Sendable, CustomStringConvertible {
        let verb: String
        let path: String
        var description: String { "\(verb) \(path)" }
    }

    typealias Hook = @Sendable (Step) throws(StoreError) -> Void

    private let base: any Backend
    private let hook: Hook

    init(_ base: any Backend, _ hook: @escaping Hook) {
        self.base = base
        self.hook = hook
    }

    fileprivate func step(_ verb: String, _ path: String) throws(StoreError) {
        try hook(Step(verb: verb, path: path))
    }

    var location: String { base.location }
    var hasCoherentListings: Bool { base.hasCoherentListings }
    func freeSpace() -> UInt64? { base.freeSpace() }
    func list(_ directory: String) throws(StoreError) -> [BackendEntry] { try base.list(directory) }
    func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8] { try base.read(path, limit: limit) }
    func open(_ path: String) throws(StoreError) -> any BackendFile { try base.open(path) }

    func createLayout(directories: [String]) throws(StoreError) { try base.createLayout(directories: directories) }

    func putIfAbsent(_ path: String, _ bytes: [UInt8], session: SessionID?) throws(StoreError) {
        try step("put", path)
        try base.putIfAbsent(path, bytes, session: session)
    }

    func replace(_ path: String, _ bytes: [UInt8]) throws(StoreError) {
        try step("replace", path)
        try base.replace(path, bytes)
    }

    func makeDirectory(_ path: String) throws(StoreError) {
        try step("make", path)
        try base.makeDirectory(path)
    }

    func rename(_ path: String, to newPath: String) throws(StoreError) {
        try step("rename", newPath)
        try base.rename(path, to: newPath)
    }

    func remove(_ path: String) throws(StoreError) {
        try step("remove", path)
        try base.remove(path)
    }

    func removeTree(_ path: String) throws(StoreError) {
        try step("remove", path)
        try base.removeTree(path)
    }

    func syncDirectories(_ directories: [String]) throws(StoreError) { try base.syncDirectories(directories) }

    func beginUpload(session: SessionID) throws(StoreError) -> any Upload {
        try step("begin", Session.directory(session))
        return SteppedUpload(self, try base.beginUpload(session: session))
    }

    func commit(session: SessionID, _ bytes: [UInt8], as path: String) throws(StoreError) {
        try step("commit", path)
        try base.commit(session: session, bytes, as: path)
    }

    func expire(session: SessionID) throws(StoreError) -> Bool {
        try step("expire", Session.directory(session))
        return try base.expire(session: session)
    }
}

private final class SteppedUpload: Upload {
    private let backend: SteppedBackend
    private let base: any Upload

    init(_ backend: SteppedBackend, _ base: any Upload) {
        self.backend = backend
        self.base = base
    }

    var byteCount: UInt64 { base.byteCount }
    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) { try base.append(bytes) }
    func startWriteback() { base.startWriteback() }
    func sync(expected: FileID) throws(StoreError) { try base.sync(expected: expected) }
    func abandon() { base.abandon() }

    func publish(as path: String) throws(StoreError) {
        try backend.step("publish", path)
        try base.publish(as: path)
    }
}
