import Glibc
package import VarveFormat

/// One name in a directory of a backend.
package struct BackendEntry: Sendable, Hashable {
    /// The last component of the path.
    package let name: String
    /// Bytes; 0 for a directory.
    package let size: UInt64
    package let isDirectory: Bool

    package init(name: String, size: UInt64, isDirectory: Bool) {
        self.name = name
        self.size = size
        self.isDirectory = isDirectory
    }
}

/// A file that is being written inside a session and has no name in the repository yet. Used by one thread at a time.
package protocol Upload: AnyObject, Sendable {
    /// Bytes appended so far.
    var byteCount: UInt64 { get }
    /// Appends bytes. A full disk is `noSpace`.
    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError)
    /// Asks the storage to begin writing what was appended; a hint that never fails.
    func startWriteback()
    /// Makes every appended byte durable. After a failed sync the bytes are read back, compared with `expected`
    /// (SHA-256 of all of them) and written once more to a new file; if that fails too, this throws.
    func sync(expected: FileID) throws(StoreError)
    /// Gives the file its name, if no file has it; the bytes must be durable. The name itself is durable only after
    /// `Backend.syncDirectories`. A file that has the name already is left alone: equal names are equal bytes.
    func publish(as path: String) throws(StoreError)
    /// Removes what was written. Never fails; harmless after `publish`.
    func abandon()
}

/// An open file of a backend, for reads at offsets from any thread.
package protocol BackendFile: AnyObject, Sendable {
    var byteCount: UInt64 { get }
    /// Reads exactly `buffer.count` bytes at `offset`; fewer there is `damaged`.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError)
}

/// Where the files of a repository live. Paths are relative to the repository, with `/` between components, ASCII.
///
/// Every implementation passes `BackendContractTests`. Durable means: survives a power cut once the call returned.
package protocol Backend: AnyObject, Sendable {
    /// The place, canonical, for caches and messages: for a local directory its absolute path.
    var location: String { get }
    /// Whether listings are coherent between machines (local file systems) so that collection may finish in one run.
    var hasCoherentListings: Bool { get }

    /// Makes the repository's own directory and `directories` in it, durable. Fails with `exists` if the place holds
    /// anything already.
    func createLayout(directories: [String]) throws(StoreError)
    /// The names in a directory, in byte order; an absent directory has none.
    func list(_ directory: String) throws(StoreError) -> [BackendEntry]
    /// The whole file. `missing` if absent; `damaged` if it is larger than `limit` bytes.
    func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8]
    /// Opens a file for reads at offsets. `missing` if absent.
    func open(_ path: String) throws(StoreError) -> any BackendFile

    /// Writes a whole small file under a name that is not taken, durable, name included. `exists` if it is taken.
    func putIfAbsent(_ path: String, _ bytes: [UInt8], session: SessionID?) throws(StoreError)
    /// Writes or replaces a small file atomically (files of sessions only; not durable until the next sync).
    func replace(_ path: String, _ bytes: [UInt8]) throws(StoreError)
    /// Makes a directory, durable. `exists` if it is there.
    func makeDirectory(_ path: String) throws(StoreError)
    /// Renames a file or directory, durable. `missing` if absent, `exists` if the new name is taken.
    func rename(_ path: String, to newPath: String) throws(StoreError)
    /// Renames files into a directory, under the last components of their names, durable when it returns. One that is
    /// gone is left out, one that lies there already is replaced. `missing` if there is no such directory.
    func move(_ paths: [String], into directory: String) throws(StoreError)
    /// Removes a file or an empty directory; absent is success.
    func remove(_ path: String) throws(StoreError)
    /// Removes a directory with all it holds; absent is success.
    func removeTree(_ path: String) throws(StoreError)
    /// Makes names given by `Upload.publish` in these directories durable.
    func syncDirectories(_ directories: [String]) throws(StoreError)

    /// Starts a file among the temporary files of a session.
    func beginUpload(session: SessionID) throws(StoreError) -> any Upload
    /// The commit point: writes `bytes` into the session, durable, and gives it the name `path` by a rename that fails
    /// with `sessionLost` once the session was expired; then makes the name durable (FORMAT.md section 10).
    func commit(session: SessionID, _ bytes: [UInt8], as path: String) throws(StoreError)
    /// Ends a session that is not ours: afterwards its `commit` fails. False if it was gone already.
    func expire(session: SessionID) throws(StoreError) -> Bool

    /// Free bytes for an ordinary user at the place, nil where unknown.
    func freeSpace() -> UInt64?

    /// Waits a moment before somebody looks again for what another program does. What stands for storage in tests lets
    /// that program go on instead.
    func pause(milliseconds: Int)
}

extension Backend {
    package func pause(milliseconds: Int) { _ = usleep(UInt32(clamping: milliseconds * 1_000)) }
}

extension Backend {
    package func move(_ paths: [String], into directory: String) throws(StoreError) {
        for path in paths {
            let newPath = LayerPath.join(directory, LayerPath.name(path))
            do throws(StoreError) {
                do throws(StoreError) {
                    try rename(path, to: newPath)
                } catch where error.code == .exists {
                    try remove(newPath)
                    try rename(path, to: newPath)
                }
            } catch where error.code == .missing {
                let parent = LayerPath.parent(directory)
                let isThere = try list(parent).contains { $0.isDirectory && $0.name == LayerPath.name(directory) }
                if !isThere { throw StoreError(.missing, "there is no such directory", path: directory) }
            }
        }
    }
}
