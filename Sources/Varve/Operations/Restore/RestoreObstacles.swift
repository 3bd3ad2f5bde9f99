import CSys
import Glibc
import VarveFormat

/// Takes away what is in the way of a restore, and what the snapshot does not have.
enum RestoreObstacles {
    private static let locks = SYS_FS_IMMUTABLE | SYS_FS_APPEND

    /// Takes off the flags that keep a file or directory from being changed or removed; false if it has none, or keeps
    /// them.
    static func unprotect(_ name: [UInt8], in directory: OpenDirectory) -> Bool {
        guard let descriptor = try? directory.openFile(name) else { return false }
        defer { _ = sys_close(descriptor) }
        return unprotect(descriptor)
    }

    /// As `unprotect` by name, of an open file or directory.
    @discardableResult
    static func unprotect(_ descriptor: Int32) -> Bool {
        guard let stat = try? FileStat.of(descriptor), stat.isRegular || stat.isDirectory else { return false }
        var flags: UInt32 = 0
        guard sys_get_inode_flags(descriptor, &flags) >= 0, flags & locks != 0 else { return false }
        return sys_set_inode_flags(descriptor, flags & ~locks) >= 0
    }

    /// Removes a name, and whatever it holds if it is a directory: without recursion, and never through a link or into
    /// another file system.
    static func remove(_ name: [UInt8], in directory: OpenDirectory) throws(StoreError) {
        guard let stat = try directory.status(name) else { return }
        guard stat.isDirectory else { return try removeFile(name, in: directory) }
        let top = try FileStat.of(directory.descriptor)
        guard stat.device == top.device else {
            throw StoreError(.refused, "another file system is mounted there", path: name)
        }
        // Each level is opened anew from the top, so that depth takes no descriptors.
        var levels: [(name: [UInt8], children: [[UInt8]]?)] = [(name, nil)]
        while let level = levels.last {
            var parent = directory
            for level in levels.dropLast() { parent = try parent.openDirectory(level.name) }
            if level.children == nil {
                let opened = try openUnlocked(level.name, in: parent)
                guard try FileStat.of(opened.descriptor).device == top.device else {
                    throw StoreError(.refused, "another file system is mounted there", path: level.name)
                }
                levels[levels.count - 1].children = try removeFiles(in: opened)
            } else if let child = levels[levels.count - 1].children?.popLast() {
                levels.append((child, nil))
            } else {
                try removeDirectory(level.name, in: parent)
                levels.removeLast()
            }
        }
    }

    /// Removes everything but directories and returns their names.
    private static func removeFiles(in directory: OpenDirectory) throws(StoreError) -> [[UInt8]] {
        let names = try directory.list()
        var directories: [[UInt8]] = []
        for index in 0..<names.count {
            let name = Array(names.name(index))
            let isDirectory: Bool
            if names.type(index) == SYS_DT_UNKNOWN {
                isDirectory = try directory.status(name)?.isDirectory ?? false
            } else {
                isDirectory = names.type(index) == SYS_DT_DIR
            }
            if isDirectory { directories.append(name) } else { try removeFile(name, in: directory) }
        }
        return directories
    }

    private static func removeFile(_ name: [UInt8], in directory: OpenDirectory) throws(StoreError) {
        do throws(StoreError) {
            try directory.removeFile(name)
        } catch {
            if error.errno == ENOENT { return }
            guard error.errno == EPERM, unprotect(name, in: directory) else { throw error }
            try directory.removeFile(name)
        }
    }

    private static func removeDirectory(_ name: [UInt8], in directory: OpenDirectory) throws(StoreError) {
        do throws(StoreError) {
            try directory.removeDirectory(name)
        } catch {
            guard error.errno == EPERM, unprotect(name, in: directory) else { throw error }
            try directory.removeDirectory(name)
        }
    }

    /// Opens a directory so that its owner can change what is in it; its own attributes are written in the end.
    static func openUnlocked(_ name: [UInt8], in directory: OpenDirectory) throws(StoreError) -> OpenDirectory {
        let opened = try directory.openDirectory(name)
        unprotect(opened.descriptor)
        let stat = try FileStat.of(opened.descriptor)
        guard stat.permissions & 0o700 != 0o700, geteuid() != 0,
            sys_chmod_of(opened.descriptor, stat.permissions | 0o700) >= 0
        else { return opened }
        // It may have been opened without the right to read it.
        return try directory.openDirectory(name)
    }
}
