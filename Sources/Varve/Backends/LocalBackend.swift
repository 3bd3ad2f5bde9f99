import Crypto
import Glibc
import Synchronization
package import VarveFormat

/// A repository in a directory, local or mounted (NFS, SMB, sshfs). The order of syncs is FORMAT.md section 11; the
/// commit point is a rename by path out of the session's directory, which fails once the session was renamed away.
package final class LocalBackend: Backend {
    private let layer: any FileLayer
    /// Numbers temporary files; a number that is taken is skipped.
    private let counter = Atomic<UInt64>(0)

    /// A backend over the directory at `path`, which need not exist yet.
    package convenience init(path: String) { self.init(layer: RealFileLayer(path)) }

    package init(layer: any FileLayer) { self.layer = layer }

    package var location: String { layer.root }
    package var hasCoherentListings: Bool { layer.isLocal }
    /// What the file system cannot do and was put up with, one sentence each.
    package var warnings: [String] { layer.warnings }

    package func freeSpace() -> UInt64? { layer.freeSpace() }

    // MARK: directories

    package func createLayout(directories: [String]) throws(StoreError) {
        do throws(StoreError) {
            try layer.makeRoot()
        } catch where error.errno == ENOENT {
            throw StoreError(
                .missing, "the directory above the new repository does not exist", path: location,
                remedy: "mount the disk or make the directory", errno: ENOENT)
        }
        guard try layer.list("").isEmpty else {
            throw StoreError(
                .exists, "the directory holds something already", path: location, remedy: "choose an empty directory")
        }
        var made: [String] = []
        for directory in Self.withAncestors(directories) {
            try layer.makeDirectory(directory)
            made.append(directory)
        }
        for directory in made.reversed() { try layer.syncDirectory(directory) }
        try layer.syncDirectory("")
    }

    package func list(_ directory: String) throws(StoreError) -> [BackendEntry] {
        do throws(StoreError) {
            return try layer.list(directory).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        } catch where error.errno == ENOENT {
            try requireRoot()
            return []
        }
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        do throws(StoreError) {
            try layer.makeDirectory(path)
        } catch {
            throw translated(error, path)
        }
        try layer.syncDirectory(LayerPath.parent(path))
    }

    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        do throws(StoreError) {
            try layer.rename(path, to: newPath)
        } catch {
            throw translated(error, path)
        }
        // The new name first: a crash between the two leaves both names, never none.
        let parent = LayerPath.parent(path)
        let newParent = LayerPath.parent(newPath)
        try layer.syncDirectory(newParent)
        if parent != newParent {
            do throws(StoreError) { try layer.syncDirectory(parent) } catch where error.errno == ENOENT {}
        }
    }

    package func move(_ paths: [String], into directory: String) throws(StoreError) {
        var changed: Set<String> = []
        for path in paths {
            do throws(StoreError) {
                try move(path, to: LayerPath.join(directory, LayerPath.name(path)))
                changed.insert(LayerPath.parent(path))
            } catch where error.errno == ENOENT {
                do throws(StoreError) {
                    _ = try layer.entry(directory)
                } catch {
                    throw translated(error, directory)
                }
            } catch {
                throw translated(error, path)
            }
        }
        guard !changed.isEmpty else { return }
        try syncDirectories([directory] + changed.sorted())
    }

    private func move(_ path: String, to newPath: String) throws(StoreError) {
        do throws(StoreError) {
            try layer.rename(path, to: newPath)
        } catch where error.errno == EEXIST {
            // A crash between the syncs of two directories may leave a file both names.
            try layer.unlink(newPath)
            try layer.rename(path, to: newPath)
        }
    }

    package func remove(_ path: String) throws(StoreError) {
        do throws(StoreError) {
            try layer.unlink(path)
        } catch where error.errno == ENOENT {
            return
        } catch where error.errno == EISDIR || error.errno == EPERM {
            do throws(StoreError) {
                try layer.removeDirectory(path)
            } catch where error.errno == ENOENT {
                return
            } catch where error.errno == ENOTDIR {
                throw StoreError.system(EPERM, "remove", path: Array(path.utf8))
            } catch {
                throw translated(error, path)
            }
        } catch {
            throw translated(error, path)
        }
    }

    package func removeTree(_ path: String) throws(StoreError) {
        // Deepest directories last found, first removed; what others add meanwhile is met by another round.
        for round in 0..<4 {
            var directories: [String] = []
            var pending = [path]
            while let directory = pending.popLast() {
                let entries: [BackendEntry]
                do throws(StoreError) {
                    entries = try layer.list(directory)
                } catch where error.errno == ENOENT {
                    continue
                } catch where error.errno == ENOTDIR {
                    return try remove(path)
                }
                directories.append(directory)
                for entry in entries {
                    let child = LayerPath.join(directory, entry.name)
                    if entry.isDirectory { pending.append(child) } else { try remove(child) }
                }
            }
            do throws(StoreError) {
                for directory in directories.reversed() { try remove(directory) }
                return
            } catch {
                guard error.errno == ENOTEMPTY, round < 3 else { throw error }
            }
        }
    }

    package func syncDirectories(_ directories: [String]) throws(StoreError) {
        for directory in directories {
            do throws(StoreError) {
                try layer.syncDirectory(directory)
            } catch {
                throw translated(error, directory)
            }
        }
    }

    // MARK: files

    package func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8] {
        do throws(StoreError) {
            let file = try layer.open(path)
            let size = try file.size()
            guard size <= UInt64(max(0, limit)) else {
                throw StoreError(.damaged, "the file is larger than any of its kind may be", path: path)
            }
            var failure: StoreError?
            let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, initialized in
                do throws(StoreError) {
                    initialized = try file.readAll(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            guard bytes.count == Int(size) else {
                throw StoreError(.damaged, "the file became shorter while it was read", path: path)
            }
            return bytes
        } catch {
            throw translated(error, path)
        }
    }

    package func open(_ path: String) throws(StoreError) -> any BackendFile {
        do throws(StoreError) {
            let file = try layer.open(path)
            return LocalFile(file, byteCount: try file.size(), path: path)
        } catch {
            throw translated(error, path)
        }
    }

    package func putIfAbsent(_ path: String, _ bytes: [UInt8], session: SessionID?) throws(StoreError) {
        let directory = session.map(Self.directory) ?? LayerPath.parent(path)
        let upload = try durableUpload(bytes, in: directory, session: session)
        defer { upload.abandon() }
        guard try upload.rename(to: path) else {
            throw StoreError(.exists, "the name is taken", path: path, errno: EEXIST)
        }
        try layer.syncDirectory(LayerPath.parent(path))
    }

    package func replace(_ path: String, _ bytes: [UInt8]) throws(StoreError) {
        let upload = try beginUpload(in: LayerPath.parent(path), session: nil)
        defer { upload.abandon() }
        try upload.append(bytes)
        try upload.rename(replacing: path)
    }

    // MARK: sessions

    package func beginUpload(session: SessionID) throws(StoreError) -> any Upload {
        try beginUpload(in: Self.directory(session), session: session)
    }

    package func commit(session: SessionID, _ bytes: [UInt8], as path: String) throws(StoreError) {
        let upload = try durableUpload(bytes, in: Self.directory(session), session: session)
        defer { upload.abandon() }
        // A manifest that is there already has the same bytes: the commit was made before and is made durable again.
        _ = try upload.rename(to: path)
        try layer.syncDirectory(LayerPath.parent(path))
    }

    package func expire(session: SessionID) throws(StoreError) -> Bool {
        let directory = Self.directory(session)
        let grave = directory + "-gone"
        var wasThere = true
        do throws(StoreError) {
            try layer.rename(directory, to: grave)
        } catch where error.errno == ENOENT {
            try requireRoot()
            wasThere = false
        } catch where error.code == .exists {
            // A collector died before it had removed an earlier session of this name.
            try removeTree(grave)
            return try expire(session: session)
        } catch {
            throw translated(error, directory)
        }
        if wasThere { try layer.syncDirectory(LayerPath.parent(directory)) }
        try removeTree(grave)
        return wasThere
    }

    // MARK: helpers

    private func durableUpload(
        _ bytes: [UInt8], in directory: String, session: SessionID?
    ) throws(StoreError) -> LocalUpload {
        let upload = try beginUpload(in: directory, session: session)
        do throws(StoreError) {
            try upload.append(bytes)
            try upload.sync(expected: LocalUpload.fileID(SHA256.hash(data: bytes)))
        } catch {
            upload.abandon()
            throw error
        }
        return upload
    }

    private func beginUpload(in directory: String, session: SessionID?) throws(StoreError) -> LocalUpload {
        let (file, path) = try createTemporary(in: directory, session: session)
        return LocalUpload(self, file, path, directory: directory, session: session)
    }

    /// A new file of a name that nobody has.
    func createTemporary(in directory: String, session: SessionID?) throws(StoreError) -> (any LayerFile, String) {
        while true {
            let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
            let path = LayerPath.join(directory, "tmp-\(number)")
            do throws(StoreError) {
                return (try layer.create(path), path)
            } catch {
                if error.errno == EEXIST { continue }
                throw lost(error, session) ?? translated(error, path)
            }
        }
    }

    /// Gives a temporary file its name; false if the name is taken.
    func name(_ temporary: String, _ path: String, session: SessionID?) throws(StoreError) -> Bool {
        do throws(StoreError) {
            try layer.rename(temporary, to: path)
            return true
        } catch {
            if error.errno == EEXIST { return false }
            throw lost(error, session) ?? translated(error, path)
        }
    }

    func replace(_ path: String, with temporary: String) throws(StoreError) {
        do throws(StoreError) {
            try layer.renameReplacing(temporary, to: path)
        } catch {
            throw translated(error, path)
        }
    }

    func discard(_ temporary: String) { try? layer.unlink(temporary) }

    /// `sessionLost` if the error came from the session's directory being gone, else nil.
    private func lost(_ error: StoreError, _ session: SessionID?) -> StoreError? {
        guard let session, error.errno == ENOENT || error.errno == ESTALE else { return nil }
        let directory = Self.directory(session)
        do throws(StoreError) {
            _ = try layer.entry(directory)
            return nil
        } catch {
            guard error.errno == ENOENT, (try? layer.entry("")) != nil else { return nil }
            return StoreError(
                .sessionLost, "another program ended this session", path: directory,
                remedy: "begin again: nothing that was committed is lost")
        }
    }

    /// The error about a path of the repository; one clear error where the whole repository is gone.
    private func translated(_ error: StoreError, _ path: String) -> StoreError {
        if error.errno == ENOENT {
            do throws(StoreError) { try requireRoot() } catch { return error }
        }
        if error.errno == ENOTEMPTY {
            return StoreError(.failed, error.message, path: path, errno: ENOTEMPTY)
        }
        return error.at(Array(path.utf8))
    }

    private func requireRoot() throws(StoreError) {
        do throws(StoreError) {
            _ = try layer.entry("")
        } catch where error.errno == ENOENT || error.errno == ENOTDIR {
            throw StoreError(
                .noRepository, "there is no repository at this place", path: location,
                remedy: "mount the disk or check the path", errno: error.errno)
        }
    }

    private static func directory(_ session: SessionID) -> String { "sessions/" + session.hex }

    /// The directories and all above them, each once, those above first.
    private static func withAncestors(_ directories: [String]) -> [String] {
        var seen: Set<String> = [""]
        var result: [String] = []
        for directory in directories {
            var chain: [String] = []
            var path = directory
            while seen.insert(path).inserted {
                chain.append(path)
                path = LayerPath.parent(path)
            }
            result += chain.reversed()
        }
        return result
    }
}
