import CSys
import Glibc
import Synchronization

/// The operating system's files below one directory.
package final class RealFileLayer: FileLayer {
    package let root: String
    private let noted = Mutex<[String]>([])

    package var warnings: [String] { noted.withLock { $0 } }

    /// A layer below `path`, which need not exist yet; it is made absolute and free of symbolic links.
    package init(_ path: String) { root = Self.canonical(path) }

    package var isLocal: Bool {
        guard let handle = try? FileHandle(bytes(""), flags: SYS_O_RDONLY | SYS_O_DIRECTORY) else { return false }
        return Self.localFileSystems.contains(sys_file_system(handle.descriptor))
    }

    /// ext2 to ext4, xfs, btrfs, tmpfs, f2fs, zfs, bcachefs, overlayfs, vfat, exfat, ntfs3, reiserfs, jfs, hfsplus.
    /// A file system that is not in the list is taken for a shared one: that is only slower.
    private static let localFileSystems: Set<Int64> = [
        0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0xF2F5_2010, 0x2FC1_2FC1, 0xCA45_1A4E, 0x794C_7630, 0x4D44,
        0x2011_BAB0, 0x7366_746E, 0x5265_4973, 0x3153_464A, 0x482B,
    ]

    // MARK: files

    package func create(_ path: String) throws(StoreError) -> any LayerFile {
        let flags = SYS_O_RDWR | SYS_O_CREAT | SYS_O_EXCL | SYS_O_NOFOLLOW
        return RealFile(try FileHandle(bytes(path), flags: flags, mode: 0o600), self)
    }

    package func open(_ path: String) throws(StoreError) -> any LayerFile {
        // Without O_NONBLOCK a FIFO of that name would keep us waiting for ever.
        let handle = try FileHandle(bytes(path), flags: SYS_O_RDONLY | SYS_O_NONBLOCK | SYS_O_NOCTTY)
        guard try handle.status().kind == .regular else {
            throw StoreError(.damaged, "something that is not a file has the name of one", path: bytes(path))
        }
        return RealFile(handle, self)
    }

    package func unlink(_ path: String) throws(StoreError) { try Syscalls.unlink(bytes(path)) }

    package func renameReplacing(_ path: String, to newPath: String) throws(StoreError) {
        try Syscalls.rename(bytes(path), to: bytes(newPath))
    }

    /// renameat2 with RENAME_NOREPLACE; file systems without it (sshfs, some NFS) get a hard link and unlink, and
    /// those without hard links a look and a rename: names are made from contents, so even a lost race does no harm.
    package func rename(_ path: String, to newPath: String) throws(StoreError) {
        let from = bytes(path)
        let to = bytes(newPath)
        do throws(StoreError) {
            return try Syscalls.renameExclusively(from, to: to)
        } catch {
            guard Self.isUnsupported(error.errno) else { throw error }
        }
        let isDirectory = try Syscalls.status(from).kind == .directory
        if !isDirectory {
            do throws(StoreError) {
                try Syscalls.link(from, to: to)
                // If the name is gone, somebody moved our directory away after the link: the new name stands.
                try? Syscalls.unlink(from)
                return
            } catch {
                guard Self.isUnsupported(error.errno) || error.errno == EPERM || error.errno == EMLINK else {
                    throw error
                }
            }
        }
        if (try? Syscalls.status(to)) != nil { throw .system(EEXIST, "rename", path: to) }
        try Syscalls.rename(from, to: to)
    }

    // MARK: directories

    package func makeRoot() throws(StoreError) {
        do throws(StoreError) {
            try Syscalls.makeDirectory(bytes(""), mode: 0o700)
        } catch {
            guard error.errno == EEXIST else { throw error }
        }
        try protectRoot()
        try syncAbsolute(Self.parentDirectory(root))
    }

    package func makeDirectory(_ path: String) throws(StoreError) {
        try Syscalls.makeDirectory(bytes(path), mode: 0o700)
    }

    package func removeDirectory(_ path: String) throws(StoreError) { try Syscalls.removeDirectory(bytes(path)) }

    package func syncDirectory(_ path: String) throws(StoreError) {
        try syncAbsolute(path.isEmpty ? root : root + "/" + path)
    }

    package func list(_ path: String) throws(StoreError) -> [BackendEntry] {
        let handle = try FileHandle(bytes(path), flags: SYS_O_RDONLY | SYS_O_DIRECTORY)
        var entries: [BackendEntry] = []
        try handle.forEachName { name, kind, _ throws(StoreError) in
            let text = String(cString: name)
            if kind == .directory {
                entries.append(BackendEntry(name: text, size: 0, isDirectory: true))
                return
            }
            let (status, errno) = Syscalls.status(cName: name, at: handle.descriptor)
            if let status {
                entries.append(Self.entry(text, status))
            } else if errno != ENOENT {
                throw .system(errno, "look at", path: self.bytes(LayerPath.join(path, text)))
            }
        }
        return entries
    }

    package func entry(_ path: String) throws(StoreError) -> BackendEntry {
        Self.entry(LayerPath.name(path), try Syscalls.status(bytes(path)))
    }

    package func freeSpace() -> UInt64? {
        let result = Syscalls.withName(bytes("")) { sys_free_space($0) }
        return result < 0 ? nil : UInt64(result)
    }

    // MARK: helpers

    /// Error numbers of file systems that lack an operation.
    static func isUnsupported(_ errno: Int32?) -> Bool {
        errno == EINVAL || errno == ENOTSUP || errno == ENOSYS || errno == ENOTTY
    }

    /// Notes once what this file system cannot do.
    func note(_ warning: String) {
        noted.withLock { if !$0.contains(warning) { $0.append(warning) } }
    }

    private func bytes(_ path: String) -> [UInt8] { Array((path.isEmpty ? root : root + "/" + path).utf8) }

    private func syncAbsolute(_ path: String) throws(StoreError) {
        do throws(StoreError) {
            try FileHandle(Array(path.utf8), flags: SYS_O_RDONLY | SYS_O_DIRECTORY).sync()
        } catch {
            // The directory above the repository may be readable for others only.
            let isAbove = !(path + "/").hasPrefix(root + "/")
            guard Self.isUnsupported(error.errno) || isAbove && error.code == .denied else {
                throw error.at(Array(path.utf8))
            }
            note("this file system cannot sync directories: a power cut may undo the last backup")
        }
    }

    private func protectRoot() throws(StoreError) {
        let handle = try FileHandle(bytes(""), flags: SYS_O_RDONLY | SYS_O_DIRECTORY)
        if try handle.status().permissions == 0o700 { return }
        _ = sys_fchmod(handle.descriptor, 0o700)
        if try handle.status().permissions & 0o077 != 0 {
            note("this file system cannot keep other users out of the repository")
        }
    }

    private static func entry(_ name: String, _ status: FileStatus) -> BackendEntry {
        let isDirectory = status.kind == .directory
        return BackendEntry(name: name, size: isDirectory ? 0 : status.size, isDirectory: isDirectory)
    }

    private static func parentDirectory(_ path: String) -> String {
        let parent = LayerPath.parent(path)
        return parent.isEmpty ? "/" : parent
    }

    /// The path made absolute, its links resolved as far as it exists.
    private static func canonical(_ path: String) -> String {
        var rest: [String] = []
        var head = path.isEmpty ? "." : path
        while true {
            if let resolved = realpath(head, nil) {
                defer { free(resolved) }
                let base = String(cString: resolved)
                return rest.isEmpty ? base : (base == "/" ? "" : base) + "/" + rest.reversed().joined(separator: "/")
            }
            while head.utf8.count > 1, head.hasSuffix("/") { head.removeLast() }
            let name = LayerPath.name(head)
            if head == "/" || head == "." { return path }
            rest.append(name)
            let parent = LayerPath.parent(head)
            head = parent.isEmpty ? (head.hasPrefix("/") ? "/" : ".") : parent
        }
    }
}

/// An open file of `RealFileLayer`.
private final class RealFile: LayerFile {
    private let handle: FileHandle
    private let layer: RealFileLayer

    init(_ handle: consuming FileHandle, _ layer: RealFileLayer) {
        self.handle = handle
        self.layer = layer
    }

    func size() throws(StoreError) -> UInt64 { try handle.status().size }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try handle.read(into: buffer, at: offset)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(StoreError) -> Int {
        try handle.write(bytes, at: offset)
    }

    func syncData() throws(StoreError) {
        do throws(StoreError) {
            try handle.syncData()
        } catch {
            guard RealFileLayer.isUnsupported(error.errno) else { throw error }
            layer.note("this file system cannot sync files: a power cut may damage the last backup")
        }
    }

    func startWriteback(from offset: UInt64) { handle.startWriteback(from: offset) }
}
