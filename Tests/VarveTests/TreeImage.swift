import CSys
import Glibc
import Varve

/// What can be seen of a directory tree by plain system calls, one text for each path, to compare a restore with its
/// source by other code than the engine's.
struct TreeImage {
    private(set) var lines: [String: String] = [:]
    private var firstPaths: [UInt64: String] = [:]

    /// Looks at everything below a directory and, by the path "", at the directory itself.
    init(_ root: String, times: Bool = true) throws { try look(root, "", times: times) }

    /// Paths whose texts differ, with both.
    static func differences(_ left: TreeImage, _ right: TreeImage) -> [String] {
        Set(left.lines.keys).union(right.lines.keys).sorted().compactMap { path in
            let (one, other) = (left.lines[path] ?? "absent", right.lines[path] ?? "absent")
            return one == other ? nil : "\(path): \(one) | \(other)"
        }
    }

    private mutating func look(_ root: String, _ path: String, times: Bool) throws {
        let full = root + path
        var status = stat()
        guard lstat(full, &status) == 0 else { throw StoreError(.failed, "lstat", path: full, errno: errno) }
        let type = status.st_mode & S_IFMT
        var text = "mode \(String(status.st_mode, radix: 8)) owner \(status.st_uid):\(status.st_gid)"
        if times { text += " mtime \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)" }
        if type == S_IFREG {
            text += " size \(status.st_size) content \(Self.content(full).hashValue)"
            text += status.st_blocks * 512 < status.st_size ? " sparse \(status.st_blocks)" : ""
        }
        if type == S_IFLNK { text += " to \(Self.target(full))" }
        if type == S_IFBLK || type == S_IFCHR { text += " device \(status.st_rdev)" }
        if type != S_IFDIR, status.st_nlink > 1 {
            let first = firstPaths[UInt64(status.st_ino)] ?? path
            firstPaths[UInt64(status.st_ino)] = first
            text += " links \(status.st_nlink) with \(first)"
        }
        text += " xattrs \(Self.xattrs(full))"
        lines[path] = text
        guard type == S_IFDIR else { return }
        for name in Self.names(full).sorted() { try look(root, path + "/" + name, times: times) }
    }

    static func names(_ directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func content(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
        }
    }

    private static func target(_ path: String) -> [UInt8] {
        (try? Syscalls.readLink(Array(path.utf8))) ?? []
    }

    private static func xattrs(_ path: String) -> [String] {
        var list = [UInt8](repeating: 0, count: 4_096)
        let count = sys_llistxattr(path, &list, list.count)
        return list.prefix(max(0, count)).split(separator: 0).map { name in
            let name = String(decoding: name, as: UTF8.self)
            var value = [UInt8](repeating: 0, count: 4_096)
            let count = sys_lgetxattr(path, name, &value, value.count)
            return "\(name)=\(value.prefix(max(0, count)))"
        }.sorted()
    }
}
