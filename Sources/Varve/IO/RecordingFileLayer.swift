import Synchronization

/// What a program asked of a file system, as far as a crash can undo it. Files have numbers in the order of creation.
package enum FileOperation: Sendable, Hashable {
    case create(String, file: Int)
    case write(file: Int, offset: UInt64, [UInt8])
    case syncData(file: Int)
    case makeDirectory(String)
    /// The new name was free, or a file that has been replaced.
    case rename(String, to: String)
    case unlink(String)
    case removeDirectory(String)
    case syncDirectory(String)

    /// Whether this makes something durable.
    package var isSync: Bool {
        switch self {
        case .syncData, .syncDirectory: true
        default: false
        }
    }
}

/// Notes every operation that succeeded, in the order in which they happened, from any number of threads. A crash test
/// replays any prefix of them with `CrashDisk`.
package final class RecordingFileLayer: FileLayer {
    fileprivate struct State {
        var operations: [FileOperation] = []
        var fileCount = 0
    }

    private let base: any FileLayer
    fileprivate let state = Mutex(State())

    /// Records what goes to `base`, which is empty.
    package init(_ base: any FileLayer = MemoryFileLayer()) { self.base = base }

    /// All operations so far.
    package var operations: [FileOperation] { state.withLock { $0.operations } }
    /// The length of `operations`: what a test notes when something was acknowledged.
    package var operationCount: Int { state.withLock { $0.operations.count } }

    package var root: String { base.root }
    package var warnings: [String] { base.warnings }
    package var isLocal: Bool { base.isLocal }
    package func freeSpace() -> UInt64? { base.freeSpace() }

    package func makeRoot() throws(StoreError) { try base.makeRoot() }
    package func open(_ path: String) throws(StoreError) -> any LayerFile { try base.open(path) }
    package func list(_ path: String) throws(StoreError) -> [BackendEntry] { try base.list(path) }
    package func entry(_ path: String) throws(StoreError) -> BackendEntry { try base.entry(path) }

    package func create(_ path: String) throws(StoreError) -> any LayerFile {
        try state.withLock { state throws(StoreError) in
            let file = try base.create(path)
            state.operations.append(.create(path, file: state.fileCount))
            state.fileCount += 1
            return RecordingFile(self, file, state.fileCount - 1)
        }
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        try note(.makeDirectory(path)) { base throws(StoreError) in try base.makeDirectory(path) }
    }

    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        try note(.rename(path, to: newPath)) { base throws(StoreError) in try base.rename(path, to: newPath) }
    }

    package func renameReplacing(_ path: String, to newPath: String) throws(StoreError) {
        try note(.rename(path, to: newPath)) { base throws(StoreError) in
            try base.renameReplacing(path, to: newPath)
        }
    }

    package func unlink(_ path: String) throws(StoreError) {
        try note(.unlink(path)) { base throws(StoreError) in try base.unlink(path) }
    }

    package func removeDirectory(_ path: String) throws(StoreError) {
        try note(.removeDirectory(path)) { base throws(StoreError) in try base.removeDirectory(path) }
    }

    package func syncDirectory(_ path: String) throws(StoreError) {
        try note(.syncDirectory(path)) { base throws(StoreError) in try base.syncDirectory(path) }
    }

    /// Performs and notes in one step, so that the order noted is the order in which it happened.
    private func note(
        _ operation: FileOperation, _ body: (any FileLayer) throws(StoreError) -> Void
    ) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            try body(base)
            state.operations.append(operation)
        }
    }
}

private final class RecordingFile: LayerFile {
    private let layer: RecordingFileLayer
    private let base: any LayerFile
    private let number: Int

    init(_ layer: RecordingFileLayer, _ base: any LayerFile, _ number: Int) {
        self.layer = layer
        self.base = base
        self.number = number
    }

    func size() throws(StoreError) -> UInt64 { try base.size() }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try base.read(into: buffer, at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try layer.state.withLock { state throws(StoreError) in
            let count = try base.write(bytes, at: offset)
            state.operations.append(.write(file: number, offset: offset, Array(bytes.prefix(count))))
            return count
        }
    }

    func syncData() throws(StoreError) {
        try layer.state.withLock { state throws(StoreError) in
            try base.syncData()
            state.operations.append(.syncData(file: number))
        }
    }

    func startWriteback(from offset: UInt64) { base.startWriteback(from: offset) }
}
