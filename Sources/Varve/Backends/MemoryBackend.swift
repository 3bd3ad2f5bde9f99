import Synchronization
package import VarveFormat

/// A repository in memory, for tests and simulations: the semantics of `LocalBackend` where every step is durable.
package final class MemoryBackend: Backend {
    /// Paths of directories (nil) and files. The repository itself is "".
    fileprivate struct State {
        var nodes: [String: [UInt8]?] = [:]
        var children: [String: Set<String>] = [:]
        var uploads = 0
    }

    fileprivate let state: Mutex<State>

    package let location: String
    package let hasCoherentListings: Bool

    package init(location: String = "memory", hasCoherentListings: Bool = true) {
        self.location = location
        self.hasCoherentListings = hasCoherentListings
        state = Mutex(State())
    }

    /// Makes a copy of another one as it is now.
    package init(copying other: MemoryBackend) {
        location = other.location
        hasCoherentListings = other.hasCoherentListings
        state = Mutex(other.state.withLock { $0 })
    }

    package func freeSpace() -> UInt64? { nil }

    /// Every path with its bytes; nil for directories.
    package var contents: [String: [UInt8]?] { state.withLock { $0.nodes } }

    // MARK: directories

    package func createLayout(directories: [String]) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            guard state.children["", default: []].isEmpty else {
                throw StoreError(.exists, "the directory holds something already", path: location)
            }
            state.nodes[""] = .some(nil)
            for directory in directories { state.addDirectories(directory) }
        }
    }

    package func list(_ directory: String) throws(StoreError) -> [BackendEntry] {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            return state.list(directory)
        }
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            try state.insert(path, nil)
        }
    }

    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            try state.rename(path, to: newPath)
        }
    }

    package func remove(_ path: String) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            guard state.children[path, default: []].isEmpty else {
                throw StoreError(.failed, "cannot remove the directory: it is not empty", path: path)
            }
            state.delete(path)
        }
    }

    package func removeTree(_ path: String) throws(StoreError) {
        state.withLock { $0.deleteTree(path) }
    }

    package func syncDirectories(_ directories: [String]) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            for directory in directories {
                guard state.isDirectory(directory) else {
                    throw StoreError(.missing, "there is no such directory", path: directory)
                }
            }
        }
    }

    // MARK: files

    package func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8] {
        let bytes = try file(path)
        guard bytes.count <= limit else {
            throw StoreError(.damaged, "the file is larger than any of its kind may be", path: path)
        }
        return bytes
    }

    package func open(_ path: String) throws(StoreError) -> any BackendFile {
        MemoryFile(try file(path), path)
    }

    private func file(_ path: String) throws(StoreError) -> [UInt8] {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            guard let node = state.nodes[path] else { throw StoreError(.missing, "there is no such file", path: path) }
            guard let bytes = node else {
                throw StoreError(.damaged, "something that is not a file has the name of one", path: path)
            }
            return bytes
        }
    }

    package func putIfAbsent(_ path: String, _ bytes: [UInt8], session: SessionID?) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            if let session { try state.require(session) }
            try state.insert(path, bytes)
        }
    }

    package func replace(_ path: String, _ bytes: [UInt8]) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            if state.nodes[path] != nil, !state.isDirectory(path) {
                state.nodes[path] = bytes
            } else {
                try state.insert(path, bytes)
            }
        }
    }

    // MARK: sessions

    package func beginUpload(session: SessionID) throws(StoreError) -> any Upload {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            try state.require(session)
            state.uploads += 1
            let path = State.directory(session) + "/tmp-\(state.uploads)"
            try state.insert(path, [])
            return MemoryUpload(self, path, session)
        }
    }

    package func commit(session: SessionID, _ bytes: [UInt8], as path: String) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            try state.require(session)
            if state.nodes[path] == nil { try state.insert(path, bytes) }
        }
    }

    package func expire(session: SessionID) throws(StoreError) -> Bool {
        try state.withLock { state throws(StoreError) in
            try state.requireRoot(location)
            let directory = State.directory(session)
            let wasThere = state.nodes[directory] != nil
            state.deleteTree(directory)
            return wasThere
        }
    }
}

extension MemoryBackend.State {
    static func directory(_ session: SessionID) -> String { "sessions/" + session.hex }

    func isDirectory(_ path: String) -> Bool { nodes[path] == .some(.none) }

