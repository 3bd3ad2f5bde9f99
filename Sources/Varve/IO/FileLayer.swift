/// An open file of a `FileLayer`. Offsets are given with every call, so any thread may use it.
package protocol LayerFile: AnyObject, Sendable {
    func size() throws(StoreError) -> UInt64
    /// Reads at an offset; may be fewer bytes than asked for, 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int
    /// Writes at an offset; may be fewer bytes than given, at least one.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int
    /// fdatasync(2).
    func syncData() throws(StoreError)
    /// Asks for write-back from `offset` to the end to begin; never fails.
    func startWriteback(from offset: UInt64)
}

extension LayerFile {
    /// Writes all bytes, however many calls that takes.
    package func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let count = try write(rest, at: offset + UInt64(done))
            if count <= 0 { throw StoreError(.failed, "cannot write: the file takes no more bytes") }
            done += count
        }
    }

    /// Fills the buffer as far as the file goes; the number of bytes read.
    package func readAll(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let count = try read(into: rest, at: offset + UInt64(done))
            if count <= 0 { break }
            done += count
        }
        return done
    }
}

/// The file system calls that `LocalBackend` makes, below one root directory. Paths are relative to it, with `/`
/// between components; "" is the root itself. Nothing is durable before the sync that covers it: `syncData` for the
/// bytes of a file, `syncDirectory` for the names in a directory.
///
/// Real, in memory, recording (for crash tests) and faulty. Errors carry `errno` as the system call would give it.
package protocol FileLayer: AnyObject, Sendable {
    /// The root, absolute and canonical.
    var root: String { get }
    /// What was put up with, one sentence each.
    var warnings: [String] { get }
    /// Whether two machines see each other's changes in the order they were made.
    var isLocal: Bool { get }

    /// Makes the root directory if it is not there, for its owner only, durable.
    func makeRoot() throws(StoreError)
    /// Creates a file that must not exist, for reads and writes by its owner only.
    func create(_ path: String) throws(StoreError) -> any LayerFile
    /// Opens a file for reads.
    func open(_ path: String) throws(StoreError) -> any LayerFile
    /// Makes a directory that must not exist, for its owner only.
    func makeDirectory(_ path: String) throws(StoreError)
    /// Renames a file or directory to a name that must not exist.
    func rename(_ path: String, to newPath: String) throws(StoreError)
    /// Renames a file; a file that has the new name is replaced.
    func renameReplacing(_ path: String, to newPath: String) throws(StoreError)
    /// Removes the name of a file or symbolic link.
    func unlink(_ path: String) throws(StoreError)
    /// Removes an empty directory.
    func removeDirectory(_ path: String) throws(StoreError)
    /// Makes the names in a directory durable.
    func syncDirectory(_ path: String) throws(StoreError)
    /// The names in a directory, in no order.
    func list(_ path: String) throws(StoreError) -> [BackendEntry]
    /// One name; symbolic links count as files.
    func entry(_ path: String) throws(StoreError) -> BackendEntry
    /// Free bytes for an ordinary user, nil where unknown.
    func freeSpace() -> UInt64?
}

/// The parts of a path relative to a repository.
package enum LayerPath {
    /// The directory that holds the path; "" for the root.
    package static func parent(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
        return String(path[..<slash])
    }

    /// The last component.
    package static func name(_ path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return String(path[path.utf8.index(after: slash)...])
    }

    /// `name` in `directory`.
    package static func join(_ directory: String, _ name: String) -> String {
        directory.isEmpty ? name : directory + "/" + name
    }
}
