import Synchronization
import Varve

/// Calls a function before the n-th call (from 0) that changes something: where another program comes in between.
final class HookedFileLayer: FileLayer {
    private let base: any FileLayer
    private let number: Int
    private let hook: @Sendable () -> Void
    private let count = Atomic(0)

    init(_ base: any FileLayer, before number: Int, _ hook: @escaping @Sendable () -> Void) {
        self.base = base
        self.number = number
        self.hook = hook
    }

    /// Whether there were so many calls.
    var hasFired: Bool { count.load(ordering: .relaxed) > number }

    fileprivate func meet() {
        if count.wrappingAdd(1, ordering: .relaxed).oldValue == number { hook() }
    }

    var root: String { base.root }
    var warnings: [String] { base.warnings }
    var isLocal: Bool { base.isLocal }
    func freeSpace() -> UInt64? { base.freeSpace() }
    func makeRoot() throws(StoreError) { try base.makeRoot() }
    func open(_ path: String) throws(StoreError) -> any LayerFile { try base.open(path) }
    func list(_ path: String) throws(StoreError) -> [BackendEntry] { try base.list(path) }
    func entry(_ path: String) throws(StoreError) -> BackendEntry { try base.entry(path) }

    func create(_ path: String) throws(StoreError) -> any LayerFile {
        meet()
        return HookedFile(self, try base.create(path))
    }

    func makeDirectory(_ path: String) throws(StoreError) {
        meet()
        try base.makeDirectory(path)
    }

    func rename(_ path: String, to newPath: String) throws(StoreError) {
        meet()
        try base.rename(path, to: newPath)
    }

    func renameReplacing(_ path: String, to newPath: String) throws(StoreError) {
        meet()
        try base.renameReplacing(path, to: newPath)
    }

    func unlink(_ path: String) throws(StoreError) {
        meet()
        try base.unlink(path)
    }

    func removeDirectory(_ path: String) throws(StoreError) {
        meet()
        try base.removeDirectory(path)
    }

    func syncDirectory(_ path: String) throws(StoreError) {
        meet()
        try base.syncDirectory(path)
    }
}

private final class HookedFile: LayerFile {
    private let layer: HookedFileLayer
    private let base: any LayerFile

    init(_ layer: HookedFileLayer, _ base: any LayerFile) {
        self.layer = layer
        self.base = base
    }

    func size() throws(StoreError) -> UInt64 { try base.size() }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try base.read(into: buffer, at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        layer.meet()
        return try base.write(bytes, at: offset)
    }

    func syncData() throws(StoreError) {
        layer.meet()
        try base.syncData()
    }

    func startWriteback(from offset: UInt64) { base.startWriteback(from: offset) }
}
