import CSys
import Glibc

/// What stat(2) says about a file, without what varve never uses: it is held for many files at once.
package struct FileStat: Sendable, Hashable {
    package var device: UInt64
    package var inode: UInt64
    /// Bytes.
    package var size: UInt64
    /// Allocated units of 512 bytes.
    package var blocks: UInt64
    /// The device that a device file stands for.
    package var specialDevice: UInt64
    package var mtimeSeconds: Int64
    package var ctimeSeconds: Int64
    package var mtimeNanoseconds: UInt32
    package var ctimeNanoseconds: UInt32
    /// Type and permissions.
    package var mode: UInt32
    package var links: UInt32
    package var uid: UInt32
    package var gid: UInt32

    fileprivate init(_ status: sys_status) {
        device = status.device
        inode = status.inode
        size = status.size
        blocks = status.blocks512
        specialDevice = status.special_device
        mtimeSeconds = status.modified_seconds
        ctimeSeconds = status.changed_seconds
        mtimeNanoseconds = status.modified_nanoseconds
        ctimeNanoseconds = status.changed_nanoseconds
        mode = status.mode
        links = status.links
        uid = status.user
        gid = status.group
    }

    /// What stands for the stat of a stream: a regular file without an inode.
    init(streamMode: UInt32, uid: UInt32, gid: UInt32, seconds: Int64, nanoseconds: UInt32) {
        (device, inode, size, blocks, specialDevice) = (0, 0, 0, 0, 0)
        (mtimeSeconds, ctimeSeconds) = (seconds, seconds)
        (mtimeNanoseconds, ctimeNanoseconds) = (nanoseconds, nanoseconds)
        (mode, links) = (streamMode, 1)
        self.uid = uid
        self.gid = gid
    }

    /// Whether nothing says that the file was changed between this stat and another. Access times do not count.
    package func isSameContent(as other: FileStat) -> Bool {
        size == other.size && mtimeSeconds == other.mtimeSeconds && mtimeNanoseconds == other.mtimeNanoseconds
            && ctimeSeconds == other.ctimeSeconds && ctimeNanoseconds == other.ctimeNanoseconds
            && inode == other.inode && device == other.device
    }

    /// The permissions with setuid, setgid and sticky.
    package var permissions: UInt32 { mode & 0o7777 }
    package var isRegular: Bool { mode & S_IFMT == S_IFREG }
    package var isDirectory: Bool { mode & S_IFMT == S_IFDIR }
    package var isSymbolicLink: Bool { mode & S_IFMT == S_IFLNK }
    package var isFIFO: Bool { mode & S_IFMT == S_IFIFO }
    package var isSocket: Bool { mode & S_IFMT == S_IFSOCK }
    package var isBlockDevice: Bool { mode & S_IFMT == S_IFBLK }
    package var isCharacterDevice: Bool { mode & S_IFMT == S_IFCHR }

    /// Status of an open file.
    ///
    /// - Throws: as the system says; without a path, which the caller knows.
    package static func of(_ descriptor: Int32) throws(StoreError) -> FileStat {
        var status = sys_status()
        try Syscalls.check(sys_fstat(descriptor, &status), "read the attributes", nil)
        return FileStat(status)
    }

    /// Status of a name in a directory, never through a link, without mounting anything.
    ///
    /// - Throws: as the system says; without a path, which the caller knows.
    package static func at(_ directory: Int32, _ name: UnsafePointer<CChar>) throws(StoreError) -> FileStat {
        var status = sys_status()
        let flags = AT_SYMLINK_NOFOLLOW | SYS_AT_NO_AUTOMOUNT
        try Syscalls.check(sys_fstatat(directory, name, &status, flags), "read the attributes", nil)
        return FileStat(status)
    }

    /// Status of a name in a directory, as `at` for C strings. Errors carry the name.
    package static func at(_ directory: Int32, _ name: [UInt8]) throws(StoreError) -> FileStat {
        var status = sys_status()
        let flags = AT_SYMLINK_NOFOLLOW | SYS_AT_NO_AUTOMOUNT
        let result = Syscalls.withName(name) { sys_fstatat(directory, $0, &status, flags) }
        try Syscalls.check(result, "read the attributes", name)
        return FileStat(status)
    }
}
