import CSys
import Glibc

/// A directory held by a descriptor. Every operation takes one plain name in it, so none can lead elsewhere, whatever
/// becomes of the path that led here; links are never followed. Errors carry the name as their path.
package final class OpenDirectory: Sendable {
    package let descriptor: Int32

    /// Takes over a descriptor and closes it in the end.
    package init(owning descriptor: Int32) { self.descriptor = descriptor }

    deinit { _ = sys_close(descriptor) }

    // MARK: names

    /// Refuses what is not the name of an entry: nothing, `.`, `..`, and anything with a slash or a NUL.
    package static func check(name: [UInt8]) throws(StoreError) {
        let dot = UInt8(ascii: ".")
        if name.isEmpty || name == [dot] || name == [dot, dot] || name.contains(UInt8(ascii: "/")) || name.contains(0) {
            throw StoreError(.refused, "no file can have this name", path: name)
        }
    }

    /// A name for a file that gets its own when it is whole: `.varve-`, 16 random hex digits, `.tmp`.
    package static func temporaryName() -> [UInt8] {
        temporaryName(number: .random(in: .min ... .max))
    }

    /// The temporary name of a number.
    package static func temporaryName(number: UInt64) -> [UInt8] {
        let digits = String(number, radix: 16)
        return Array((".varve-" + String(repeating: "0", count: 16 - digits.count) + digits + ".tmp").utf8)
    }

    /// Makes a system call about a checked name.
    @discardableResult
    private func call(
        _ name: [UInt8], _ action: String, _ body: (UnsafePointer<CChar>) -> Int32
    ) throws(StoreError) -> Int32 {
        try Self.check(name: name)
        return try Syscalls.check(Syscalls.withName(name, body), action, name)
    }

    // MARK: looking

    /// Status of a name; nil if it is not there.
    package func status(_ name: [UInt8]) throws(StoreError) -> FileStat? {
        try Self.check(name: name)
        do throws(StoreError) {
            return try FileStat.at(descriptor, name)
        } catch {
            if error.errno == ENOENT { return nil }
            throw error
        }
    }

    /// The target of a symbolic link.
    package func readLink(_ name: [UInt8]) throws(StoreError) -> [UInt8] {
        try Self.check(name: name)
        return try Syscalls.readLink(name, at: descriptor)
    }

    /// All names, in byte order.
    package func list() throws(StoreError) -> NameList { try listDirectory(descriptor) }

    /// Opens a directory in this one. One that may be passed but not read is opened to be passed.
    ///
    /// - Throws: `refused` for a symbolic link, else as the system says.
    package func openDirectory(_ name: [UInt8]) throws(StoreError) -> OpenDirectory {
        let flags = SYS_O_DIRECTORY | SYS_O_NOFOLLOW
        do throws(StoreError) {
            return OpenDirectory(
                owning: try call(name, "open the directory") { name in
                    let result = sys_openat(descriptor, name, flags | SYS_O_RDONLY, 0)
                    return result == -EACCES ? sys_openat(descriptor, name, flags | SYS_O_PATH, 0) : result
                })
        } catch {
            guard error.errno == ENOTDIR, let found = try status(name), found.isSymbolicLink else { throw error }
            throw StoreError(.refused, "a symbolic link stands where a directory should", path: name, errno: ELOOP)
        }
    }

    /// Opens a file for reading without waiting for anything: not for the writer of a FIFO, not for a terminal. The
    /// caller checks its type and closes it.
    package func openFile(_ name: [UInt8]) throws(StoreError) -> Int32 {
        let flags = SYS_O_RDONLY | SYS_O_NOFOLLOW | SYS_O_NONBLOCK | SYS_O_NOCTTY
        return try call(name, "open the file") { sys_openat(descriptor, $0, flags, 0) }
    }

    /// Opens a handle of a name of any type, a link itself included, that reads nothing and touches nothing. The
    /// caller closes it.
    package func openHandle(_ name: [UInt8]) throws(StoreError) -> Int32 {
        try call(name, "reach the file") { sys_openat(descriptor, $0, SYS_O_PATH | SYS_O_NOFOLLOW, 0) }
    }

    // MARK: making

    /// Makes a directory that only its owner can enter.
    ///
    /// - Throws: `exists` if the name is taken, by whatever.
    package func makeDirectory(_ name: [UInt8]) throws(StoreError) {
        try call(name, "make the directory") { sys_mkdirat(descriptor, $0, 0o700) }
    }

    /// Makes a file for writing, mode 0600, under a temporary name. The caller closes it.
    package func createTemporary() throws(StoreError) -> (descriptor: Int32, name: [UInt8]) {
        while true {
            let name = Self.temporaryName()
            do throws(StoreError) {
                let flags = SYS_O_RDWR | SYS_O_CREAT | SYS_O_EXCL | SYS_O_NOFOLLOW
                let file = try call(name, "make a file") { sys_openat(descriptor, $0, flags, 0o600) }
                return (file, name)
            } catch {
                if error.code != .exists { throw error }
            }
        }
    }

    /// Makes a file for reading and writing, mode 0600. The caller closes it.
    ///
    /// - Throws: `exists` if the name is taken, by whatever.
    package func createFile(_ name: [UInt8]) throws(StoreError) -> Int32 {
        let flags = SYS_O_RDWR | SYS_O_CREAT | SYS_O_EXCL | SYS_O_NOFOLLOW
        return try call(name, "make a file") { sys_openat(descriptor, $0, flags, 0o600) }
    }

    /// Opens a file for reading and writing. The caller closes it.
    package func openForWriting(_ name: [UInt8]) throws(StoreError) -> Int32 {
        let flags = SYS_O_RDWR | SYS_O_NOFOLLOW | SYS_O_NONBLOCK | SYS_O_NOCTTY
        return try call(name, "open the file") { sys_openat(descriptor, $0, flags, 0) }
    }

    /// Makes a symbolic link. Where it points is nobody's concern until somebody follows it, which is never done here.
    package func makeSymbolicLink(_ name: [UInt8], target: [UInt8]) throws(StoreError) {
        guard !target.isEmpty, !target.contains(0) else {
            throw StoreError(.refused, "no symbolic link can have this target", path: name)
        }
        try call(name, "make the symbolic link") { name in
            Syscalls.withName(target) { sys_symlinkat($0, descriptor, name) }
        }
    }

    /// Makes a FIFO, mode 0600.
    package func makeFIFO(_ name: [UInt8]) throws(StoreError) {
        try call(name, "make the FIFO") { sys_mknodat(descriptor, $0, S_IFIFO | 0o600, 0) }
    }

    /// Makes the name of a socket that nobody listens on, mode 0600.
    package func makeSocket(_ name: [UInt8]) throws(StoreError) {
        try call(name, "make the socket") { sys_mknodat(descriptor, $0, S_IFSOCK | 0o600, 0) }
    }

    /// Makes a device file, mode 0600, which only root can.
    package func makeDevice(_ name: [UInt8], isBlock: Bool, device: UInt64) throws(StoreError) {
        let type: UInt32 = isBlock ? S_IFBLK : S_IFCHR
        try call(name, "make the device") { sys_mknodat(descriptor, $0, type | 0o600, device) }
    }

    /// Gives a file of this directory a second name, here or in another one.
    ///
    /// - Throws: `exists` if the new name is taken.
    package func link(_ name: [UInt8], to directory: OpenDirectory, as newName: [UInt8]) throws(StoreError) {
        try Self.check(name: name)
        try directory.call(newName, "make the hard link") { newName in
            Syscalls.withName(name) { sys_linkat(descriptor, $0, directory.descriptor, newName, 0) }
        }
    }

    // MARK: renaming and removing

    /// What a rename does where the new name is taken.
    package enum Taken: Sendable { case replaced, refused }

    /// Renames within this directory, atomically.
    ///
    /// - Throws: `exists` if the name is taken and stays, or by a directory that is not empty.
    package func rename(_ name: [UInt8], to newName: [UInt8], ifTaken: Taken) throws(StoreError) {
        try Self.check(name: name)
        let flags = ifTaken == .refused ? SYS_RENAME_NOREPLACE : 0
        try call(newName, "put the file in its place") { newName in
            Syscalls.withName(name) { sys_renameat2(descriptor, $0, descriptor, newName, flags) }
        }
    }

    /// Renames into another directory of the same file system, to a name that is not taken.
    ///
    /// - Throws: `exists` if it is.
    func move(_ name: [UInt8], to directory: OpenDirectory, as newName: [UInt8]) throws(StoreError) {
        try Self.check(name: name)
        do throws(StoreError) {
            try directory.call(newName, "move the file") { newName in
                Syscalls.withName(name) {
                    sys_renameat2(descriptor, $0, directory.descriptor, newName, SYS_RENAME_NOREPLACE)
                }
            }
        } catch {
            guard RealFileLayer.isUnsupported(error.errno) else { throw error }
            if try directory.status(newName) != nil { throw .system(EEXIST, "move the file", path: newName) }
            try directory.call(newName, "move the file") { newName in
                Syscalls.withName(name) { sys_renameat2(descriptor, $0, directory.descriptor, newName, 0) }
            }
        }
    }

    /// Exchanges two names of the same file system at once, whatever they are; false where it cannot.
    func exchange(_ name: [UInt8], with other: [UInt8], in directory: OpenDirectory) throws(StoreError) -> Bool {
        try Self.check(name: name)
        do throws(StoreError) {
            try directory.call(other, "put the file in its place") { other in
                Syscalls.withName(name) {
                    sys_renameat2(descriptor, $0, directory.descriptor, other, SYS_RENAME_EXCHANGE)
                }
            }
            return true
        } catch {
            guard RealFileLayer.isUnsupported(error.errno) else { throw error }
            return false
        }
    }

    /// Removes anything but a directory.
    package func removeFile(_ name: [UInt8]) throws(StoreError) {
        try call(name, "remove the file") { sys_unlinkat(descriptor, $0, 0) }
    }

    /// Removes an empty directory.
    package func removeDirectory(_ name: [UInt8]) throws(StoreError) {
        try call(name, "remove the directory") { sys_unlinkat(descriptor, $0, SYS_AT_REMOVEDIR) }
    }
}
