import CSys
import Glibc
package import Varve

/// A directory of this process for copies of databases, gone when it is not needed any more.
package final class StagingPlace: Sendable {
    /// Absolute path.
    package let path: [UInt8]

    private static let prefix = Array("staging-".utf8)

    /// Makes the directory in another, and removes what processes that are gone left there.
    package init(in directory: [UInt8]) throws(StoreError) {
        Self.removeAbandoned(in: directory)
        let name = "staging-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        path = directory + [UInt8(ascii: "/")] + name.utf8
        try Syscalls.makeDirectory(path, mode: 0o700)
    }

    deinit { Self.remove(path) }

    private static func removeAbandoned(in directory: [UInt8]) {
        guard let handle = try? FileHandle(directory, flags: SYS_O_RDONLY | SYS_O_DIRECTORY),
            let names = try? listDirectory(handle.descriptor)
        else { return }
        for index in 0..<names.count {
            let name = Array(names.name(index))
            let parts = name.split(separator: UInt8(ascii: "-"))
            guard name.starts(with: prefix), parts.count == 3,
                let process = pid_t(String(decoding: parts[1], as: UTF8.self)), process > 0,
                kill(process, 0) != 0, errno == ESRCH
            else { continue }
            remove(directory + [UInt8(ascii: "/")] + name)
        }
    }

    private static func remove(_ path: [UInt8]) {
        if let handle = try? FileHandle(path, flags: SYS_O_RDONLY | SYS_O_DIRECTORY | SYS_O_NOFOLLOW),
            let names = try? listDirectory(handle.descriptor)
        {
            for index in 0..<names.count { try? Syscalls.unlink(Array(names.name(index)), at: handle.descriptor) }
        }
        try? Syscalls.removeDirectory(path)
    }

    /// Makes an empty file for a number of bytes.
    ///
    /// - Throws: `noSpace` if they would not fit.
    func makeFile(size: UInt64) throws(StoreError) -> StagedFile {
        let free = Syscalls.withName(path) { sys_free_space($0) }
        guard free < 0 || UInt64(free) > size else {
            throw StoreError(
                .noSpace, "a copy of the database needs \(size) bytes, and \(free) are free", path: path,
                remedy: "free some space there, or choose another place with --cache-dir")
        }
        return try StagedFile(path + "/\(UInt64.random(in: 0...UInt64.max))".utf8)
    }
}

/// A copy of a database in the staging place, removed when it is not needed any more.
final class StagedFile {
    let path: [UInt8]
    let descriptor: Int32

    fileprivate init(_ path: [UInt8]) throws(StoreError) {
        self.path = path
        descriptor = try Syscalls.open(path, flags: SYS_O_RDWR | SYS_O_CREAT | SYS_O_EXCL, mode: 0o600)
    }

    deinit {
        _ = sys_close(descriptor)
        try? Syscalls.unlink(path)
    }

    /// Copies an open file.
    func copy(from source: Int32) throws(StoreError) {
        try write { (buffer, offset) throws(StoreError) in
            let count = sys_pread(source, buffer.baseAddress, buffer.count, Int64(clamping: offset))
            return try Syscalls.check(count, "read the database", nil)
        }
    }

    /// Writes a content.
    func write(_ content: SQLiteContent) throws(StoreError) {
        try write { (buffer, offset) throws(StoreError) in try content.read(into: buffer, at: offset) }
    }

    private func write(
        _ read: (UnsafeMutableRawBufferPointer, UInt64) throws(StoreError) -> Int
    ) throws(StoreError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4_096)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while true {
            let count = try read(buffer, offset)
            if count == 0 { return }
            var done = 0
            while done < count {
                let rest = buffer.baseAddress.map { $0 + done }
                let written = sys_pwrite(descriptor, rest, count - done, Int64(clamping: offset) + Int64(done))
                done += try Syscalls.check(written, "write a copy of the database", path)
            }
            offset += UInt64(count)
        }
    }
}
