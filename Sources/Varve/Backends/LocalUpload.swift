import Crypto
import Synchronization
import VarveFormat

/// A temporary file of a `LocalBackend`.
final class LocalUpload: Upload {
    private struct State {
        var file: any LayerFile
        var path: String
        var byteCount: UInt64 = 0
        /// Bytes for which write-back was asked.
        var flushed: UInt64 = 0
        var isNamed = false
    }

    private let backend: LocalBackend
    private let directory: String
    private let session: SessionID?
    private let state: Mutex<State>

    init(_ backend: LocalBackend, _ file: any LayerFile, _ path: String, directory: String, session: SessionID?) {
        self.backend = backend
        self.directory = directory
        self.session = session
        state = Mutex(State(file: file, path: path))
    }

    deinit { abandon() }

    var byteCount: UInt64 { state.withLock { $0.byteCount } }

    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            do throws(StoreError) {
                try state.file.writeAll(bytes, at: state.byteCount)
            } catch {
                throw error.at(Array(state.path.utf8))
            }
            state.byteCount += UInt64(bytes.count)
        }
    }

    func append(_ bytes: [UInt8]) throws(StoreError) {
        var failure: StoreError?
        bytes.withUnsafeBytes { buffer in
            do throws(StoreError) { try append(buffer) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    func startWriteback() {
        state.withLock { state in
            state.file.startWriteback(from: state.flushed)
            state.flushed = state.byteCount
        }
    }

    /// A failed sync may have dropped the bytes and be forgotten by the next one (fsync on Linux reports an error
    /// once), so syncing the same file again proves nothing: the bytes go to a new file.
    func sync(expected: FileID) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            do throws(StoreError) {
                return try state.file.syncData()
            } catch {
                do throws(StoreError) {
                    try rewrite(&state, expected)
                } catch let second {
                    throw second.code == .failed ? error.at(Array(state.path.utf8)) : second
                }
            }
        }
    }

    private func rewrite(_ state: inout State, _ expected: FileID) throws(StoreError) {
        let (copy, path) = try backend.createTemporary(in: directory, session: session)
        do throws(StoreError) {
            guard try Self.copy(state.file, to: copy, state.byteCount) == expected else {
                throw StoreError(
                    .damaged, "a file could not be synced and its bytes were lost", path: path,
                    remedy: "look into the kernel log and check the disk")
            }
            try copy.syncData()
        } catch {
            backend.discard(path)
            throw error
        }
        backend.discard(state.path)
        state.file = copy
        state.path = path
    }

    /// Copies the bytes and returns their SHA-256.
    private static func copy(
        _ source: any LayerFile, to target: any LayerFile, _ byteCount: UInt64
    ) throws(StoreError) -> FileID? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var hasher = SHA256()
        var offset: UInt64 = 0
        while offset < byteCount {
            let wanted = Int(min(UInt64(buffer.count), byteCount - offset))
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
            guard try source.readAll(into: part, at: offset) == wanted else { return nil }
            hasher.update(bufferPointer: UnsafeRawBufferPointer(part))
            try target.writeAll(UnsafeRawBufferPointer(part), at: offset)
            offset += UInt64(wanted)
        }
        return fileID(hasher.finalize())
    }

    static func fileID(_ digest: SHA256.Digest) -> FileID {
        digest.withUnsafeBytes { bytes in
            func word(_ index: Int) -> UInt64 {
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            return FileID(word(0), word(1), word(2), word(3))
        }
    }

    func publish(as path: String) throws(StoreError) {
        if try !rename(to: path) { abandon() }
    }

    /// Names the file if nobody has the name; false if somebody has.
    func rename(to path: String) throws(StoreError) -> Bool {
        try state.withLock { state throws(StoreError) in
            guard try backend.name(state.path, path, session: session) else { return false }
            state.isNamed = true
            return true
        }
    }

    func rename(replacing path: String) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            try backend.replace(path, with: state.path)
            state.isNamed = true
        }
    }

    func abandon() {
        state.withLock { state in
            if state.isNamed { return }
            state.isNamed = true
            backend.discard(state.path)
        }
    }
}