    func requireRoot(_ location: String) throws(StoreError) {
        if nodes[""] == nil { throw StoreError(.noRepository, "there is no repository at this place", path: location) }
    }

    func require(_ session: SessionID) throws(StoreError) {
        guard isDirectory(Self.directory(session)) else {
            throw StoreError(.sessionLost, "another program ended this session", path: Self.directory(session))
        }
    }

    func list(_ directory: String) -> [BackendEntry] {
        children[directory, default: []].map { name in
            let node = nodes[LayerPath.join(directory, name)]
            return BackendEntry(name: name, size: UInt64((node ?? nil)?.count ?? 0), isDirectory: node == .some(.none))
        }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    mutating func insert(_ path: String, _ bytes: [UInt8]?) throws(StoreError) {
        let parent = LayerPath.parent(path)
        guard isDirectory(parent) else { throw StoreError(.missing, "there is no such directory", path: parent) }
        guard nodes[path] == nil else { throw StoreError(.exists, "the name is taken", path: path) }
        nodes[path] = .some(bytes)
        children[parent, default: []].insert(LayerPath.name(path))
    }

    mutating func addDirectories(_ path: String) {
        var path = path
        while nodes[path] == nil {
            nodes[path] = .some(nil)
            let parent = LayerPath.parent(path)
            children[parent, default: []].insert(LayerPath.name(path))
            path = parent
        }
    }

    mutating func rename(_ path: String, to newPath: String) throws(StoreError) {
        guard let node = nodes[path] else { throw StoreError(.missing, "there is no such file", path: path) }
        try insert(newPath, node)
        for (name, bytes) in subtree(path) where name != path {
            let newName = newPath + name.dropFirst(path.count)
            nodes[newName] = .some(bytes)
            children[LayerPath.parent(newName), default: []].insert(LayerPath.name(newName))
        }
        deleteTree(path)
    }

    mutating func delete(_ path: String) {
        nodes[path] = nil
        children[path] = nil
        children[LayerPath.parent(path)]?.remove(LayerPath.name(path))
    }

    mutating func deleteTree(_ path: String) {
        for (name, _) in subtree(path).reversed() { delete(name) }
    }

    /// A path and all below it, each directory before what it holds.
    private func subtree(_ path: String) -> [(name: String, bytes: [UInt8]?)] {
        guard let node = nodes[path] else { return [] }
        var result: [(name: String, bytes: [UInt8]?)] = [(path, node)]
        var next = 0
        while next < result.count {
            let directory = result[next].name
            next += 1
            for name in children[directory, default: []] {
                let child = LayerPath.join(directory, name)
                result.append((child, nodes[child] ?? nil))
            }
        }
        return result
    }
}

/// A file as it was when it was opened: nothing changes files that have a name.
private final class MemoryFile: BackendFile {
    private let bytes: [UInt8]
    private let path: String

    init(_ bytes: [UInt8], _ path: String) {
        self.bytes = bytes
        self.path = path
    }

    var byteCount: UInt64 { UInt64(bytes.count) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) {
        guard offset <= byteCount, UInt64(buffer.count) <= byteCount - offset else {
            throw StoreError(.damaged, "the file is shorter than it should be", path: path)
        }
        buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + buffer.count])
    }
}

/// Bytes that are collected aside; the session shows an empty file meanwhile.
private final class MemoryUpload: Upload {
    private let backend: MemoryBackend
    private let temporary: String
    private let session: SessionID
    private let bytes = Mutex<[UInt8]>([])

    init(_ backend: MemoryBackend, _ temporary: String, _ session: SessionID) {
        self.backend = backend
        self.temporary = temporary
        self.session = session
    }

    var byteCount: UInt64 { UInt64(bytes.withLock { $0.count }) }

    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        self.bytes.withLock { $0.append(contentsOf: bytes) }
    }

    func startWriteback() {}

    func sync(expected: FileID) throws(StoreError) {}

    func publish(as path: String) throws(StoreError) {
        let bytes = self.bytes.withLock { $0 }
        try backend.state.withLock { state throws(StoreError) in
            try state.require(session)
            if state.nodes[path] == nil { try state.insert(path, bytes) }
            state.delete(temporary)
        }
    }

    func abandon() {
        backend.state.withLock { state in
            if state.nodes[temporary] != nil { state.delete(temporary) }
        }
    }
}
