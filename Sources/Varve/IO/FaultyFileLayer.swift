import Synchronization

/// A failure to inject: the `call`-th of the chosen calls (from 0) fails.
package struct Fault: Sendable, Hashable {
    package enum Call: Sendable, Hashable, CaseIterable {
        case makeRoot, create, open, makeDirectory, rename, unlink, removeDirectory, syncDirectory, list, entry
        case size, read, write, syncData
    }

    package enum Kind: Sendable, Hashable {
        /// Fails with this error number.
        case error(Int32)
        /// Writes or reads half of the bytes and reports success, as write(2) and read(2) may.
        case short
    }

    package let call: Int
    package let kind: Kind
    /// The calls that are counted.
    package let calls: Set<Call>
    /// Whether all later ones fail too, as on a full disk.
    package let isLasting: Bool

    package init(_ call: Int, _ kind: Kind, calls: Set<Call> = Set(Call.allCases), isLasting: Bool = false) {
        self.call = call
        self.kind = kind
        self.calls = calls
        self.isLasting = isLasting
    }
}

/// Fails as told. A test runs something with the 0th, 1st, ... call failing until `hasFired` stays false.
package final class FaultyFileLayer: FileLayer {
    private let base: any FileLayer
    private let fault: Fault
    private let count = Mutex(0)

    package init(_ base: any FileLayer, _ fault: Fault) {
        self.base = base
        self.fault = fault
    }

    /// Whether the fault was met.
    package var hasFired: Bool { count.withLock { $0 > fault.call } }

    package var root: String { base.root }
    package var warnings: [String] { base.warnings }
    package var isLocal: Bool { base.isLocal }
    package func freeSpace() -> UInt64? { base.freeSpace() }

    package func makeRoot() throws(StoreError) {
        try meet(.makeRoot, "")
        try base.makeRoot()
    }

    package func create(_ path: String) throws(StoreError) -> any LayerFile {
        try meet(.create, path)
        return FaultyFile(self, try base.create(path), path)
    }

    package func open(_ path: String) throws(StoreError) -> any LayerFile {
        try meet(.open, path)
        return FaultyFile(self, try base.open(path), path)
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        try meet(.makeDirectory, path)
        try base.makeDirectory(path)
    }

    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        try meet(.rename, path)
        try base.rename(path, to: newPath)
    }

    package func renameReplacing(_ path: String, to newPath: String) throws(StoreError) {
        try meet(.rename, path)
        try base.renameReplacing(path, to: newPath)
    }

    package func unlink(_ path: String) throws(StoreError) {
        try meet(.unlink, path)
        try base.unlink(path)
    }

    package func removeDirectory(_ path: String) throws(StoreError) {
        try meet(.removeDirectory, path)
        try base.removeDirectory(path)
    }

    package func syncDirectory(_ path: String) throws(StoreError) {
        try meet(.syncDirectory, path)
        try base.syncDirectory(path)
    }

    package func list(_ path: String) throws(StoreError) -> [BackendEntry] {
        try meet(.list, path)
        return try base.list(path)
    }

    package func entry(_ path: String) throws(StoreError) -> BackendEntry {
        try meet(.entry, path)
        return try base.entry(path)
    }

    /// Counts a call and fails if it is its turn; true if it shall be short.
    @discardableResult
    fileprivate func meet(_ call: Fault.Call, _ path: String) throws(StoreError) -> Bool {
        guard fault.calls.contains(call) else { return false }
        let number = count.withLock { count in
            count += 1
            return count - 1
        }
        guard number == fault.call || fault.isLasting && number > fault.call else { return false }
        switch fault.kind {
        case .short: return true
        case .error(let errno): throw .system(errno, "\(call)", path: Array(path.utf8))
        }
    }
}

private final class FaultyFile: LayerFile {
    private let layer: FaultyFileLayer
    private let base: any LayerFile
    private let path: String

    init(_ layer: FaultyFileLayer, _ base: any LayerFile, _ path: String) {
        self.layer = layer
        self.base = base
        self.path = path
    }

    func size() throws(StoreError) -> UInt64 {
        try layer.meet(.size, path)
        return try base.size()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        let count = try layer.meet(.read, path) ? (buffer.count + 1) / 2 : buffer.count
        return try base.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        let count = try layer.meet(.write, path) ? (bytes.count + 1) / 2 : bytes.count
        return try base.write(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: offset)
    }

    func syncData() throws(StoreError) {
        try layer.meet(.syncData, path)
        try base.syncData()
    }

    func startWriteback(from offset: UInt64) { base.startWriteback(from: offset) }
}
