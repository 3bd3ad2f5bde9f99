import CSys

/// System calls with typed errors. Names are bytes without a NUL; a call that a signal interrupts is made again.
/// Names are relative to the directory `at` (a descriptor, or `Syscalls.current` for the working directory); errors
/// carry the name as it was given, so callers add the rest with `StoreError.at`.
package enum Syscalls {
    /// Stands for the working directory; absolute names ignore it.
    package static let current = SYS_AT_FDCWD

    // MARK: opening

    /// Opens a file; O_CLOEXEC is always added.
    package static func open(
        _ name: [UInt8], at directory: Int32 = current, flags: Int32, mode: UInt32 = 0
    ) throws(StoreError) -> Int32 {
        try check(withName(name) { sys_openat(directory, $0, flags, mode) }, "open", name)
    }

    /// Opens a file without leaving `directory`, through no symbolic link (openat2(2)); ENOSYS before Linux 5.6.
    package static func openBeneath(
        _ name: [UInt8], at directory: Int32, flags: Int32, mode: UInt32 = 0
    ) throws(StoreError) -> Int32 {
        let resolve = SYS_RESOLVE_BENEATH | SYS_RESOLVE_NO_SYMLINKS | SYS_RESOLVE_NO_MAGICLINKS
        return try check(withName(name) { sys_openat2(directory, $0, flags, mode, resolve) }, "open", name)
    }

    // MARK: names

    package static func makeDirectory(
        _ name: [UInt8], at directory: Int32 = current, mode: UInt32
    ) throws(StoreError) {
        try check(withName(name) { sys_mkdirat(directory, $0, mode) }, "make the directory", name)
    }

    /// Renames; an existing file of the new name is replaced.
    package static func rename(
        _ name: [UInt8], at directory: Int32 = current, to newName: [UInt8], at newDirectory: Int32 = current
    ) throws(StoreError) {
        try rename(name, directory, newName, newDirectory, 0)
    }

    /// Renames to a name that is not taken, else EEXIST. EINVAL or ENOSYS where the file system cannot.
    package static func renameExclusively(
        _ name: [UInt8], at directory: Int32 = current, to newName: [UInt8], at newDirectory: Int32 = current
    ) throws(StoreError) {
        try rename(name, directory, newName, newDirectory, SYS_RENAME_NOREPLACE)
    }

    private static func rename(
        _ name: [UInt8], _ directory: Int32, _ newName: [UInt8], _ newDirectory: Int32, _ flags: UInt32
    ) throws(StoreError) {
        let result = withName(name) { from in
            withName(newName) { to in sys_renameat2(directory, from, newDirectory, to, flags) }
        }
        try check(result, "rename", name)
    }

    /// Makes a second name of a file; symbolic links are not followed.
    package static func link(
        _ name: [UInt8], at directory: Int32 = current, to newName: [UInt8], at newDirectory: Int32 = current
    ) throws(StoreError) {
        let result = withName(name) { from in
            withName(newName) { to in sys_linkat(directory, from, newDirectory, to, 0) }
        }
        try check(result, "link", name)
    }

    package static func symlink(
        target: [UInt8], _ name: [UInt8], at directory: Int32 = current
    ) throws(StoreError) {
        let result = withName(target) { target in withName(name) { sys_symlinkat(target, directory, $0) } }
        try check(result, "make the symbolic link", name)
    }

    package static func unlink(_ name: [UInt8], at directory: Int32 = current) throws(StoreError) {
        try check(withName(name) { sys_unlinkat(directory, $0, 0) }, "remove", name)
    }

    package static func removeDirectory(_ name: [UInt8], at directory: Int32 = current) throws(StoreError) {
        try check(withName(name) { sys_unlinkat(directory, $0, SYS_AT_REMOVEDIR) }, "remove the directory", name)
    }

    /// The target of a symbolic link.
    package static func readLink(_ name: [UInt8], at directory: Int32 = current) throws(StoreError) -> [UInt8] {
        var capacity = 256
        while true {
            var count = 0
            let target = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
                count = withName(name) { sys_readlinkat(directory, $0, buffer.baseAddress, capacity) }
                initialized = max(0, count)
            }
            if count < 0 { throw .system(Int32(-count), "read the symbolic link", path: name) }
            if count < capacity { return target }
            capacity *= 4
        }
    }

    // MARK: status

    /// The status of a name; a symbolic link is not followed unless `follow`.
    package static func status(
        _ name: [UInt8], at directory: Int32 = current, follow: Bool = false
    ) throws(StoreError) -> FileStatus {
        var raw = sys_status()
        let flags = follow ? 0 : SYS_AT_SYMLINK_NOFOLLOW
        try check(withName(name) { sys_fstatat(directory, $0, &raw, flags) }, "look at", name)
        return FileStatus(raw)
    }

    /// The status of a name that a directory record gave, without a copy; nil and the error number if it fails.
    package static func status(
        cName: UnsafePointer<CChar>, at directory: Int32
    ) -> (status: FileStatus?, errno: Int32) {
        var raw = sys_status()
        let result = sys_fstatat(directory, cName, &raw, SYS_AT_SYMLINK_NOFOLLOW)
        return result < 0 ? (nil, -result) : (FileStatus(raw), 0)
    }

    package static func status(of descriptor: Int32) throws(StoreError) -> FileStatus {
        var raw = sys_status()
        try check(sys_fstat(descriptor, &raw), "look at an open file", nil)
        return FileStatus(raw)
    }

    // MARK: helpers

    /// Random bytes from the kernel.
    package static func randomBytes(_ count: Int) throws(StoreError) -> [UInt8] {
        var result: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            result = sys_random(buffer.baseAddress, count)
            initialized = result < 0 ? 0 : count
        }
        try check(result, "get random bytes", nil)
        return bytes
    }

    /// Calls `body` with the bytes as a C string.
    package static func withName<Result>(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: name.count + 1, alignment: 1) { buffer in
            buffer.copyBytes(from: name)
            buffer[name.count] = 0
            return buffer.withMemoryRebound(to: CChar.self) { characters in
                // The buffer holds at least the NUL, so it has an address.
                body(UnsafePointer(characters.baseAddress.unsafelyUnwrapped))
            }
        }
    }

    /// Throws the error that a negative result stands for, else hands the result on.
    @discardableResult
    package static func check<Value: FixedWidthInteger & SignedInteger>(
        _ result: Value, _ action: String, _ path: [UInt8]?
    ) throws(StoreError) -> Value {
        if result < 0 { throw .system(Int32(truncatingIfNeeded: -result), action, path: path) }
        return result
    }
}
