import Glibc
import Synchronization

/// A `FileLayer` over a `MemoryDisk`: for tests, and for repositories rebuilt from a simulated crash.
package final class MemoryFileLayer: FileLayer {
    package let root: String
    package let isLocal: Bool
    fileprivate let state: Mutex<MemoryDisk>

    package var warnings: [String] { [] }
    package var disk: MemoryDisk { state.withLock { $0 } }

    package init(_ disk: MemoryDisk = MemoryDisk(), root: String = "/memory", isLocal: Bool = true) {
        self.root = root
        self.isLocal = isLocal
        state = Mutex(disk)
    }

    package func makeRoot() throws(StoreError) {}

    package func create(_ path: String) throws(StoreError) -> any LayerFile {
        try change("create", path) { disk throws(StoreError) in
            let node = disk.newNode()
            try disk.insert(path, node)
            disk.files[node] = []
            return MemoryLayerFile(self, node)
        }
    }

    package func open(_ path: String) throws(StoreError) -> any LayerFile {
        try change("open", path) { disk throws(StoreError) in
            let node = try disk.find(path)
            guard disk.files[node] != nil else { throw .system(EISDIR, "open") }
            return MemoryLayerFile(self, node)
        }
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        try change("make the directory", path) { disk throws(StoreError) in
            let node = disk.newNode()
            try disk.insert(path, node)
            disk.directories[node] = [:]
        }
    }

    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        try change("rename", path) { disk throws(StoreError) in
            let node = try disk.find(path)
            try disk.insert(newPath, node)
            try disk.removeName(path)
        }
    }

    package func renameReplacing(_ path: String, to newPath: String) throws(StoreError) {
        try change("rename", path) { disk throws(StoreError) in
            let node = try disk.find(path)
            if path == newPath { return }
            if let old = disk.node(newPath), disk.directories[old] != nil { throw .system(EISDIR, "rename") }
            guard disk.place(newPath) != nil else { throw .system(ENOENT, "rename") }
            try disk.removeName(path)
            guard let (directory, name) = disk.place(newPath) else { return }
            disk.directories[directory]?[name] = node
        }
    }

    package func unlink(_ path: String) throws(StoreError) {
        try change("remove", path) { disk throws(StoreError) in
            guard disk.files[try disk.find(path)] != nil else { throw .system(EISDIR, "remove") }
            try disk.removeName(path)
        }
    }

    package func removeDirectory(_ path: String) throws(StoreError) {
        try change("remove the directory", path) { disk throws(StoreError) in
            let node = try disk.find(path)
            guard let names = disk.directories[node] else { throw .system(ENOTDIR, "remove the directory") }
            guard names.isEmpty else { throw .system(ENOTEMPTY, "remove the directory") }
            try disk.removeName(path)
            disk.directories[node] = nil
        }
    }

    package func syncDirectory(_ path: String) throws(StoreError) { _ = try list(path) }

    package func list(_ path: String) throws(StoreError) -> [BackendEntry] {
        try change("list", path) { disk throws(StoreError) in
            guard let names = disk.directories[try disk.find(path)] else { throw .system(ENOTDIR, "list") }
            return names.map { disk.entry($0.key, $0.value) }
        }
    }

    package func entry(_ path: String) throws(StoreError) -> BackendEntry {
        try change("look at", path) { disk throws(StoreError) in
            disk.entry(LayerPath.name(path), try disk.find(path))
        }
    }

    package func freeSpace() -> UInt64? { nil }

    /// Runs `body` on the disk; its errors are about `path`.
    private func change<Result>(
        _ action: String, _ path: String, _ body: (inout MemoryDisk) throws(StoreError) -> Result
    ) throws(StoreError) -> Result where Result: Sendable {
        do throws(StoreError) {
            return try state.withLock { disk throws(StoreError) in try body(&disk) }
        } catch {
            throw .system(error.errno ?? EIO, action, path: Array(path.utf8))
        }
    }
}

extension MemoryDisk {
    fileprivate func find(_ path: String) throws(StoreError) -> Int {
        guard let node = node(path) else { throw .system(ENOENT, "find") }
        return node
    }

    fileprivate func entry(_ name: String, _ node: Int) -> BackendEntry {
        BackendEntry(name: name, size: UInt64(files[node]?.count ?? 0), isDirectory: directories[node] != nil)
    }

    fileprivate mutating func insert(_ path: String, _ node: Int) throws(StoreError) {
        guard let (directory, name) = place(path) else { throw .system(ENOENT, "make") }
        guard directories[directory]?[name] == nil else { throw .system(EEXIST, "make") }
        directories[directory]?[name] = node
    }

    fileprivate mutating func removeName(_ path: String) throws(StoreError) {
        guard let (directory, name) = place(path) else { throw .system(ENOENT, "remove") }
        directories[directory]?[name] = nil
    }
}

private final class MemoryLayerFile: LayerFile {
    private let layer: MemoryFileLayer
    private let node: Int

    init(_ layer: MemoryFileLayer, _ node: Int) {
        self.layer = layer
        self.node = node
    }

    func size() throws(StoreError) -> UInt64 {
        UInt64(layer.state.withLock { $0.files[node]?.count ?? 0 })
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        let bytes = layer.state.withLock { $0.files[node] ?? [] }
        guard offset < UInt64(bytes.count) else { return 0 }
        let count = min(buffer.count, bytes.count - Int(offset))
        buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + count])
        return count
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        layer.state.withLock { disk in
            disk.files[node, default: []].overwrite(with: bytes, at: Int(offset))
            return bytes.count
        }
    }

    func syncData() throws(StoreError) {}

    func startWriteback(from offset: UInt64) {}
}

extension [UInt8] {
    /// Writes as a file takes it: a gap before `offset` is filled with zeros.
    mutating func overwrite(with bytes: some Collection<UInt8>, at offset: Int) {
        if offset > count { append(contentsOf: repeatElement(0, count: offset - count)) }
        replaceSubrange(offset..<Swift.min(count, offset + bytes.count), with: bytes)
    }
}
